"""The one look at the test part: the best epoch's weights, and what `metrics.json` says of them."""

import pathlib
from types import ModuleType

import keras
import numpy as np

from tfcr import __version__, files, runs
from tfcr.models.network import HEAD
from tfcr.models.restore import load_network, restore_network
from tfcr.models.systems import system
from tfcr.objectives.calibration import fit_temperature
from tfcr.training import evaluate
from tfcr.training.build import fast_layers
from tfcr.training.checkpoint import Checkpoint, State, save_weights
from tfcr.training.comparable import features_recorded
from tfcr.training.evaluate import UtteranceOutputs
from tfcr.training.experiment import Experiment


def evaluate_best_epoch(
    experiment: Experiment, run: pathlib.Path, outputs: UtteranceOutputs, checkpoint: Checkpoint, state: State
) -> None:
    """Tests the best epoch's weights, in float32, on the validation and the test part.

    `metrics.json` is written last: a run that has it is finished.

    Args:
        outputs: of the network that was trained.
    """
    dataset, split = experiment.dataset, experiment.split
    config = experiment.config
    trained_by = fast_layers(outputs.network)
    outputs = _with_weights(experiment, outputs, checkpoint.best_weights(state))
    network = outputs.network
    if config.decision_weights == "validation" and hasattr(system(config.system), "choose_share"):
        _choose_share(network, system(config.system), outputs(split.validation), experiment.labels(split.validation))
    save_weights(network, run / runs.WEIGHTS)
    means = evaluate.training_means(outputs(split.train))
    found = {part: outputs(getattr(split, part)) for part in ("validation", "test")}
    labels = {part: experiment.labels(getattr(split, part)) for part in found}
    temperature = fit_temperature(labels["validation"], found["validation"]["logits"])
    parts = {part: evaluate.figures(labels[part], found[part], dataset.emotions, means, temperature) for part in found}
    runs.write_predictions(run / runs.PREDICTIONS, evaluate.predictions(dataset, split.test, found["test"]))
    runs.write_history(run, state.history)
    content = _describe(experiment, state, parts, means)
    content |= {"temperature": temperature, "fast_layers": trained_by}
    content["weights_sha256"] = files.sha256_of_file(run / runs.WEIGHTS)
    files.write_json(run / runs.METRICS, content)


def _with_weights(experiment: Experiment, outputs: UtteranceOutputs, weights: pathlib.Path) -> UtteranceOutputs:
    """The trained network's outputs with other weights; another network's where it is not one of float32 on one device.

    What was traced while it was trained is not traced again.
    """
    config = experiment.config
    if config.precision == "float32" and config.distribution == "none":
        load_network(outputs.network, weights)
        return outputs
    network = restore_network(config, len(experiment.dataset.emotions), weights, experiment.network_sizes)
    return UtteranceOutputs(network, outputs.pipeline)


def _choose_share(network: keras.Model, module: ModuleType, outputs: dict, labels: np.ndarray) -> None:
    """Weighs the two decisions by the validation part."""
    share = module.choose_share(outputs["audio_logits"], outputs["text_logits"], labels)
    network.get_layer(HEAD).set_audio_share(share)


def _describe(experiment: Experiment, state: State, parts: dict, means: dict[str, np.ndarray]) -> dict:
    """The content of `metrics.json`."""
    config, dataset = experiment.config, experiment.dataset
    shared = (
        *("preset", "system", "protocol", "fold", "alpha", "seed", "fold_seed", "start", "threads", "precision"),
        *("audio_features", "text_features", "features_sha256", "distribution", "subset", "split_sha256"),
        "class_weights",
    )
    return {
        "schema": runs.METRICS_SCHEMA,
        "version": __version__,
        "versions": state.environments[-1]["versions"],
        "environments": state.environments,
        "dataset": dataset.name,
        "corpus": dataset.info["corpus"],
        "dataset_sha256": dataset.sha256,
        "unreadable": len(dataset.info.get("unreadable", [])),
        "emotions": dataset.emotions,
        **features_recorded(config, dataset),
        **{name: getattr(config, name) for name in shared},
        "noise": config.to_dict()["noise"],
        "replicas": state.history[-1].get("replicas", 1),
        "num_folds": experiment.num_folds,
        "split": experiment.split_file.name if experiment.split_file else None,
        "best_epoch": state.best_epoch,
        "epochs": state.epochs,
        "seconds": sum(row["seconds"] for row in state.history),
        "sizes": experiment.sizes,
        "speakers_shared": experiment.speakers_shared,
        "recordings_shared": len(experiment.shared_recordings),
        "untaught": experiment.untaught,
        "training_means": {name: mean.tolist() for name, mean in means.items()},
        "validation": parts["validation"],
        "test": parts["test"],
    }
