"""Cells trained by several processes of this machine, by way of loky."""

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, as_completed

from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import BrokenProcessPool

from tfcr.cards import PER_CARD, num_cards, take_card
from tfcr.errors import TfcrError
from tfcr.experiments.cells import Cell, Ended, OnEpoch, Pace, time_cell, train_cell

_DIED = "its process was ended from outside; if the memory was full, take fewer workers; the same command goes on"
_IDLE = 300  # seconds after which a worker without work ends
_SHARED_MEMORY = "/dev/shm"
_LOOKS = 0.2  # seconds between a worker's looks at whether its parent still lives


def cores() -> int:
    """How many this process may use; a job of a cluster has not always all of the machine's."""
    return len(os.sched_getaffinity(0))


def _room() -> int:
    """How many trainings at a time where nobody says it: one a core, and few a card where there are any."""
    cards = num_cards()
    return min(cores(), PER_CARD * cards) if cards else cores()


def _to_divide(workers: int, cells: Sequence[Cell]) -> int:
    """How many cards so many workers take turns at; none where one is alone, or a training takes every card."""
    is_mirrored = any(cell.config.distribution == "mirrored" for cell in cells)
    return 0 if workers == 1 or is_mirrored else num_cards()


class LocalProcesses:
    """Trains cells in several processes of this machine, each with as many threads as its cells say."""

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        """The processes stay for what is called next; where the block raised, they have been ended already."""

    def at_a_time(self, cells: Sequence[Cell], workers: int | None) -> int:
        return min(workers or _room(), len(cells))

    def paces(
        self, cells: Sequence[Cell], workers: int | None, prepare_process: Callable[[], None]
    ) -> list[Pace | None]:
        with _Workers(self.at_a_time(cells, workers), cells, prepare_process) as pool:
            timings = [_submit(pool, time_cell, cell) for cell in cells]
            return [None if timing.exception() else timing.result() for timing in timings]

    def train(
        self,
        cells: Sequence[Cell],
        workers: int | None,
        prepare_process: Callable[[], None],
        on_epoch: OnEpoch,
    ) -> Iterator[Ended]:
        held = []
        for ended in _train_all(cells, self.at_a_time(cells, workers), prepare_process, on_epoch):
            if ended.elsewhere:
                held.append(ended.cell)
            else:
                yield ended
        yield from _train_all(held, self.at_a_time(cells, workers), prepare_process, on_epoch)


class _Workers:
    """The processes; they stay for what is called next, and are ended when the block is left by an exception.

    Processes that run with other threads than the cells' are not used again: TensorFlow fixes them at its start.
    """

    def __init__(self, workers: int, cells: Sequence[Cell], prepare_process: Callable[[], None]):
        threads = sorted({(cell.config.threads, cell.config.op_threads) for cell in cells})
        # a process that a large cell follows a small one in has grown, so loky begins another: no matter of the user's
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given to the executor", UserWarning)
        try:
            self.executor = get_reusable_executor(
                max_workers=max(1, min(workers, len(cells))),
                timeout=_IDLE,
                initializer=_begin,
                initargs=(os.getpid(), prepare_process, tuple(threads), _to_divide(workers, cells)),
            )
        except OSError as error:
            raise TfcrError(
                f"the processes of a sweep need locks in {_SHARED_MEMORY}, which cannot be had ({error.strerror}); "
                "make room there, or let it be written to (in a container: --shm-size); the same command goes on"
            ) from None

    def __enter__(self):
        return self.executor

    def __exit__(self, kind, error, trace):
        if kind is not None:
            self.executor.shutdown(kill_workers=True)


def _train_all(
    cells: Sequence[Cell],
    workers: int,
    prepare_process: Callable[[], None],
    on_epoch: OnEpoch,
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
    on_epoch: OnEpoch,
) -> Iterator[tuple[Cell, Ended | None]]:
    """Trains the cells once, first come, first served; None for a cell that was lost because a worker died."""
    with _Workers(workers, cells, prepare_process) as pool:
        futures = {_submit(pool, train_cell, cell, on_epoch): cell for cell in cells}
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


def _begin(parent: int, prepare_process: Callable[[], None], threads: tuple[tuple[int, int], ...], cards: int) -> None:
    """Prepares a worker: it leaves Ctrl-C to its parent, ends when that has ended, and has one of several cards."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if cards > 1:
        take_card(parent, cards)
    prepare_process()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOKS)
    os._exit(1)
