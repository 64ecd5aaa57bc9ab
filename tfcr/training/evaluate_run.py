"""A finished run tested again: on its own test fold, on a part that was released, or on another dataset."""

import os
import pathlib
from dataclasses import dataclass, replace

import numpy as np

from tfcr import files, runs, split_file
from tfcr.config import Config
from tfcr.dataset_info import Dataset, open_dataset, verify
from tfcr.errors import TfcrError, UsageError
from tfcr.features.own import in_words, may_be_same
from tfcr.models.restore import restore_network
from tfcr.models.systems import extractors_of, feature_names, sizes_of
from tfcr.protocols.parts import part_named
from tfcr.training import evaluate, runtime
from tfcr.training.experiment import pipeline_of, plan, read_run_config


@dataclass(frozen=True)
class Evaluation:
    """What was tested.

    Attributes:
        name: `test`, or the name of the other dataset or part.
        figures: as one part's entry in `metrics.json`.
        folder: where they were written to.
        left_out: utterances of the other dataset or part that were not tested because the run was trained or stopped by
            them.
    """

    name: str
    figures: dict
    folder: pathlib.Path
    left_out: int = 0


def evaluate_run(run: runs.Run, data: str | os.PathLike | None = None, part: str | None = None) -> Evaluation:
    """Tests a run again. Its own fold renews `predictions.h5`; another dataset or part gets a folder in the run's.

    Args:
        part: that the corpus was released with, such as `test2`; it alone is tested.

    Raises:
        UsageError: the dataset has no such part.
        TfcrError: the dataset is not the run's or has other emotions, or the weights are broken.
    """
    config = read_run_config(run.folder)
    dataset = open_dataset(run.config["data"] if data is None else data)
    runtime.configure(config.threads, config.op_threads)
    is_own = data is None or dataset.sha256 == config.dataset_sha256
    if is_own and part is None:
        experiment = plan(config, dataset.folder, split_file.kept_in(run.folder))
        positions, name, folder, left_out = experiment.split.test, "test", run.folder, 0
    else:
        verify(dataset, feature_names(config))
        _refuse_unlike(run, config, dataset)
        wanted = np.arange(len(dataset.index)) if part is None else _of_part(dataset, part)
        positions = _unseen(run, dataset, wanted)
        name = "-".join(filter(None, ("" if is_own else dataset.name, part and part_named(part))))
        folder, left_out = run.folder / f"evaluation-{name}", len(wanted) - len(positions)
    runs.check_weights(run)
    sizes = replace(sizes_of(config, dataset), embedding_dim=run.embedding_dim)
    network = restore_network(config, len(run.emotions), run.folder / runs.WEIGHTS, sizes)
    if not is_own and "embeddings" in network.input:
        _refuse_other_words(run, dataset)
    outputs = evaluate.UtteranceOutputs(network, pipeline_of(config, dataset, network))(positions)
    labels = np.array([dataset.index[position].label for position in positions])
    means = {name: np.array(mean) for name, mean in run.metrics["training_means"].items()}
    figures = evaluate.figures(labels, outputs, run.emotions, means)
    folder.mkdir(exist_ok=True)
    runs.write_predictions(folder / runs.PREDICTIONS, evaluate.predictions(dataset, positions, outputs))
    if folder != run.folder:
        tested = {
            "dataset": dataset.name,
            "dataset_sha256": dataset.sha256,
            **({"part": part_named(part)} if part else {}),
        }
        files.write_json(folder / runs.METRICS, {**tested, **figures})
    return Evaluation(name, figures, folder, left_out)


def _of_part(dataset: Dataset, part: str) -> np.ndarray:
    """The utterances of a part that the corpus was released with."""
    parts = dataset.labelled.parts
    found = np.flatnonzero(np.array(parts) == part_named(part)) if part_named(part) else []
    if not len(found):
        there = ", ".join(sorted({*parts} - {""})) or "none, or was prepared before they were kept"
        raise UsageError(f"dataset {dataset.folder} has no utterance of a part {part!r}; its parts: {there}")
    return found


def _refuse_unlike(run: runs.Run, config: Config, dataset: Dataset) -> None:
    """Refuses a dataset whose features mean something else to the network."""
    for what, expected, found in (
        ("the emotions", run.emotions, dataset.emotions),
        ("the preset", config.preset, dataset.info["preset"]),
    ):
        if expected != found:
            raise TfcrError(f"dataset {dataset.folder} has {what} {found}; {run.folder} was trained on {expected}")
    own = {name: list(shape) for name, shape in sizes_of(config, dataset).own_features.items()}
    if own != run.metrics.get("own_features", own):
        raise TfcrError(
            f"dataset {dataset.folder} has own features of the shapes {own}; {run.folder} was trained on "
            f"{run.metrics['own_features']}"
        )
    for field, made_by in extractors_of(config, dataset).items():
        trained_on = run.extractors.get(field)
        if trained_on is not None and not may_be_same(made_by, trained_on):
            raise TfcrError(
                f"dataset {dataset.folder} has {field} made by {in_words(made_by)}; {run.folder} was trained on those "
                f"made by {in_words(trained_on)}"
            )
    words_of = run.metrics.get("vocabulary_sha256")
    if words_of is not None and words_of != dataset.info["vocabulary"]["sha256"]:
        raise TfcrError(
            f"dataset {dataset.folder} has another vocabulary than {run.folder} was trained on, and system "
            f"{config.system!r} knows words by their place in it; test it on a dataset of the same words"
        )


def _refuse_other_words(run: runs.Run, dataset: Dataset) -> None:
    """Refuses a dataset whose words lie in another vector space, for a network that reads word vectors."""
    if dataset.embedding_dim != run.embedding_dim:
        raise TfcrError(
            f"dataset {dataset.folder} has word vectors of {dataset.embedding_dim} numbers and {run.folder} was "
            f"trained on {run.embedding_dim}; prepare both with the same --embeddings"
        )
    words = dataset.info["embeddings"]
    if words["transductive"] or words["sha256"] != run.metrics["embeddings_sha256"]:
        raise TfcrError(
            f"dataset {dataset.folder} has other word vectors ({words['source']}) than {run.folder} was trained on "
            f"({run.metrics['embeddings']}); prepare both with the same --embeddings"
        )


def _unseen(run: runs.Run, dataset: Dataset, positions: np.ndarray) -> np.ndarray:
    """Those of some utterances that neither trained nor validated the run: a recording is known by its SHA-256."""
    parts = runs.read_split(run.folder)
    seen = [parts.get(dataset.index[position].recording) in ("train", "validation") for position in positions]
    unseen = positions[~np.array(seen)]
    if not len(unseen):
        raise TfcrError(
            f"every utterance of dataset {dataset.folder} that is to be tested trained or validated {run.folder}"
        )
    return unseen
