"""A finished run tested again: on its own test fold, or on every utterance of another dataset."""

import os
import pathlib
from dataclasses import dataclass

import numpy as np

from tfcr import files, runs
from tfcr.data.pipeline import Pipeline
from tfcr.dataset_info import open_dataset, verify
from tfcr.errors import TfcrError
from tfcr.models.restore import restore_network
from tfcr.training import evaluate, runtime
from tfcr.training.train import plan, read_run_config


@dataclass(frozen=True)
class Evaluation:
    """What was tested, its figures (one part's entry in `metrics.json`) and the folder they were written to."""

    name: str
    figures: dict
    folder: pathlib.Path


def evaluate_run(run: runs.Run, data: str | os.PathLike | None = None) -> Evaluation:
    """Tests a run again. Its own fold renews `predictions.h5`; another dataset gets a folder of its own in the run's.

    Raises:
        TfcrError: the dataset is not the run's or has other emotions, or the weights are broken.
    """
    config = read_run_config(run.folder)
    own = run.config["data"] if data is None else data
    dataset = open_dataset(own)
    runtime.configure(config.threads)
    if data is None or dataset.sha256 == config.dataset_sha256:
        positions = plan(config, own).split.test
        name, folder = "test", run.folder
    else:
        verify(dataset)
        positions = np.arange(dataset.info["utterances"])
        name, folder = dataset.name, run.folder / f"evaluation-{dataset.name}"
    for what, expected, found in (
        ("emotions", run.emotions, dataset.emotions),
        ("the preset", config.preset, dataset.info["preset"]),
    ):
        if expected != found:
            raise TfcrError(
                f"dataset {dataset.folder} has {what} {found}; the run {run.folder} was trained on {expected}"
            )
    network = restore_network(config, len(run.emotions), run.folder / runs.WEIGHTS)
    outputs = evaluate.UtteranceOutputs(network, Pipeline(dataset, network.input, config.threads))(positions)
    labels = np.array([dataset.index[position].label for position in positions])
    means = {name: np.array(mean) for name, mean in run.metrics["training_means"].items()}
    figures = evaluate.figures(labels, outputs, run.emotions, means)
    folder.mkdir(exist_ok=True)
    runs.write_predictions(folder / runs.PREDICTIONS, evaluate.predictions(dataset, positions, outputs))
    if folder != run.folder:
        files.write_json(folder / runs.METRICS, {"dataset": dataset.name, "dataset_sha256": dataset.sha256, **figures})
    return Evaluation(name, figures, folder)
