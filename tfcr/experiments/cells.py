"""Cells of an experiment: one fold each, trained by several processes of a fixed number of threads."""

import os
import pathlib
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import joblib

from tfcr import runs
from tfcr.config import Config
from tfcr.dataset_info import open_dataset
from tfcr.errors import TfcrError


@dataclass(frozen=True)
class Cell:
    """One training: a configuration on a dataset, with an alpha of its own, and the run's folder."""

    config: Config
    data: pathlib.Path
    run: pathlib.Path

    @property
    def is_done(self) -> bool:
        return (self.run / runs.METRICS).is_file()


def nothing(*arguments) -> None:
    """Does nothing with what it hears."""


def train_cells(
    cells: Sequence[Cell],
    workers: int,
    prepare_process: Callable[[], None] = nothing,
    on_epoch: Callable[[Cell, Mapping[str, float], int], None] = nothing,
) -> Iterator[tuple[Cell, str]]:
    """Trains what is missing of the cells.

    Args:
        workers: processes at a time; their number changes nothing in the bits.
        prepare_process: called in each process before TensorFlow is imported.
        on_epoch: called in the worker after each epoch, with its line of `history.csv` and the best epoch so far.

    Yields:
        Every cell as it ends, with an empty string, or with the one line that says why it failed. A cell that fails
        stops no other.
    """
    yield from ((cell, _foreign(cell)) for cell in cells if cell.is_done)
    missing = [cell for cell in cells if not cell.is_done]
    parallel = joblib.Parallel(n_jobs=max(1, min(workers, len(missing))), return_as="generator_unordered")
    parent = os.getpid()
    yield from parallel(joblib.delayed(_train)(cell, parent, prepare_process, on_epoch) for cell in missing)


def seconds_per_epoch(cell: Cell, workers: int, prepare_process: Callable[[], None] = nothing) -> float:
    """A forecast, timed in a worker as the training itself will run."""
    parallel = joblib.Parallel(n_jobs=workers)
    return parallel([joblib.delayed(_time)(cell, prepare_process)])[0]


def _time(cell: Cell, prepare_process: Callable[[], None]) -> float:
    prepare_process()
    from tfcr.training.train import plan, seconds_per_epoch

    return seconds_per_epoch(plan(cell.config, cell.data))


def _train(
    cell: Cell, parent: int, prepare_process: Callable[[], None], on_epoch: Callable[[Cell, Mapping, int], None]
) -> tuple[Cell, str]:
    prepare_process()
    from tfcr.training.train import Observer, plan, train_fold

    class Worker(Observer):
        """One whose parent was killed stops at its next step; the cell is resumed another time."""

        def step(self, epoch, step):
            if os.getpid() != parent and os.getppid() != parent:
                os._exit(1)

        def epoch(self, row, state):
            on_epoch(cell, row, state.best_epoch)

    try:
        train_fold(plan(cell.config, cell.data), cell.run, Worker())
    except TfcrError as error:
        return cell, str(error)
    except Exception as error:  # a bug or the machine: its traceback is shown, and the other cells go on
        traceback.print_exc()
        return cell, f"{type(error).__name__}: {error}"
    return cell, ""


def _foreign(cell: Cell) -> str:
    """Why a finished run is not this cell's, or an empty string."""
    try:
        runs.refuse_other(cell.run, replace(cell.config, dataset_sha256=open_dataset(cell.data).sha256))
    except TfcrError as error:
        return str(error)
    return ""
