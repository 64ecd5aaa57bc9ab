"""A finished run tested again: on its own test fold, on a part that was released, or on another dataset."""

import os
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tfcr import files, runs, split_file
from tfcr.dataset_info import Dataset, open_dataset
from tfcr.errors import TfcrError, UsageError
from tfcr.models.restore import restore_network
from tfcr.models.systems import feature_names, on_dataset, sizes_of
from tfcr.objectives.metrics import confusion
from tfcr.protocols.parts import part_named
from tfcr.training import comparable, evaluate, runtime
from tfcr.training.experiment import pipeline_of, plan, read_run_config
from tfcr.verification import verify


@dataclass(frozen=True)
class Evaluation:
    """What was tested.

    Attributes:
        name: `test`, or the name of the other dataset or part.
        figures: as one part's entry in `metrics.json`.
        folder: where they were written to.
        emotions: the classes that were tested, which run and dataset share; others of the dataset are left out.
        left_out: utterances of the other dataset or part that were not tested because the run was trained or stopped by
            them.
        is_kept: whether the run's own predictions stayed as they were, since those of this machine contradict the
            figures of its training.
    """

    name: str
    figures: dict
    folder: pathlib.Path
    emotions: list[str]
    left_out: int = 0
    is_kept: bool = False


def evaluate_run(
    run: runs.Run,
    data: str | os.PathLike | None = None,
    part: str | None = None,
    emotions: Sequence[str] | None = None,
) -> Evaluation:
    """Tests a run again. Its own fold renews `predictions.h5`; another dataset or part gets a folder in the run's.

    Another processor or GPU rounds otherwise, and an utterance with two scores alike may go to the other class. Where
    one does, the predictions of the training stay, which the run's figures were computed from.

    Of another dataset the utterances of shared classes are tested, and the largest score among these classes counts.

    Args:
        part: that the corpus was released with, such as `test2`; it alone is tested.
        emotions: the classes to test on another dataset; by default all that both have.

    Raises:
        UsageError: the dataset has no such part.
        TfcrError: the dataset is not the run's or shares no two emotions, or the weights are broken.
    """
    config = read_run_config(run.folder)
    dataset = open_dataset(run.config["data"] if data is None else data)
    runtime.configure(config.threads, config.op_threads)
    is_own = data is None or dataset.sha256 == config.dataset_sha256
    own = plan(config, dataset.folder, split_file.kept_in(run.folder)) if is_own else None  # which refuses another one
    classes = run.emotions
    if own is not None and part is None:
        positions, name, folder, left_out = own.split.test, "test", run.folder, 0
    else:
        verify(dataset, feature_names(config))
        comparable.refuse_unlike(str(run.folder), run.metrics, config, dataset)
        classes = list(emotions or comparable.shared_emotions(str(run.folder), run.emotions, [dataset]))
        wanted = _of_classes(
            dataset, classes, np.arange(len(dataset.index)) if part is None else _of_part(dataset, part)
        )
        positions = _unseen(run, dataset, wanted)
        name = "-".join(filter(None, ("" if is_own else dataset.name, part and part_named(part))))
        folder, left_out = runs.evaluation_folder(run, name), len(wanted) - len(positions)
    runs.check_weights(run)
    sizes = replace(sizes_of(config, dataset), embedding_dim=run.embedding_dim)
    network = restore_network(config, len(run.emotions), run.folder / runs.WEIGHTS, sizes)
    if not is_own and "embeddings" in network.input:
        comparable.refuse_other_words(str(run.folder), run.metrics, dataset)
    outputs = evaluate.UtteranceOutputs(network, pipeline_of(config, dataset, network))(positions)
    columns = [run.emotions.index(emotion) for emotion in classes]
    outputs = evaluate.among(outputs, columns)
    means = {name: np.array(mean)[columns] for name, mean in run.metrics["training_means"].items()}
    labels = np.array([classes.index(dataset.index[position].emotion) for position in positions])
    figures = evaluate.figures(labels, outputs, classes, means, run.metrics.get("temperature"))
    folder.mkdir(exist_ok=True)
    predictions = replace(evaluate.predictions(dataset, positions, outputs), label=labels)
    recorded = run.metrics["test"].get("confusion")
    contradicts = folder == run.folder and recorded is not None and figures["confusion"] != recorded
    is_kept = contradicts and _predicted(run) == recorded
    if not is_kept:
        runs.write_predictions(folder / runs.PREDICTIONS, predictions)
    if folder != run.folder:
        tested = {
            "dataset": dataset.name,
            "dataset_sha256": dataset.sha256,
            "features_sha256": on_dataset(config, dataset).features_sha256,
            "emotions": classes,
            "left_out": left_out,
            "weights_sha256": run.metrics.get("weights_sha256"),
            **({"part": part_named(part)} if part else {}),
        }
        files.write_json(folder / runs.METRICS, {**tested, **figures})
    return Evaluation(name, figures, folder, classes, left_out, is_kept)


def _predicted(run: runs.Run) -> list[list[int]] | None:
    """The confusion of what a run has predicted; None where its file is not there or broken."""
    try:
        found = runs.read_predictions(run.folder / runs.PREDICTIONS)
        return confusion(found.label, found.logits).tolist()
    except (TfcrError, ValueError, IndexError):
        return None


def _of_classes(dataset: Dataset, classes: Sequence[str], positions: np.ndarray) -> np.ndarray:
    """Those of some utterances that have one of the classes."""
    return positions[np.isin([dataset.index[position].emotion for position in positions], classes)]


def _of_part(dataset: Dataset, part: str) -> np.ndarray:
    """The utterances of a part that the corpus was released with."""
    parts = dataset.labelled.parts
    found = np.flatnonzero(np.array(parts) == part_named(part)) if part_named(part) else []
    if not len(found):
        there = ", ".join(sorted({*parts} - {""})) or "none"
        raise UsageError(f"dataset {dataset.folder} has no utterance of a part {part!r}; its parts: {there}")
    return found


def _unseen(run: runs.Run, dataset: Dataset, positions: np.ndarray) -> np.ndarray:
    """Those of some utterances that neither trained nor validated the run: a recording is known by its SHA-256."""
    parts = runs.read_split(run.folder)
    seen = [parts.get(dataset.index[position].recording) in ("train", "validation") for position in positions]
    unseen = positions[~np.array(seen, bool)]
    if not len(unseen):
        raise TfcrError(
            f"every utterance of dataset {dataset.folder} that is to be tested has trained or validated {run.folder}"
        )
    return unseen
