"""A finished run on its own test fold as speech and words get worse, grade after grade."""

import os
import pathlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from tfcr import files, runs, split_file
from tfcr.config import Config
from tfcr.dataset_info import open_dataset
from tfcr.errors import TfcrError, UsageError
from tfcr.models.restore import restore_network
from tfcr.models.systems import feature_names, sizes_of
from tfcr.noise.grades import CLEAN, Grade, grades
from tfcr.noise.results import NOISE, Identity, NoiseResults, read_noise, write_noise
from tfcr.training import evaluate, runtime
from tfcr.training.degradation import INPUT_OF, Degradation
from tfcr.training.experiment import pipeline_of, plan, read_run_config

SUMMARY = "noise.json"


@dataclass(frozen=True)
class NoiseEvaluation:
    """What was tested.

    Attributes:
        place: where noise was added to speech, `recordings` or `spectrograms`.
        figures: grade's name → as one part's entry in `metrics.json`; `clean` first.
        transcripts: the file that lists the words of every utterance at every grade of words; None without such.
        too_few: grade's name → how many words have changed, and how many should have: where more could not.
    """

    place: str
    figures: dict[str, dict]
    transcripts: pathlib.Path | None
    too_few: Mapping[str, tuple[int, int]]


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
        UsageError: there is no such kind, or none of the kinds is of what the system takes.
        TfcrError: the dataset is not the run's, the system takes features that cannot be degraded, `root` does not hold
            the recordings, or what is there is of another seed or place.
    """
    config = read_run_config(run.folder)
    named = None if kinds is None else list(kinds)
    wanted = grades(named)
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
    wanted = [grade for grade in wanted if INPUT_OF[grade.kind.modality] in pipeline.inputs]
    if not wanted:
        raise UsageError(f"system {config.system!r} takes nothing that --kinds {','.join(named or ())} would degrade")
    degradation = Degradation(dataset, pipeline, positions, root, seed)
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
        there = [grade for grade in grades() if grade.name in figures]
        too_few = degradation.too_few(there)
        content = {"dataset_sha256": dataset.sha256, **vars(identity), "grades": figures}
        if too_few:
            content["words"] = {
                name: dict(zip(("changed", "wanted"), few, strict=True)) for name, few in too_few.items()
            }
        files.write_json(run.folder / SUMMARY, content)
        return NoiseEvaluation(degradation.place, figures, degradation.write_transcripts(run.folder, there), too_few)


def _name(grade: Grade | None) -> str:
    return CLEAN if grade is None else grade.name


def _refuse_other_features(config: Config) -> None:
    if names := feature_names(config):
        raise TfcrError(
            f"system {config.system!r} takes the features {', '.join(names)}, which noise does not reach; expected a "
            "system of spectrograms and word embeddings, such as fusion, audio or text"
        )


def _kept(run: runs.Run, identity: Identity) -> NoiseResults:
    """What an earlier call left; nothing where there is none, or where it is of other weights.

    Raises:
        TfcrError: it is of another seed or place, and would be lost.
    """
    found = read_noise(run.folder)
    if found is None or found.identity.weights_sha256 != identity.weights_sha256:
        return NoiseResults(identity, {})
    if found.identity != identity:
        there, remedy = found.identity, "name" if found.identity.place == "recordings" else "leave out"
        raise TfcrError(
            f"{run.folder / NOISE} has noise in the {there.place} by seed {there.seed}, and this would be in the "
            f"{identity.place} by seed {identity.seed}; to go on with it, take that seed and {remedy} --root, "
            "or move the file away"
        )
    return found


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
