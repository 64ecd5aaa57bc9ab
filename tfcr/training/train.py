"""One fold, trained and tested: `train_fold` is the seam that the command line, sweeps and scripts call."""

import contextlib
import math
import os
import pathlib
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType

import keras
import numpy as np
import tensorflow as tf
import yaml

from tfcr import __version__, files, protocols, runs
from tfcr.config import Config, from_mapping
from tfcr.data.pipeline import Pipeline, derived_seed
from tfcr.data.spec_augment import SpecAugment
from tfcr.dataset_info import Dataset, open_dataset, verify
from tfcr.devices import gpus
from tfcr.errors import TfcrError, UsageError
from tfcr.features.sets import TOKEN_IDS
from tfcr.features.vocabulary import read_vocabulary
from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.cosine_discriminator import CosineDiscriminator
from tfcr.models.kernels import compiles
from tfcr.models.network import HEAD
from tfcr.models.pair_discriminator import PairDiscriminator
from tfcr.models.restore import restore_network
from tfcr.models.sizes import Sizes
from tfcr.models.standardization import Standardization
from tfcr.models.systems import check_features, feature_names, on_dataset, resolve, sizes_of, system
from tfcr.models.word_table import WordTable
from tfcr.objectives.metrics import unweighted_accuracy, weighted_accuracy
from tfcr.objectives.weighting import combine
from tfcr.training import distribution, evaluate, runtime
from tfcr.training.checkpoint import Checkpoint, State, save_weights
from tfcr.training.gpu_check import ON_GPU, look_at_device
from tfcr.training.pretraining import origins_of, take_encoders
from tfcr.training.statistics import moments
from tfcr.training.waiting import Waiting
from tfcr.wording import counted


class Observer:
    """Hears of a training; this one says nothing."""

    def started(self, run: pathlib.Path, sizes: Mapping[str, int], steps: int, epochs: int, done: int) -> None:
        """Training begins, or goes on after `done` epochs, with at most `epochs` of `steps` steps."""

    def waiting(self, run: pathlib.Path) -> None:
        """Another process trains this run, which has to be finished first."""

    def mirrored(self, devices: Sequence[str]) -> None:
        """A training that is mirrored begins on these devices."""

    def on_gpu(self, sentence: str) -> None:
        """What is to be said of a training that begins or goes on on a GPU, or went on there before."""

    def step(self, epoch: int, step: int) -> None:
        """A step of an epoch has ended; both count from 0."""

    def epoch(self, row: Mapping[str, float], state: State) -> None:
        """An epoch has ended; `row` is its line of `history.csv`, with its `seconds` and `seconds_waiting` for data."""


@dataclass(frozen=True)
class Experiment:
    """A configuration on a dataset, with everything resolved that a default left open."""

    config: Config
    dataset: Dataset
    split: protocols.Split

    @property
    def folder(self) -> pathlib.Path:
        """Where its run goes by default."""
        return runs.folder_of(self.dataset.name, self.config)

    @property
    def network_sizes(self) -> Sizes:
        """What the network has to know of the dataset."""
        return sizes_of(self.config, self.dataset)

    @property
    def sizes(self) -> dict[str, int]:
        """Utterances of each part."""
        return {part: len(getattr(self.split, part)) for part in ("train", "validation", "test")}

    def rows(self) -> list[tuple[str, str, str]]:
        """Id, recording and part of every utterance, by id."""
        parts = {position: part for part in self.sizes for position in getattr(self.split, part).tolist()}
        return [(row.id, row.recording, parts[position]) for position, row in enumerate(self.dataset.index)]

    def labels(self, positions: np.ndarray) -> np.ndarray:
        return np.array([self.dataset.index[position].label for position in positions])


def plan(config: Config, data: str | os.PathLike) -> Experiment:
    """Resolves a configuration against a dataset, whose shards are checked.

    Raises:
        UsageError: the configuration contradicts the dataset, or names a fold or an alpha that does not exist.
        TfcrError: no dataset, or one that is not intact.
    """
    config = resolve(config)
    dataset = open_dataset(data)
    if config.preset != dataset.info["preset"]:
        raise UsageError(
            f"preset {config.preset!r} contradicts dataset {dataset.folder}, which has {dataset.info['preset']!r}"
        )
    if config.dataset_sha256 not in (None, dataset.sha256):
        raise UsageError(
            f"dataset {dataset.folder} is {dataset.sha256[:12]}…; the configuration names {config.dataset_sha256[:12]}…"
        )
    resolved = on_dataset(config, dataset)
    if config.features_sha256 not in (None, resolved.features_sha256):
        names = ", ".join(feature_names(config))
        raise UsageError(
            f"dataset {dataset.folder} has other features {names} than the configuration names, prepared anew since; "
            "prepare the earlier ones again, or train again into another --run"
        )
    verify(dataset, feature_names(config))
    split = protocols.split(config.protocol, config.fold, dataset.labelled, config.fold_seed)
    return Experiment(resolved, dataset, split)


def pipeline_of(config: Config, dataset: Dataset, network: keras.Model) -> Pipeline:
    """The pipelines that feed a network of a configuration."""
    return Pipeline(
        dataset,
        network.input,
        config.threads,
        features=check_features(config, dataset),
        longest={"mfcc": config.max_frames, "token_ids": config.max_token_ids},
    )


def train_fold(
    experiment: Experiment, run: pathlib.Path | None = None, observer: Observer | None = None, wait: bool = False
) -> runs.Run:
    """Trains on the training part, stops by the validation part, and then looks at the test part once.

    The same call again resumes what was cut off, or returns the finished run. Runs that this one starts from are
    trained first, into folders beside it.

    Args:
        wait: for another process that trains this run, rather than fail.

    Raises:
        TfcrError: the folder belongs to another configuration or dataset, or the loss is no longer finite.
    """
    run = run or experiment.folder
    observer = observer or Observer()
    refuse_other(run, experiment)
    if not (run / runs.METRICS).is_file():
        with files.held(run, "training", (lambda: observer.waiting(run)) if wait else None):
            refuse_other(run, experiment)  # another process may have taken it meanwhile
            if not (run / runs.METRICS).is_file():
                runtime.configure(experiment.config.threads, experiment.config.op_threads)
                distribution.strategy_of(experiment.config)  # says what it refuses before anything is written
                check_origins(experiment, run)
                _adopt(run, experiment)
                _train_and_test(experiment, run, observer)
    with contextlib.suppress(OSError):  # what a kill after the last file left; a read-only run keeps it
        Checkpoint(run).clear()
    return runs.open_run(run)


def refuse_other(run: pathlib.Path, experiment: Experiment) -> None:
    """Refuses a folder that is something else, or the run of another configuration or dataset."""
    if (run / runs.CONFIG).is_file():
        runs.refuse_other(run, experiment.config)
    elif run.is_dir() and any(path.name != ".lock" and ".tmp" not in path.suffixes for path in run.iterdir()):
        raise TfcrError(f"{run} is not empty and is no run; choose another --run")


def _adopt(run: pathlib.Path, experiment: Experiment) -> None:
    """Makes `run` this experiment's folder, which is held."""
    files.remove_temporaries(run)
    if not (run / runs.CONFIG).is_file():
        content = {**experiment.config.to_dict(), "data": str(experiment.dataset.folder.resolve())}
        files.write_text(run / runs.CONFIG, yaml.safe_dump(content, sort_keys=False))
    runs.write_split(run, experiment.rows())


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
    network = system(config.system).build(
        config, len(experiment.dataset.emotions), experiment.network_sizes, dtype=policy
    )
    _standardise(network, experiment)
    _start_words(network, experiment)
    discriminator = None
    if config.alpha > 0:
        kind = CosineDiscriminator if config.discriminator == "cosine" else PairDiscriminator
        discriminator = kind(config.discriminator_units, config.initializers, name="discriminator", dtype=policy)
    model = ContrastiveModel(
        network,
        alpha=config.alpha,
        discriminator=discriminator,
        negatives=config.negatives,
        negative_weights=config.negative_weights,
        negatives_per_anchor=config.negatives_per_anchor,
        classification_loss=config.classification_loss,
        negatives_scope=config.negatives_scope,
        seed=config.seed,
        dtype=policy,
    )
    # XLA is slower than the plain graph on CPU, and has no way from replica to replica
    jit_compile = compiles(network) and not tf.distribute.has_strategy()
    optimizer = keras.optimizers.Adam(
        config.learning_rate, epsilon=config.adam_epsilon, clipvalue=config.clip_value, clipnorm=config.clip_norm
    )
    model.compile(optimizer, jit_compile=jit_compile)
    model.optimizer.build(model.trainable_variables)
    return model


def _standardise(network: keras.Model, experiment: Experiment) -> None:
    """Gives the network the statistics of the training part."""
    config = experiment.config
    if config.standardization == "none":
        return
    pipeline = pipeline_of(config, experiment.dataset, network)
    for layer in parts_of(network, Standardization):
        layer.set_statistics(*moments(pipeline.steps(experiment.split.train, layer.feature)))


def _start_words(network: keras.Model, experiment: Experiment) -> None:
    """Starts trained word vectors from the dataset's."""
    for layer in parts_of(network, WordTable):
        _, vectors, known = read_vocabulary(experiment.dataset.folder)
        layer.set_vectors(vectors, known, derived_seed(experiment.config.seed, "words"))


def parts_of(network: keras.Model, kind: type) -> list[keras.layers.Layer]:
    """The layers of a kind, in the network and in the models within it."""
    return [layer for layer in network._flatten_layers() if isinstance(layer, kind)]


def fast_layers(network: keras.Model) -> list[str]:
    """The names of the layers that train by tfcr's own functions for CPUs rather than by Keras's."""
    return sorted(layer.name for layer in network._flatten_layers() if getattr(layer, "is_fast", False))


def seconds_per_epoch(experiment: Experiment, steps: int = 8) -> float:
    """How long an epoch of an experiment takes on this machine, from a few steps after the first one; a forecast."""
    config = experiment.config
    runtime.configure(config.threads, config.op_threads)
    with distribution.strategy_of(config).scope():
        model = build_model(experiment)
    pipeline = pipeline_of(config, experiment.dataset, model.network)
    positions, size = experiment.split.train, config.batch_size
    batches = pipeline.training(positions, batch_size=size, seed=config.seed, shuffle_buffer=2 * size).take(steps + 1)
    clock = _Clock()
    divided = distribution.divided(model.distribute_strategy, batches)
    model.fit(divided, steps_per_epoch=len(batches), verbose=0, shuffle=False, callbacks=[clock])
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
    strategy = distribution.strategy_of(config)
    checkpoint = Checkpoint(run)
    state = checkpoint.load()
    _refuse_other_replicas(run, config, state, strategy.num_replicas_in_sync)
    origins = [] if state.epochs else _train_origins(experiment, run, observer)
    with strategy.scope():
        model = build_model(experiment)
    if state.epochs:
        _go_on(model, checkpoint.last_weights(state), run)
    for origin in origins:
        take_encoders(model.network, origin, len(experiment.dataset.emotions))
    pipeline = pipeline_of(config, experiment.dataset, model.network)
    _fit(experiment, run, model, pipeline, checkpoint, state, observer)
    verify(experiment.dataset, feature_names(config))  # one's own features may have been prepared anew meanwhile
    _test(experiment, run, pipeline, checkpoint, state)


def _go_on(model: keras.Model, weights: pathlib.Path, run: pathlib.Path) -> None:
    """Loads a checkpoint, model and optimiser.

    Raises:
        TfcrError: it is of other layers than those of this version.
    """
    try:
        model.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        raise TfcrError(
            f"{run} cannot go on from {weights.name}, which is broken or was trained by an earlier version of tfcr "
            f"({' '.join(str(error).split())[:200]}); remove {run}, and train again"
        ) from None


def _refuse_other_replicas(run: pathlib.Path, config: Config, state: State, replicas: int) -> None:
    """Refuses other replicas than before where each has its own negatives; elsewhere their number only decides bits."""
    before = state.history[-1].get("replicas", 1) if state.epochs else replicas
    if config.negatives_scope == "replica" and before != replicas:
        raise TfcrError(
            f"{run} was begun on {counted(before, 'device')}, and here it has {replicas}; where negatives_scope is "
            "replica, their number decides who is a negative; go on with as many, or train anew into another --run"
        )


def _origins(experiment: Experiment, run: pathlib.Path) -> list[tuple[Experiment, pathlib.Path]]:
    """The experiments that this one starts from, and their runs' folders, which lie beside its own."""
    origins = [replace(experiment, config=config) for config in origins_of(experiment.config)]
    return [(origin, run.parent / origin.folder.name) for origin in origins]


def check_origins(experiment: Experiment, run: pathlib.Path) -> None:
    """Refuses a folder beside which the runs that this one starts from cannot lie, before anything is written."""
    for origin, folder in _origins(experiment, run):
        if folder == run:
            raise UsageError(f"{run} is where the run lies that this one starts from; choose another --run")
        try:
            refuse_other(folder, origin)
        except TfcrError as error:
            raise TfcrError(f"{run} starts from {folder.name} beside it: {error}, in another folder") from None
        check_origins(origin, folder)


def _train_origins(experiment: Experiment, run: pathlib.Path, observer: Observer) -> list[runs.Run]:
    """The finished runs whose encoders this one starts from."""
    return [train_fold(origin, folder, observer, wait=True) for origin, folder in _origins(experiment, run)]


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
    if config.distribution == "mirrored":
        observer.mirrored(distribution.devices_of_host())
    look_at_device(model.network, state.history, observer.on_gpu)
    validation = pipeline.validation(split.validation, batch_size=config.batch_size)
    outputs = evaluate.UtteranceOutputs(model.network, pipeline)
    labels = experiment.labels(split.validation)
    waiting = Waiting(model)
    with tf.summary.create_file_writer(str(run / runs.TENSORBOARD)).as_default():
        while not _is_over(config, state):
            began = time.monotonic()
            row = _train_epoch(experiment, model, pipeline, validation, state.epochs, observer)
            logits = outputs(split.validation)["logits"]
            row["val_wa"] = weighted_accuracy(labels, logits)
            row["val_ua"] = unweighted_accuracy(labels, logits)
            row["seconds"] = time.monotonic() - began
            replicas = model.distribute_strategy.num_replicas_in_sync
            if config.distribution == "mirrored":
                row["replicas"] = replicas
            if gpus():
                row[ON_GPU] = 1.0
            if replicas == 1:  # else nobody sees it
                row["seconds_waiting"] = waiting.seconds()
            _remember(row, run, model, checkpoint, state, config)
            observer.epoch(row, state)


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
    )
    history = model.fit(
        distribution.divided(strategy, training),
        steps_per_epoch=len(training),  # Keras cannot ask what is divided for its length
        initial_epoch=epoch,
        epochs=epoch + 1,
        validation_data=distribution.divided(strategy, validation),
        validation_steps=len(validation),
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


def _augmentation(config: Config, model: ContrastiveModel) -> SpecAugment | None:
    """The masks of the configuration, None for none."""
    if not (config.freq_mask or config.time_mask) or "spectrogram" not in model.network.input:
        return None
    [standardization] = (part for part in parts_of(model.network, Standardization) if part.feature == "spectrogram")
    return SpecAugment(config.freq_mask, config.time_mask, standardization.mean.numpy())


def _remember(
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


def reseed(model: keras.Model, seed: int, epoch: int) -> None:
    """Makes every draw of an epoch a function of (seed, epoch): a resumed epoch draws what it would have drawn.

    Replicas drop other units, and draw the same negatives, which are those of the whole batch.
    """
    generators = [part for layer in model._flatten_layers() for part in vars(layer).values()]
    generators = [part for part in generators if isinstance(part, keras.random.SeedGenerator)]
    replicas = range(model.distribute_strategy.num_replicas_in_sync)
    seeds = []
    for number, generator in enumerate(generators):
        own = [
            (number, replica) if replica and generator is not model.draw_seeds else (number,) for replica in replicas
        ]
        seeds.append((generator, [derived_seed(seed, "draws", epoch, *parts) for parts in own]))
    distribution.assign_seeds(model, seeds)


def _is_over(config: Config, state: State) -> bool:
    return state.epochs >= config.epochs or state.epochs - state.best_epoch >= config.patience


def _test(experiment: Experiment, run: pathlib.Path, pipeline: Pipeline, checkpoint: Checkpoint, state: State) -> None:
    """The best epoch's weights, rebuilt in float32, on the validation and the test part; `metrics.json` comes last."""
    dataset, split = experiment.dataset, experiment.split
    config = experiment.config
    best = checkpoint.best_weights(state)
    network = restore_network(config, len(dataset.emotions), best, experiment.network_sizes)
    outputs = evaluate.UtteranceOutputs(network, pipeline)
    if config.decision_weights == "validation" and hasattr(system(config.system), "choose_share"):
        _choose_share(network, system(config.system), outputs(split.validation), experiment.labels(split.validation))
    save_weights(network, run / runs.WEIGHTS)
    means = evaluate.training_means(outputs(split.train))
    parts = {}
    for part, positions in (("validation", split.validation), ("test", split.test)):
        found = outputs(positions)
        parts[part] = evaluate.figures(experiment.labels(positions), found, dataset.emotions, means)
        if part == "test":
            runs.write_predictions(run / runs.PREDICTIONS, evaluate.predictions(dataset, positions, found))
    runs.write_history(run, state.history)
    content = _describe(experiment, state, parts, means) | {"fast_layers": fast_layers(network)}
    content["weights_sha256"] = files.sha256_of_file(run / runs.WEIGHTS)
    files.write_json(run / runs.METRICS, content)


def _choose_share(network: keras.Model, module: ModuleType, outputs: dict, labels: np.ndarray) -> None:
    """Weighs the two decisions by the validation part."""
    share = module.choose_share(outputs["audio_logits"], outputs["text_logits"], labels)
    network.get_layer(HEAD).set_audio_share(share)


def _describe(experiment: Experiment, state: State, parts: dict, means: dict[str, np.ndarray]) -> dict:
    """The content of `metrics.json`."""
    config, dataset = experiment.config, experiment.dataset
    shared = (
        *("preset", "system", "protocol", "fold", "alpha", "seed", "fold_seed", "start", "threads", "precision"),
        *("audio_features", "text_features", "features_sha256", "distribution"),
    )
    return {
        "schema": runs.METRICS_SCHEMA,
        "version": __version__,
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
        "dataset": dataset.name,
        "corpus": dataset.info["corpus"],
        "dataset_sha256": dataset.sha256,
        "emotions": dataset.emotions,
        "embeddings": dataset.info["embeddings"]["source"],
        "embeddings_sha256": dataset.info["embeddings"]["sha256"],
        "transductive": dataset.info["embeddings"]["transductive"],
        "own_features": {name: list(shape) for name, shape in experiment.network_sizes.own_features.items()},
        "vocabulary_sha256": dataset.info["vocabulary"]["sha256"] if TOKEN_IDS in feature_names(config) else None,
        **{name: getattr(config, name) for name in shared},
        "replicas": state.history[-1].get("replicas", 1),
        "num_folds": protocols.num_folds(config.protocol, dataset.labelled),
        "best_epoch": state.best_epoch,
        "epochs": state.epochs,
        "seconds": sum(row["seconds"] for row in state.history),
        "sizes": experiment.sizes,
        "training_means": {name: mean.tolist() for name, mean in means.items()},
        "validation": parts["validation"],
        "test": parts["test"],
    }
