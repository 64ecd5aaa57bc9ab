"""Cells of an experiment, and what a worker does with one: one fold each, trained or timed in its own process."""

import pathlib
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tfcr import runs
from tfcr.config import Config
from tfcr.dataset_info import open_dataset
from tfcr.errors import TfcrError
from tfcr.files import LockedError
from tfcr.models.systems import on_dataset, resolve
from tfcr.split_file import SplitFile
from tfcr.wording import goes_on_elsewhere


@dataclass(frozen=True)
class Cell:
    """One training: a resolved configuration on a dataset, the run's folder, and a file that says its folds, if any."""

    config: Config
    data: pathlib.Path
    run: pathlib.Path
    split_file: SplitFile | None = field(default=None, repr=False, compare=False)  # the configuration has its SHA-256

    @property
    def is_done(self) -> bool:
        return (self.run / runs.METRICS).is_file()

    @property
    def is_begun(self) -> bool:
        """Whether its training has begun, in any process, and has not ended."""
        return (self.run / runs.CONFIG).is_file() and not self.is_done


@dataclass(frozen=True)
class Ended:
    """What came of a cell.

    Attributes:
        failure: the one line that says why it failed, or an empty string.
        before: whether it had been finished earlier.
        elsewhere: whether another process is training it, so that it was passed over.
        trace: Python's traceback of the failure, if it is a bug and nothing that the user can mend.
        remarks: what its training said of the machine: of a GPU, or of another environment than before.
    """

    cell: Cell
    failure: str = ""
    before: bool = False
    elsewhere: bool = False
    trace: str = ""
    remarks: tuple[str, ...] = ()


OnEpoch = Callable[[Cell, Sequence[Mapping[str, float]], int], None]  # it hears of a cell's history and best epoch


def nothing(*arguments) -> None:
    """An `on_epoch` that does nothing."""


class Pace(NamedTuple):
    """How many seconds a training takes to start, and how many for an epoch."""

    start: float
    epoch: float


def time_cell(cell: Cell) -> Pace:
    """How fast a cell would be trained in this process."""
    from tfcr.training.experiment import plan
    from tfcr.training.forecast import time_training

    try:
        return Pace(*time_training(plan(cell.config, cell.data, cell.split_file)))
    finally:
        _forget()


def train_cell(cell: Cell, on_epoch: OnEpoch = nothing) -> Ended:
    """Trains a cell in this process, whatever comes of it.

    Args:
        on_epoch: called after each epoch, with all lines of `history.csv` and the best epoch so far.
    """
    from tfcr.training.experiment import plan
    from tfcr.training.observer import Observer
    from tfcr.training.train import train_fold

    remarks: list[str] = []

    class Worker(Observer):
        def epoch(self, row, state):
            on_epoch(cell, state.history, state.best_epoch)

        def on_gpu(self, run, found):
            remarks.append(found)

        def environment_changed(self, run, changes):
            remarks.append(goes_on_elsewhere(run.name, changes))

    if cell.is_done:  # meanwhile, by another process
        return ended_before(cell)
    try:
        train_fold(plan(cell.config, cell.data, cell.split_file), cell.run, Worker())
    except LockedError:
        return Ended(cell, elsewhere=True)
    except TfcrError as error:
        return Ended(cell, _of_the_cell(cell, error), remarks=tuple(remarks))
    except Exception as error:  # a bug or the machine: the other cells go on
        return Ended(cell, f"{type(error).__name__}: {error}", trace=traceback.format_exc(), remarks=tuple(remarks))
    finally:
        _forget()
    return Ended(cell, remarks=tuple(remarks))


def ended_before(cell: Cell) -> Ended:
    """What came of a cell whose run was finished before: a failure if that run is of another configuration."""
    return Ended(cell, _foreign(cell), before=True)


def _forget() -> None:
    """Frees the models of a cell that has ended, so that a hundred of them need no more memory than one."""
    import keras

    keras.utils.clear_session()


def _of_the_cell(cell: Cell, error: TfcrError) -> str:
    """The message as it stands behind the folder's name, where nobody has typed --run."""
    return str(error).removeprefix(f"{cell.run} ").replace("another --run", "another folder for the runs")


def _foreign(cell: Cell) -> str:
    """Why a finished run is not this cell's, or an empty string."""
    try:
        runs.refuse_other(cell.run, on_dataset(resolve(cell.config), open_dataset(cell.data)))
        runs.open_run(cell.run)
    except TfcrError as error:
        return _of_the_cell(cell, error)
    return ""
