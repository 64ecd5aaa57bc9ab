"""The inputs of a test part at a grade of noise, batch after batch, and the words that are left."""

import csv
import functools
import os
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from tfcr import files
from tfcr.data.pipeline import Pipeline
from tfcr.dataset_info import Dataset, IndexRow
from tfcr.errors import TfcrError
from tfcr.features.embeddings import WordVectors
from tfcr.features.presets import PRESETS
from tfcr.features.vocabulary import read_vocabulary
from tfcr.noise import voices, words
from tfcr.noise.grades import AUDIO, CLEAN, KINDS, TEXT, Grade
from tfcr.noise.recordings import find_recordings

TRANSCRIPTS = "noise-transcripts.csv"
INPUT_OF = {AUDIO: "spectrogram", TEXT: "embeddings"}  # modality → the input of a network that can be degraded


class Degradation:
    """Makes the inputs of a test part worse, batch after batch.

    Args:
        pipeline: of the network that is tested.
        positions: of the test part.
        root: the folder of the corpus, to add noise to its recordings; None for the spectrograms.
        seed: of every draw.

    Raises:
        TfcrError: `root` does not hold the recordings, or noise cannot be added to the dataset's pictures.
    """

    def __init__(
        self, dataset: Dataset, pipeline: Pipeline, positions: np.ndarray, root: str | os.PathLike | None, seed: int
    ):
        self.dataset, self.pipeline, self.positions, self.seed = dataset, pipeline, positions, seed
        self.rows = [dataset.index[position] for position in positions]
        self.preset = PRESETS[dataset.info["preset"]]
        self.speech = self._speech(None if root is None else pathlib.Path(root))
        self.words = Words(dataset, pipeline, positions, seed) if INPUT_OF[TEXT] in pipeline.inputs else None

    @property
    def place(self) -> str:
        """Where noise is added to speech, `recordings` or `spectrograms`."""
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

    def too_few(self, there: Sequence[Grade]) -> dict[str, tuple[int, int]]:
        """Of grades at which fewer words could change than wanted: how many have, and how many should have."""
        of_words = [] if self.words is None else [(grade, self.words) for grade in _of_words(there)]
        return {grade.name: few for grade, words in of_words if (few := words.too_few(grade))}

    def write_transcripts(self, folder: pathlib.Path, there: Sequence[Grade]) -> pathlib.Path | None:
        """Writes what every utterance says at every grade of words; None where there is no such grade."""
        of_words = _of_words(there)
        path = folder / TRANSCRIPTS
        if self.words is None or not of_words:
            path.unlink(missing_ok=True)  # it would be of results that are no longer there
            return None
        with files.written_whole(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("grade", "id", "transcript"))
            for name, sentences in [
                (CLEAN, self.words.sentences),
                *((grade.name, self.words.heard(grade)) for grade in of_words),
            ]:
                writer.writerows((name, id, " ".join(said)) for id, said in sorted(sentences.items()))
        return path


def _of_words(there: Sequence[Grade]) -> list[Grade]:
    return [grade for grade in there if grade.kind.modality == TEXT]


class Words:
    """The sentences of a test part, and what is heard of them."""

    def __init__(self, dataset: Dataset, pipeline: Pipeline, positions: np.ndarray, seed: int):
        preset, (names, vectors, known) = PRESETS[dataset.info["preset"]], read_vocabulary(dataset.folder)
        self.index, self.seed = dataset.index, seed
        by_word = {name: vector for name, vector, is_known in zip(names, vectors, known, strict=True) if is_known}
        self.vectors = WordVectors(by_word, "", look_up=preset.look_up, width=dataset.embedding_dim)
        transcripts = pipeline.transcripts(positions)
        self.sentences = {self.index[position].id: preset.split_words(text) for position, text in transcripts}
        self.heard = functools.cache(self._heard)  # tested, counted and listed

    def _heard(self, grade: Grade) -> dict[str, list[str]]:
        """Id of an utterance → the words that are heard of it."""
        if grade.kind == KINDS["no-words"]:
            return words.without(self.sentences)
        return words.degraded(self.sentences, grade.kind.name, grade.level, self.seed, self.vectors)

    def too_few(self, grade: Grade) -> tuple[int, int] | None:
        """How many words have changed at a grade, and how many were wanted, where these are more; None otherwise."""
        if not grade.kind.is_graded:
            return None
        found = words.count_changed(self.sentences, self.heard(grade)), words.wanted(self.sentences, grade.level)
        return found if found[0] < found[1] else None

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
