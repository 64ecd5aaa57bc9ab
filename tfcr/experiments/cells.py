"""Cells of an experiment: one fold each, trained by several processes of a fixed number of threads."""

import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import joblib

from tfcr import runs
from tfcr.config import Config
from tfcr.errors import TfcrError


@dataclass(frozen=True)
class Cell:
    """One training: a configuration on a dataset, and the run's folder."""

    config: Config
    data: pathlib.Path
    run: pathlib.Path

    @property
    def is_done(self) -> bool:
        return (self.run / runs.METRICS).is_file()


def train_cells(
    cells: Sequence[Cell], workers: int, prepare_process: Callable[[], None] = lambda: None
) -> Iterator[tuple[Cell, str]]:
    """Trains what is missing of the cells.

    Args:
        workers: processes at a time; their number changes nothing in the bits.
        prepare_process: called in each process before TensorFlow is imported.

    Yields:
        Every cell as it ends, with an empty string, or with the one line that says why it failed. A cell that fails
        stops no other.
    """
    yield from ((cell, "") for cell in cells if cell.is_done)
    missing = [cell for cell in cells if not cell.is_done]
    parallel = joblib.Parallel(n_jobs=max(1, min(workers, len(missing))), return_as="generator_unordered")
    parent = os.getpid()
    yield from parallel(joblib.delayed(_train)(cell, parent, prepare_process) for cell in missing)


def _train(cell: Cell, parent: int, prepare_process: Callable[[], None]) -> tuple[Cell, str]:
    prepare_process()
    from tfcr.training.train import Observer, plan, train_fold

    class EndsWithParent(Observer):
        """A worker whose parent was killed stops at its next step; the cell is resumed another time."""

        def step(self, epoch, step):
            if os.getpid() != parent and os.getppid() == 1:
                os._exit(1)

    try:
        train_fold(plan(cell.config, cell.data), cell.run, EndsWithParent())
    except TfcrError as error:
        return cell, str(error)
    return cell, ""
