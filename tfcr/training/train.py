"""One fold, trained and tested: `train_fold` is what the command line, sweeps and scripts call."""

import contextlib
import pathlib
from dataclasses import replace

import keras
import yaml

from tfcr import files, runs, split_file
from tfcr.cards import there_are_cards
from tfcr.config import Config
from tfcr.devices import gpus
from tfcr.errors import TfcrError, UsageError
from tfcr.models.systems import feature_names
from tfcr.training import distribution, environment, runtime
from tfcr.training.best_epoch import evaluate_best_epoch
from tfcr.training.build import build_model
from tfcr.training.checkpoint import Checkpoint, State
from tfcr.training.epochs import train_epochs
from tfcr.training.evaluate import UtteranceOutputs
from tfcr.training.experiment import Experiment, pipeline_of
from tfcr.training.gpu_check import check_recurrent_layers
from tfcr.training.observer import Observer
from tfcr.training.pretraining import copy_encoders, origins_of
from tfcr.verification import verify
from tfcr.wording import counted

_UNSEEN = (
    "this machine has an NVIDIA card that TensorFlow does not see, so the CPU trains; "
    "pip install 'tensorflow[and-cuda]' brings what it lacks"
)


def train_fold(
    experiment: Experiment, run: pathlib.Path | None = None, observer: Observer | None = None, wait: bool = False
) -> runs.Run:
    """Trains on the training part, stops by the validation part, and then evaluates on the test part once.

    The same call again resumes what was cut off, or returns the finished run. Runs that this one starts from are
    trained first, into folders beside it.

    Args:
        wait: whether to wait for another process that trains this run; otherwise that is an error.

    Raises:
        TfcrError: the folder belongs to another configuration or dataset, or the loss is no longer finite.
        NoRoomError: the disk is full; the same call goes on after the last epoch that it could take.
    """
    run = run or experiment.folder
    observer = observer or Observer()
    refuse_other(run, experiment)
    if not (run / runs.METRICS).is_file():
        lock = files.locked(run, "training", (lambda: observer.waiting(run)) if wait else None)
        with lock, files.full_disk_named(run):
            refuse_other(run, experiment)  # another process may have taken it meanwhile
            if not (run / runs.METRICS).is_file():
                runtime.configure(experiment.config.threads, experiment.config.op_threads)
                distribution.strategy_of(experiment.config)  # says what it refuses before anything is written
                check_origins(experiment, run)
                _write_config_and_split(run, experiment)
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


def _write_config_and_split(run: pathlib.Path, experiment: Experiment) -> None:
    """Writes what identifies the run into its folder, which must be locked, and removes half-written files."""
    files.remove_temporaries(run)
    if not (run / runs.CONFIG).is_file():
        content = {**experiment.config.to_dict(), "data": str(experiment.dataset.folder.resolve())}
        content |= {"split": experiment.split_file.path} if experiment.split_file else {}
        files.write_text(run / runs.CONFIG, yaml.safe_dump(content, sort_keys=False))
    if experiment.split_file:
        split_file.keep(run, experiment.split_file)
    runs.write_split(run, experiment.rows())


def _train_and_test(experiment: Experiment, run: pathlib.Path, observer: Observer) -> None:
    config = experiment.config
    strategy = distribution.strategy_of(config)
    checkpoint = Checkpoint(run)
    state = checkpoint.load()
    _refuse_other_replicas(run, config, state, strategy.num_replicas_in_sync)
    if changes := environment.note(state.environments, state.epochs + 1):
        observer.environment_changed(run, changes)
    origins = [] if state.epochs else _train_origins(experiment, run, observer)
    with strategy.scope():
        model = build_model(experiment)
    if state.epochs:
        _load_checkpoint(model, checkpoint.last_weights(state), run)
    for origin in origins:
        copy_encoders(model.network, origin, len(experiment.dataset.emotions), experiment.network_sizes)
    if gpus():
        observer.on_gpu(run, check_recurrent_layers(model.network))
    elif there_are_cards():
        observer.on_gpu(run, _UNSEEN)
    outputs = UtteranceOutputs(model.network, pipeline_of(config, experiment.dataset, model.network))
    train_epochs(experiment, run, model, outputs, checkpoint, state, observer)
    verify(experiment.dataset, feature_names(config))  # one's own features may have been prepared anew meanwhile
    evaluate_best_epoch(experiment, run, outputs, checkpoint, state)


def _load_checkpoint(model: keras.Model, weights: pathlib.Path, run: pathlib.Path) -> None:
    """Loads a checkpoint into a model and its optimiser.

    Raises:
        TfcrError: the file is broken, or is of other layers than this version has.
    """
    try:
        model.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        raise TfcrError(
            f"{run} cannot go on from {weights.name}, which is broken or was trained by an earlier version of tfcr "
            f"({' '.join(str(error).split())[:200]}); remove {run}, and train again"
        ) from None


def _refuse_other_replicas(run: pathlib.Path, config: Config, state: State, replicas: int) -> None:
    """Refuses to resume on another number of replicas where each has its own negatives, which it would change."""
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
    """Refuses a folder if the runs that this one starts from cannot lie beside it; nothing is written yet."""
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
