"""Who trains the cells of an experiment: processes of this machine, or a Ray cluster. The bits are the same."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from tfcr.experiments.backends.local import LocalProcesses
from tfcr.experiments.cells import Cell, Ended, OnEpoch, Pace, ended_before, nothing


class Backend(Protocol):
    """Trains cells within a block, `with backend:`. However the block ends, none of its trainings goes on behind it.

    The arguments are those of `train_cells`.
    """

    def __enter__(self): ...

    def __exit__(self, *error) -> None: ...

    def at_a_time(self, cells: Sequence[Cell], workers: int | None) -> int:
        """How many of the cells train at once."""

    def paces(
        self, cells: Sequence[Cell], workers: int | None, prepare_process: Callable[[], None]
    ) -> list[Pace | None]:
        """A forecast for each cell, timed as the training itself will run; None where that is impossible."""

    def train(
        self,
        cells: Sequence[Cell],
        workers: int | None,
        prepare_process: Callable[[], None],
        on_epoch: OnEpoch,
    ) -> Iterator[Ended]:
        """Trains the cells, and yields each as it ends."""


LOCAL = LocalProcesses()


def train_cells(
    cells: Sequence[Cell],
    workers: int | None = None,
    prepare_process: Callable[[], None] = nothing,
    on_epoch: OnEpoch = nothing,
    backend: Backend = LOCAL,
) -> Iterator[Ended]:
    """Trains what is missing of the cells.

    A cell that fails stops no other, even if its process dies. One that another process holds is tried once more
    later. The workers end when this process does, however it ends.

    Args:
        workers: processes at a time; their number changes nothing in the bits. None for all that there is room for.
        prepare_process: called in each process before TensorFlow is imported.
        on_epoch: called after each epoch, with all lines of `history.csv` and the best epoch so far: in the worker, or
            in this process where workers are on other machines.
        backend: who trains; one that is not local has to be within its block.

    Yields:
        Every cell as it ends.
    """
    done = [cell.is_done for cell in cells]
    missing = [cell for cell, is_done in zip(cells, done, strict=True) if not is_done]
    yield from (ended_before(cell) for cell, is_done in zip(cells, done, strict=True) if is_done)
    for ended in backend.train(missing, workers, prepare_process, on_epoch):
        if ended.trace:
            print(ended.trace, file=sys.stderr, end="", flush=True)
        yield ended
