"""Cells of an experiment: one fold each, trained by several processes of a fixed number of threads."""

import os
import pathlib
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass

from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import BrokenProcessPool

from tfcr import runs
from tfcr.config import Config
from tfcr.dataset_info import open_dataset
from tfcr.errors import TfcrError
from tfcr.files import HeldError
from tfcr.models.systems import on_dataset, resolve

_DIED = "its process was ended from outside; if the memory was full, take fewer workers; the same command goes on"
_IDLE = 300  # seconds after which a worker without work ends
_LOOKS = 0.2  # seconds between a worker's looks at whether its parent still lives


@dataclass(frozen=True)
class Cell:
    """One training: a resolved configuration on a dataset, and the run's folder."""

    config: Config
    data: pathlib.Path
    run: pathlib.Path

    @property
    def is_done(self) -> bool:
        return (self.run / runs.METRICS).is_file()

    @property
    def is_begun(self) -> bool:
        """Whether somebody has trained at it, or trains now, without an end so far."""
        return (self.run / runs.CONFIG).is_file() and not self.is_done


@dataclass(frozen=True)
class Ended:
    """What came of a cell.

    Attributes:
        failure: the one line that says why it failed, or an empty string.
        before: it had been finished earlier.
        elsewhere: another process is training it, so it was passed over.
    """

    cell: Cell
    failure: str = ""
    before: bool = False
    elsewhere: bool = False


def nothing(*arguments) -> None:
    """Does nothing with what it hears."""


def train_cells(
    cells: Sequence[Cell],
    workers: int,
    prepare_process: Callable[[], None] = nothing,
    on_epoch: Callable[[Cell, Mapping[str, float], int], None] = nothing,
) -> Iterator[Ended]:
    """Trains what is missing of the cells.

    A cell that fails stops no other, even if its process dies. One that another process holds is tried once more at
    the end. The workers end when this process does, however it ends.

    Args:
        workers: processes at a time; their number changes nothing in the bits.
        prepare_process: called in each process before TensorFlow is imported.
        on_epoch: called in the worker after each epoch, with its line of `history.csv` and the best epoch so far.

    Yields:
        Every cell as it ends.
    """
    done = [cell.is_done for cell in cells]
    missing = [cell for cell, is_done in zip(cells, done, strict=True) if not is_done]
    yield from (Ended(cell, _foreign(cell), before=True) for cell, is_done in zip(cells, done, strict=True) if is_done)
    held = []
    for ended in _train_all(missing, workers, prepare_process, on_epoch):
        if ended.elsewhere:
            held.append(ended.cell)
        else:
            yield ended
    yield from _train_all(held, workers, prepare_process, on_epoch)


def seconds_per_epoch(
    cells: Sequence[Cell], workers: int, prepare_process: Callable[[], None] = nothing
) -> list[float | None]:
    """A forecast for each cell, timed in workers as the training itself will run; None where that is impossible."""
    with _Workers(workers, cells, prepare_process) as pool:
        timings = [_submit(pool, _time, cell) for cell in cells]
        return [None if timing.exception() else timing.result() for timing in timings]


class _Workers:
    """The processes; they stay for what is called next, and are ended when the block is left by an exception.

    Processes that run with other threads than the cells' are not used again: TensorFlow fixes them at its start.
    """

    def __init__(self, workers: int, cells: Sequence[Cell], prepare_process: Callable[[], None]):
        threads = sorted({cell.config.threads for cell in cells})
        self.executor = get_reusable_executor(
            max_workers=max(1, min(workers, len(cells))),
            timeout=_IDLE,
            initializer=_begin,
            initargs=(os.getpid(), prepare_process, tuple(threads)),
        )

    def __enter__(self):
        return self.executor

    def __exit__(self, kind, error, trace):
        if kind is not None:
            self.executor.shutdown(kill_workers=True)


def _train_all(
    cells: Sequence[Cell],
    workers: int,
    prepare_process: Callable[[], None],
    on_epoch: Callable[[Cell, Mapping[str, float], int], None],
) -> Iterator[Ended]:
    """Trains the cells; where a worker dies, those that were begun go on one by one, which tells the guilty one."""
    pending = list(cells)
    while pending:
        lost = []
        for cell, ended in _round(pending, workers, prepare_process, on_epoch):
            if ended is None:
                lost.append(cell)
            else:
                yield ended
        suspects = [cell for cell in lost if cell.is_begun] or lost[:1]
        for suspect in suspects:
            [(_, ended)] = _round([suspect], 1, prepare_process, on_epoch)
            yield ended or Ended(suspect, _DIED)
        pending = [cell for cell in lost if cell not in suspects]


def _round(
    cells: Sequence[Cell],
    workers: int,
    prepare_process: Callable[[], None],
    on_epoch: Callable[[Cell, Mapping[str, float], int], None],
) -> Iterator[tuple[Cell, Ended | None]]:
    """Trains the cells once, first come, first served; None for a cell that was lost because a worker died."""
    with _Workers(workers, cells, prepare_process) as pool:
        futures = {_submit(pool, _train, cell, on_epoch): cell for cell in cells}
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenProcessPool:
                yield futures[future], None


def _submit(pool: Executor, call: Callable, *arguments) -> Future:
    """The call's future, which has failed already where the processes have."""
    try:
        return pool.submit(_in_folder, os.getcwd(), call, *arguments)
    except BrokenProcessPool as error:
        broken = Future()
        broken.set_exception(error)
        return broken


def _in_folder(folder: str, call: Callable, *arguments):
    """The call in the folder that its paths start from; the process may have begun in another."""
    os.chdir(folder)
    return call(*arguments)


def _begin(parent: int, prepare_process: Callable[[], None], threads: tuple[int, ...]) -> None:
    """Prepares a worker: it leaves Ctrl-C to its parent, and ends when that has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    prepare_process()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOKS)
    os._exit(1)


def _time(cell: Cell) -> float:
    from tfcr.training.train import plan, seconds_per_epoch

    try:
        return seconds_per_epoch(plan(cell.config, cell.data))
    finally:
        _forget()


def _train(cell: Cell, on_epoch: Callable[[Cell, Mapping, int], None]) -> Ended:
    from tfcr.training.train import Observer, plan, train_fold

    class Worker(Observer):
        def epoch(self, row, state):
            on_epoch(cell, row, state.best_epoch)

    if cell.is_done:  # meanwhile, by another process
        return Ended(cell, _foreign(cell), before=True)
    try:
        train_fold(plan(cell.config, cell.data), cell.run, Worker())
    except HeldError:
        return Ended(cell, elsewhere=True)
    except TfcrError as error:
        return Ended(cell, _of_the_cell(cell, error))
    except Exception as error:  # a bug or the machine: its traceback is shown, and the other cells go on
        traceback.print_exc()
        return Ended(cell, f"{type(error).__name__}: {error}")
    finally:
        _forget()
    return Ended(cell)


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
