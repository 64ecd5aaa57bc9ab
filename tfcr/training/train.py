"""One fold, trained and tested: `train_fold` is the seam that the command line, sweeps and scripts call."""

import math
import os
import pathlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf
import yaml

from tfcr import __version__, files, protocols, runs
from tfcr.config import FIELDS, Config, from_mapping
from tfcr.data.pipeline import Pipeline, derived_seed
from tfcr.dataset_info import Dataset, open_dataset, verify
from tfcr.errors import TfcrError, UsageError
from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.pair_discriminator import PairDiscriminator
from tfcr.models.restore import restore_network
from tfcr.models.systems import resolve_alpha, system
from tfcr.objectives.metrics import unweighted_accuracy, weighted_accuracy
from tfcr.training import evaluate, runtime
from tfcr.training.checkpoint import Checkpoint, State, save_weights
from tfcr.training.statistics import bin_statistics


class Observer:
    """Hears of a training; this one says nothing."""

    def started(self, run: pathlib.Path, sizes: Mapping[str, int], steps: int, epochs: int, done: int) -> None:
        """Training begins, or goes on after `done` epochs, with at most `epochs` of `steps` steps."""

    def step(self, epoch: int, step: int) -> None:
        """A step of an epoch has ended; both count from 0."""

    def epoch(self, row: Mapping[str, float], state: State) -> None:
        """An epoch has ended; `row` is its line of `history.csv`."""


@dataclass(frozen=True)
class Experiment:
    """A configuration on a dataset, with everything resolved that a default left open."""

    config: Config
    dataset: Dataset
    split: protocols.Split

    @property
    def folder(self) -> pathlib.Path:
        """Where its run goes by default."""
        c = self.config
        return runs.default_folder(self.dataset.name, c.protocol, c.system, c.alpha, c.fold, c.seed)

    @property
    def sizes(self) -> dict[str, int]:
        """Utterances of each part."""
        return {part: len(getattr(self.split, part)) for part in ("train", "validation", "test")}

    def labels(self, positions: np.ndarray) -> np.ndarray:
        return np.array([self.dataset.index[position].label for position in positions])


def plan(config: Config, data: str | os.PathLike) -> Experiment:
    """Resolves a configuration against a dataset, whose shards are checked.

    Raises:
        UsageError: the configuration contradicts the dataset, or names a fold or an alpha that does not exist.
        TfcrError: no dataset, or one that is not intact.
    """
    config = replace(config, alpha=resolve_alpha(config.system, config.alpha))
    dataset = open_dataset(data)
    if config.preset != dataset.info["preset"]:
        raise UsageError(
            f"preset {config.preset!r} contradicts dataset {dataset.folder}, which has {dataset.info['preset']!r}"
        )
    if config.dataset_sha256 not in (None, dataset.sha256):
        raise UsageError(
            f"dataset {dataset.folder} is {dataset.sha256[:12]}…; the configuration names {config.dataset_sha256[:12]}…"
        )
    verify(dataset)
    split = protocols.split(config.protocol, config.fold, dataset.labelled, config.fold_seed)
    return Experiment(replace(config, dataset_sha256=dataset.sha256), dataset, split)


def train_fold(experiment: Experiment, run: pathlib.Path | None = None, observer: Observer | None = None) -> runs.Run:
    """Trains on the training part, stops by the validation part, and then looks at the test part once.

    The same call again resumes what was cut off, or returns the finished run.

    Raises:
        TfcrError: the folder belongs to another configuration or dataset, or the loss is no longer finite.
    """
    run = run or experiment.folder
    observer = observer or Observer()
    adopt(run, experiment)
    with files.held(run, "training"):
        if not (run / runs.METRICS).is_file():
            files.remove_temporaries(run)
            _train_and_test(experiment, run, observer)
    return runs.open_run(run)


def adopt(run: pathlib.Path, experiment: Experiment) -> None:
    """Makes `run` this experiment's folder; one of another configuration or dataset is refused."""
    wanted = experiment.config.to_dict()
    if not (run / runs.CONFIG).is_file():
        if run.is_dir() and any(path.name != ".lock" and path.suffix != ".tmp" for path in run.iterdir()):
            raise TfcrError(f"{run} is not empty and is no run; choose another --run")
        content = {**wanted, "data": str(experiment.dataset.folder)}
        files.write_text(run / runs.CONFIG, yaml.safe_dump(content, sort_keys=False))
        return
    found = runs.read_config(run)
    if found.get("dataset_sha256") != wanted["dataset_sha256"]:
        raise TfcrError(f"{run} belongs to another dataset ({found.get('data')}); choose another --run")
    other = [name for name in FIELDS if found.get(name) != wanted[name]]
    if other:
        name = other[0]
        raise TfcrError(
            f"{run} belongs to another configuration: its {name} is {found.get(name)!r}, not {wanted[name]!r}; "
            "choose another --run"
        )


def read_run_config(run: pathlib.Path) -> Config:
    """The configuration in a run's folder.

    Raises:
        TfcrError: it is missing, or no longer valid.
    """
    content = {name: value for name, value in runs.read_config(run).items() if name != "data"}
    try:
        return from_mapping(content)
    except UsageError as error:
        raise TfcrError(f"{run / runs.CONFIG}: {error}") from None


def build_model(experiment: Experiment) -> ContrastiveModel:
    """The model of an experiment, freshly initialised from its seed and standardised by its training part."""
    config = experiment.config
    keras.utils.set_random_seed(config.seed)
    policy = runtime.policy(config.precision)
    network = system(config.system).build(config, len(experiment.dataset.emotions), dtype=policy)
    if "spectrogram" in network.input:
        pipeline = Pipeline(experiment.dataset, network.input, config.threads)
        standardization = network.get_layer("audio_encoder").get_layer("standardization")
        standardization.set_statistics(*bin_statistics(pipeline, experiment.split.train))
    discriminator = None
    if config.alpha > 0:
        discriminator = PairDiscriminator(config.discriminator_units, name="discriminator", dtype=policy)
    model = ContrastiveModel(
        network,
        alpha=config.alpha,
        discriminator=discriminator,
        negatives=config.negatives,
        negative_weights=config.negative_weights,
        negatives_per_anchor=config.negatives_per_anchor,
        seed=config.seed,
        dtype=policy,
    )
    # XLA is slower than the plain graph on CPU; on GPU "auto" decides
    jit_compile = "auto" if tf.config.list_physical_devices("GPU") else False
    model.compile(keras.optimizers.Adam(config.learning_rate), jit_compile=jit_compile)
    model.optimizer.build(model.trainable_variables)
    return model


def seconds_per_epoch(experiment: Experiment, steps: int = 8) -> float:
    """How long an epoch of an experiment takes on this machine, from a few steps after the first one; a forecast."""
    config = experiment.config
    runtime.configure(config.threads)
    model = build_model(experiment)
    pipeline = Pipeline(experiment.dataset, model.network.input, config.threads)
    positions, size = experiment.split.train, config.batch_size
    batches = pipeline.training(positions, batch_size=size, seed=config.seed, shuffle_buffer=2 * size).take(steps + 1)
    clock = _Clock()
    model.fit(batches, verbose=0, shuffle=False, callbacks=[clock])
    step = (clock.ends[-1] - clock.ends[0]) / max(1, len(clock.ends) - 1)
    return step * pipeline.steps_per_epoch(positions, size, config.segments)


class _Clock(keras.callbacks.Callback):
    """When each step ended."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.monotonic())


def _train_and_test(experiment: Experiment, run: pathlib.Path, observer: Observer) -> None:
    config = experiment.config
    runtime.configure(config.threads)
    model = build_model(experiment)
    pipeline = Pipeline(experiment.dataset, model.network.input, config.threads)
    checkpoint = Checkpoint(run)
    state = checkpoint.load()
    if state.epochs:
        model.load_weights(checkpoint.last_weights(state))
    _fit(experiment, run, model, pipeline, checkpoint, state, observer)
    _test(experiment, run, pipeline, checkpoint, state)
    checkpoint.clear()


def _fit(
    experiment: Experiment,
    run: pathlib.Path,
    model: ContrastiveModel,
    pipeline: Pipeline,
    checkpoint: Checkpoint,
    state: State,
    observer: Observer,
) -> None:
    """Trains until validation no longer improves, or the epochs are over."""
    config, split = experiment.config, experiment.split
    steps = pipeline.steps_per_epoch(split.train, config.batch_size, config.segments)
    observer.started(run, experiment.sizes, steps, config.epochs, state.epochs)
    if _is_over(config, state):
        return
    training = pipeline.training(
        split.train,
        batch_size=config.batch_size,
        seed=config.seed,
        first_epoch=state.epochs,
        epochs=config.epochs - state.epochs,
        segments=config.segments,
        shuffle_buffer=config.shuffle_buffer,
    )
    validation = pipeline.validation(split.validation, batch_size=config.batch_size)
    model.fit(
        training,
        initial_epoch=state.epochs,
        epochs=config.epochs,
        steps_per_epoch=steps,
        validation_data=validation,
        callbacks=[_Validation(experiment, run, pipeline, checkpoint, state, observer)],
        shuffle=False,  # the pipeline shuffles
        verbose=0,
    )


class _Validation(keras.callbacks.Callback):
    """After every epoch: the watched figure over whole utterances, the checkpoint, the logs, and whether to stop."""

    def __init__(
        self,
        experiment: Experiment,
        run: pathlib.Path,
        pipeline: Pipeline,
        checkpoint: Checkpoint,
        state: State,
        observer: Observer,
    ):
        super().__init__()
        self.experiment, self.run, self.pipeline = experiment, run, pipeline
        self.checkpoint, self.state, self.observer = checkpoint, state, observer
        self.labels = experiment.labels(experiment.split.validation)
        self.writer = None

    def on_train_begin(self, logs=None):
        self.outputs = evaluate.UtteranceOutputs(self.model.network, self.pipeline)
        self.writer = tf.summary.create_file_writer(str(self.run / runs.TENSORBOARD))

    def on_train_end(self, logs=None):
        self.writer.close()

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.monotonic()
        reseed(self.model, self.experiment.config.seed, epoch)

    def on_train_batch_end(self, batch, logs=None):
        self.observer.step(self.state.epochs, batch)

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1, **{name: float(value) for name, value in logs.items()}}
        if not math.isfinite(row["loss"]):
            raise TfcrError(
                f"the loss of epoch {epoch + 1} is {row['loss']}; lower learning_rate, or train in another precision"
            )
        logits = self.outputs(self.experiment.split.validation)["logits"]
        row["val_wa"] = weighted_accuracy(self.labels, logits)
        row["val_ua"] = unweighted_accuracy(self.labels, logits)
        row["seconds"] = time.monotonic() - self.began
        self._remember(row)
        self._log(row)
        self.observer.epoch(row, self.state)
        if _is_over(self.experiment.config, self.state):
            self.model.stop_training = True

    def _remember(self, row):
        value = row["val_ua"] if self.experiment.config.stop_on == "ua" else -row["val_loss"]
        self.state.history.append(row)
        if self.state.best_value is None or value > self.state.best_value:
            self.state.best_value, self.state.best_epoch = value, row["epoch"]
        self.checkpoint.save(self.model, self.state)
        runs.write_history(self.run, self.state.history)

    def _log(self, row):
        with self.writer.as_default(step=row["epoch"]):
            for name, value in row.items():
                if name != "epoch":
                    tf.summary.scalar(name, value)
        self.writer.flush()


def reseed(model: keras.Model, seed: int, epoch: int) -> None:
    """Makes every draw of an epoch a function of (seed, epoch): a resumed epoch draws what it would have drawn."""
    generators = [part for layer in model._flatten_layers() for part in vars(layer).values()]
    generators = [part for part in generators if isinstance(part, keras.random.SeedGenerator)]
    for number, generator in enumerate(generators):
        generator.state.assign([derived_seed(seed, "draws", epoch, number), 0])


def _is_over(config: Config, state: State) -> bool:
    return state.epochs >= config.epochs or state.epochs - state.best_epoch >= config.patience


def _test(experiment: Experiment, run: pathlib.Path, pipeline: Pipeline, checkpoint: Checkpoint, state: State) -> None:
    """The best epoch's weights, rebuilt in float32, on the validation and the test part; `metrics.json` comes last."""
    dataset, split = experiment.dataset, experiment.split
    network = restore_network(experiment.config, len(dataset.emotions), checkpoint.best_weights(state))
    save_weights(network, run / runs.WEIGHTS)
    outputs = evaluate.UtteranceOutputs(network, pipeline)
    means = evaluate.training_means(outputs(split.train))
    parts = {}
    for part, positions in (("validation", split.validation), ("test", split.test)):
        found = outputs(positions)
        parts[part] = evaluate.figures(experiment.labels(positions), found, dataset.emotions, means)
        if part == "test":
            runs.write_predictions(run / runs.PREDICTIONS, evaluate.predictions(dataset, positions, found))
    runs.write_history(run, state.history)
    files.write_json(run / runs.METRICS, _describe(experiment, state, parts, means))


def _describe(experiment: Experiment, state: State, parts: dict, means: dict[str, np.ndarray]) -> dict:
    """The content of `metrics.json`."""
    config, dataset = experiment.config, experiment.dataset
    shared = ("preset", "system", "protocol", "fold", "alpha", "seed", "fold_seed", "threads", "precision")
    return {
        "schema": runs.METRICS_SCHEMA,
        "version": __version__,
        "dataset": dataset.name,
        "corpus": dataset.info["corpus"],
        "dataset_sha256": dataset.sha256,
        "emotions": dataset.emotions,
        "embeddings": dataset.info["embeddings"]["source"],
        "transductive": dataset.info["embeddings"]["transductive"],
        **{name: getattr(config, name) for name in shared},
        "best_epoch": state.best_epoch,
        "epochs": state.epochs,
        "seconds": sum(row["seconds"] for row in state.history),
        "sizes": experiment.sizes,
        "training_means": {name: mean.tolist() for name, mean in means.items()},
        "validation": parts["validation"],
        "test": parts["test"],
    }
