"""A finished run on its own test fold as speech and words get worse, grade after grade."""

import csv
import os
import pathlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tfcr import files, runs, split_file
from tfcr.config import Config
from tfcr.data.pipeline import Pipeline
from tfcr.dataset_info import Dataset, IndexRow, open_dataset
from tfcr.errors import TfcrError
from tfcr.features.embeddings import WordVectors
from tfcr.features.presets import PRESETS
from tfcr.features.vocabulary import read_vocabulary
from tfcr.models.restore import restore_network
from tfcr.models.systems import feature_names, sizes_of
from tfcr.noise import voices, words
from tfcr.noise.grades import AUDIO, CLEAN, KINDS, TEXT, Grade, grades
from tfcr.noise.recordings import find_recordings
from tfcr.noise.results import Identity, NoiseResults, read_noise, write_noise
from tfcr.training import evaluate, runtime
from tfcr.training.experiment import pipeline_of, plan, read_run_config

SUMMARY = "noise.json"
TRANSCRIPTS = "noise-transcripts.csv"
_INPUT_OF = {AUDIO: "spectrogram", TEXT: "embeddings"}  # modality → the input of a network that can be degraded


@dataclass(frozen=True)
class NoiseEvaluation:
    """What was tested.

    Attributes:
        place: where noise was added to speech, `recordings` or `spectrograms`.
        figures: grade's name → as one part's entry in `metrics.json`; `clean` first.
        transcripts: the file that lists the words of every utterance at every grade of words; None without such.
    """

    place: str
    figures: dict[str, dict]
    transcripts: pathlib.Path | None


def evaluate_noise(
    run: runs.Run,
    data: str | os.PathLike | None = None,
    root: str | os.PathLike | None = None,
    kinds: Iterable[str] | None = None,
    seed: int = 0,
    start: Callable[[int], None] = lambda utterances: None,
    advance: Callable[[int], None] = lambda utterances: None,
) -> NoiseEvaluation:
    """Tests a run under noise, into `noise.h5` and `noise.json` beside it; grades that are there are not tested again.

    Args:
        data: where the run's dataset lies now.
        root: the folder of the corpus; noise is then added to the recordings, else to the spectrograms.
        kinds: names of `tfcr.noise.grades.KINDS`, all by default; those of a modality that the system lacks are passed
            over.
        seed: of the noise, which is the same for every run on the same test part.
        start, advance: called with the utterances ahead and done, an utterance once a grade.

    Raises:
        UsageError: there is no such kind.
        TfcrError: the dataset is not the run's, the system takes features that cannot be degraded, or `root` does not
            hold the recordings.
    """
    config = read_run_config(run.folder)
    wanted = grades(kinds)
    dataset = open_dataset(run.config["data"] if data is None else data)
    if dataset.sha256 != config.dataset_sha256:
        raise TfcrError(
            f"dataset {dataset.folder} is not the one that {run.folder} was trained on; noise is tested on the run's "
            "own test fold: name where that dataset lies by --data"
        )
    _refuse_other_features(config)
    runtime.configure(config.threads, config.op_threads)
    positions = plan(config, dataset.folder, split_file.kept_in(run.folder)).split.test
    runs.check_weights(run)
    sizes = replace(sizes_of(config, dataset), embedding_dim=run.embedding_dim)
    network = restore_network(config, len(run.emotions), run.folder / runs.WEIGHTS, sizes)
    pipeline = pipeline_of(config, dataset, network)
    wanted = [grade for grade in wanted if _INPUT_OF[grade.kind.modality] in pipeline.inputs]
    degradation = _Degradation(dataset, pipeline, positions, root, seed)
    identity = Identity(run.metrics["weights_sha256"], seed, degradation.place)
    with files.locked(run.folder, "evaluating"):
        results = _kept(run, identity)
        outputs = evaluate.UtteranceOutputs(network, pipeline)
        utterances = pipeline.utterances(positions, keep=True)
        missing = [grade for grade in (None, *wanted) if _name(grade) not in results.by_grade]
        start(len(missing) * len(positions))
        for grade in missing:
            said = outputs.of(utterances, None if grade is None else degradation.at(grade), advance)
            said = {name: value for name, value in said.items() if not name.endswith("_embedding")}
            results = results.with_grade(_name(grade), evaluate.predictions(dataset, positions, said))
            write_noise(run.folder, results)
        figures = _figures(run, results)
        content = {"dataset_sha256": dataset.sha256, **vars(identity), "grades": figures}
        files.write_json(run.folder / SUMMARY, content)
        there = [grade for grade in grades() if grade.name in figures]
        return NoiseEvaluation(degradation.place, figures, degradation.write_transcripts(run.folder, there))


def _name(grade: Grade | None) -> str:
    return CLEAN if grade is None else grade.name


def _refuse_other_features(config: Config) -> None:
    if names := feature_names(config):
        raise TfcrError(
            f"system {config.system!r} takes the features {', '.join(names)}, which noise does not reach; expected a "
            "system of spectrograms and word embeddings, such as fusion, audio or text"
        )


def _kept(run: runs.Run, identity: Identity) -> NoiseResults:
    """What an earlier call left, unless other weights, another seed or another place of the noise made it."""
    found = read_noise(run.folder)
    return found if found is not None and found.identity == identity else NoiseResults(identity, {})


def _figures(run: runs.Run, results: NoiseResults) -> dict[str, dict]:
    means = {name: np.array(mean) for name, mean in run.metrics["training_means"].items()}
    names = [CLEAN, *(grade.name for grade in grades() if grade.name in results.by_grade)]
    found = {}
    for name in names:
        said = results.by_grade[name]
        scores = {score: getattr(said, score) for score in ("logits", "audio_logits", "text_logits")}
        present = {score: value for score, value in scores.items() if value is not None}
        found[name] = evaluate.figures(said.label, present, run.emotions, means, run.metrics.get("temperature"))
    return found


class _Degradation:
    """Makes the inputs of a test part worse, batch after batch."""

    def __init__(
        self, dataset: Dataset, pipeline: Pipeline, positions: np.ndarray, root: str | os.PathLike | None, seed: int
    ):
        self.dataset, self.pipeline, self.positions, self.seed = dataset, pipeline, positions, seed
        self.rows = [dataset.index[position] for position in positions]
        self.preset = PRESETS[dataset.info["preset"]]
        self.speech = self._speech(None if root is None else pathlib.Path(root))
        self.words = _Words(dataset, pipeline, positions, seed) if _INPUT_OF[TEXT] in pipeline.inputs else None

    @property
    def place(self) -> str:
        return self.speech.place

    def _speech(self, root: pathlib.Path | None) -> voices.Speech:
        pool = voices.pool_of(self.rows, self.seed)
        if root is not None:
            paths = find_recordings(self.dataset, root, self.rows)
            return voices.InRecordings(paths, pool, self.preset, self.seed)
        if self.pipeline.has_segments and self.dataset.info["preset"] != "paper":
            raise TfcrError(
                f"dataset {self.dataset.folder} has preset {self.dataset.info['preset']!r}, whose pictures are means "
                "of logarithms, to which no noise can be added; name the folder of the corpus by --root"
            )
        return voices.InSpectrograms(pool, lambda: self._pictures(pool), self.seed)

    def _pictures(self, pool: Sequence[IndexRow]) -> dict[str, np.ndarray]:
        position_of = {row.id: position for position, row in zip(self.positions, self.rows, strict=True)}
        order = self.pipeline.in_record_order(np.array([position_of[row.id] for row in pool]))
        pictures = self.pipeline.steps(order, "spectrogram")
        return {self.dataset.index[position].id: picture for position, picture in zip(order, pictures, strict=True)}

    def at(self, grade: Grade) -> Callable[[dict, np.ndarray], dict]:
        """A function of a batch and the positions in it that gives the batch at a grade."""
        if grade.kind.modality == AUDIO:
            return lambda x, positions: {**x, "spectrogram": self._pictures_at(grade, x["spectrogram"], positions)}
        assert self.words is not None
        return self.words.at(grade)

    def _pictures_at(self, grade: Grade, pictures, positions: np.ndarray) -> np.ndarray:
        changed = np.array(pictures)
        for number, position in enumerate(positions):
            row = self.dataset.index[position]
            changed[number, : row.num_segments] = self.speech(grade, row, changed[number, : row.num_segments])
        return changed

    def write_transcripts(self, folder: pathlib.Path, there: Sequence[Grade]) -> pathlib.Path | None:
        """Writes what every utterance says at every grade of words; None where there is no such grade."""
        of_words = [grade for grade in there if grade.kind.modality == TEXT]
        if self.words is None or not of_words:
            return None
        path = folder / TRANSCRIPTS
        with files.written_whole(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("grade", "id", "transcript"))
            for name, sentences in [
                (CLEAN, self.words.sentences),
                *((grade.name, self.words.heard(grade)) for grade in of_words),
            ]:
                writer.writerows((name, id, " ".join(said)) for id, said in sorted(sentences.items()))
        return path


class _Words:
    """The sentences of a test part, and what is heard of them."""

    def __init__(self, dataset: Dataset, pipeline: Pipeline, positions: np.ndarray, seed: int):
        preset, (names, vectors, known) = PRESETS[dataset.info["preset"]], read_vocabulary(dataset.folder)
        self.index, self.seed = dataset.index, seed
        by_word = {name: vector for name, vector, is_known in zip(names, vectors, known, strict=True) if is_known}
        self.vectors = WordVectors(by_word, "", look_up=preset.look_up, width=dataset.embedding_dim)
        transcripts = pipeline.transcripts(positions)
        self.sentences = {self.index[position].id: preset.split_words(text) for position, text in transcripts}

    def heard(self, grade: Grade) -> dict[str, list[str]]:
        if grade.kind == KINDS["no-words"]:
            return words.without(self.sentences)
        return words.degraded(self.sentences, grade.kind.name, grade.level, self.seed, self.vectors)

    def at(self, grade: Grade) -> Callable[[dict, np.ndarray], dict]:
        """A function of a batch and the positions in it that gives the batch with the words that are heard."""
        heard = self.heard(grade)

        def change(x: dict, positions: np.ndarray) -> dict:
            tokens, embeddings = zip(
                *(self.vectors.embed(heard[self.index[position].id]) for position in positions), strict=True
            )
            changed = {"embeddings": np.stack(embeddings), "num_tokens": np.array(list(map(len, tokens)), np.int32)}
            return {**x, **{name: value for name, value in changed.items() if name in x}}

        return change
