"""Epoch after epoch, until the validation part no longer improves."""

import math
import pathlib
import time
from collections.abc import Callable, Mapping

import keras
import tensorflow as tf

from tfcr import runs
from tfcr.config import Config
from tfcr.data.pipeline import Pipeline, derived_seed
from tfcr.data.spec_augment import SpecAugment
from tfcr.errors import TfcrError
from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.keras_internals import layers_within
from tfcr.models.kernels import compiles
from tfcr.models.layers.standardization import Standardization
from tfcr.objectives.confusions import macro_f1, weighted_f1
from tfcr.objectives.metrics import confusion, unweighted_accuracy, weighted_accuracy
from tfcr.objectives.weighting import combine
from tfcr.training import distribution
from tfcr.training.build import layers_of_kind
from tfcr.training.checkpoint import Checkpoint, State
from tfcr.training.evaluate import UtteranceOutputs
from tfcr.training.experiment import Experiment
from tfcr.training.observer import Observer
from tfcr.training.waiting import InputTimer


def train_epochs(
    experiment: Experiment,
    run: pathlib.Path,
    model: ContrastiveModel,
    outputs: UtteranceOutputs,
    checkpoint: Checkpoint,
    state: State,
    observer: Observer,
) -> None:
    """Trains until validation no longer improves, or the epochs are over.

    Args:
        outputs: of the model's network.
    """
    config, split, pipeline = experiment.config, experiment.split, outputs.pipeline
    steps = pipeline.steps_per_epoch(split.train, config.batch_size, config.segments)
    observer.started(run, experiment.sizes, steps, config.epochs, state.epochs)
    if config.distribution == "mirrored":
        observer.mirrored(distribution.devices_of_host())
    validation = pipeline.validation(split.validation, batch_size=config.batch_size)
    utterances = pipeline.utterances(split.validation, keep=True)
    labels = experiment.labels(split.validation)
    input_timer = InputTimer(model, by_xla=compiles(model.network))
    with tf.summary.create_file_writer(str(run / runs.TENSORBOARD)).as_default():
        while not _has_ended(config, state):
            began = time.monotonic()
            row = _train_epoch(experiment, model, pipeline, validation, state.epochs, observer)
            logits = outputs.of(utterances)["logits"]
            row["val_wa"] = weighted_accuracy(labels, logits)
            row["val_ua"] = unweighted_accuracy(labels, logits)
            row["val_macro_f1"] = float(macro_f1(confusion(labels, logits)))
            row["val_weighted_f1"] = float(weighted_f1(confusion(labels, logits)))
            row["seconds"] = time.monotonic() - began
            replicas = model.distribute_strategy.num_replicas_in_sync
            if config.distribution == "mirrored":
                row["replicas"] = replicas
            if replicas == 1:  # with several devices it cannot be measured
                row["seconds_waiting"] = input_timer.seconds()
            _record_epoch(row, run, model, checkpoint, state, config)
            observer.epoch(row, state)


def _has_ended(config: Config, state: State) -> bool:
    return state.epochs >= config.epochs or state.epochs - state.best_epoch >= config.patience


def _train_epoch(
    experiment: Experiment,
    model: ContrastiveModel,
    pipeline: Pipeline,
    validation: tf.data.Dataset,
    epoch: int,
    observer: Observer,
) -> dict[str, float]:
    """One epoch, counted from 0, all of whose draws are a function of (seed, epoch); returns Keras's logs."""
    config, strategy = experiment.config, model.distribute_strategy
    reseed(model, config.seed, epoch)
    model.optimizer.learning_rate = learning_rate(config, epoch)
    training = pipeline.training(
        experiment.split.train,
        batch_size=config.batch_size,
        seed=config.seed,
        epoch=epoch,
        segments=config.segments,
        shuffle_buffer=config.shuffle_buffer,
        augment=_augmentation(config, model),
        noise=_noise(config),
    )
    history = model.fit(
        distribution.divided(strategy, training),
        steps_per_epoch=len(training),  # Keras cannot ask what is divided for its length
        initial_epoch=epoch,
        epochs=epoch + 1,
        validation_data=distribution.divided(strategy, validation),
        validation_steps=len(validation),
        # it has Keras read each step's figures, so that a GPU is done before the next batch is fetched and waited for
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: observer.step(epoch, step))],
        shuffle=False,  # the pipeline shuffles
        verbose=0,
    ).history
    row = {"epoch": epoch + 1, **{name: float(values[-1]) for name, values in history.items()}}
    for name, value in row.items():
        if not math.isfinite(value):
            raise TfcrError(
                f"the {name} of epoch {epoch + 1} is {value}; lower learning_rate, or train in another precision"
            )
    return row


def learning_rate(config: Config, epoch: int) -> float:
    """That of an epoch, counted from 0: halved after every `halve_every` epochs, `halvings` times at most."""
    halvings = 0 if config.halve_every is None else min(config.halvings, epoch // config.halve_every)
    return config.learning_rate / 2**halvings


def reseed(model: keras.Model, seed: int, epoch: int) -> None:
    """Makes every draw of an epoch a function of (seed, epoch): a resumed epoch draws what it would have drawn.

    Replicas drop other units, and draw the same negatives, which are those of the whole batch.
    """
    generators = [part for layer in layers_within(model) for part in vars(layer).values()]
    generators = [part for part in generators if isinstance(part, keras.random.SeedGenerator)]
    replicas = range(model.distribute_strategy.num_replicas_in_sync)
    seeds = []
    for number, generator in enumerate(generators):
        own = [
            (number, replica) if replica and generator is not model.draw_seeds else (number,) for replica in replicas
        ]
        seeds.append((generator, [derived_seed(seed, "draws", epoch, *parts) for parts in own]))
    distribution.assign_seeds(model, seeds)


def _augmentation(config: Config, model: ContrastiveModel) -> SpecAugment | None:
    """The masks of the configuration, None for none."""
    if not (config.freq_mask or config.time_mask) or "spectrogram" not in model.network.input:
        return None
    [standardization] = (
        part for part in layers_of_kind(model.network, Standardization) if part.feature == "spectrogram"
    )
    return SpecAugment(config.freq_mask, config.time_mask, standardization.mean.numpy())


def _noise(config: Config) -> Callable | None:
    """The noise of the configuration, None for none."""
    if config.noise is None:
        return None
    from tfcr.data.training_noise import NoiseOnUtterances  # it loads SciPy's signals and statistics

    return NoiseOnUtterances(config.noise)


def _record_epoch(
    row: dict[str, float],
    run: pathlib.Path,
    model: ContrastiveModel,
    checkpoint: Checkpoint,
    state: State,
    config: Config,
) -> None:
    """Adds an epoch to the state, the checkpoint, `history.csv` and the TensorBoard events."""
    value = {
        "ua": row["val_ua"],
        "macro-f1": row["val_macro_f1"],
        "loss": -_objective(row, config.alpha),
        "cross-entropy": -row["val_classification_loss"],
    }[config.stop_on]
    state.history.append(row)
    if state.best_value is None or value > state.best_value:
        state.best_value, state.best_epoch = value, row["epoch"]
    checkpoint.save(model, state)
    runs.write_history(run, state.history)
    for name, figure in row.items():
        if name != "epoch":
            tf.summary.scalar(name, figure, step=row["epoch"])
    tf.summary.flush()


def _objective(row: Mapping[str, float], alpha: float) -> float:
    """Eq. 7 on the validation part, without penalties on weights, which say nothing about it."""
    if "val_contrastive_loss" not in row:
        return row["val_classification_loss"]
    return combine(row["val_classification_loss"], row["val_contrastive_loss"], alpha)
