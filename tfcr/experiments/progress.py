"""What a user hears of many trainings: a forecast, how each ended, and how much is left."""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from tfcr import runs
from tfcr.experiments.backends.backend import LOCAL, Backend, train_cells
from tfcr.experiments.cells import Cell, Ended, OnEpoch, Pace, nothing
from tfcr.wording import duration

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_TYPICAL_BEST = 15  # the epoch after which validation no longer improves, on the corpora tried


def forecast(
    missing: Sequence[Cell],
    workers: int | None = None,
    prepare_process: Callable[[], None] = nothing,
    backend: Backend = LOCAL,
) -> tuple[str, dict[str, Pace]]:
    """How long the trainings will take, from a few timed steps of some, in words; and by system the pace.

    Of each system one is timed, a regularised one where there is one: the others take a little less. Where systems are
    few, further ones are timed, so that as many run beside each other as will train so.
    """
    at_a_time = backend.at_a_time(missing, workers)
    opening = f"{len(missing)} trainings, {at_a_time} at a time" if len(missing) > 1 else "1 training"
    of_each: dict[str, Cell] = {}
    for cell in missing:
        there = of_each.setdefault(cell.config.system, cell)
        if cell.config.alpha and not there.config.alpha:
            of_each[cell.config.system] = cell
    others = [cell for cell in missing if of_each[cell.config.system] is not cell]
    chosen = [*of_each.values(), *others[: max(0, at_a_time - len(of_each))]]
    timed: dict[str, Pace] = {}
    for cell, pace in zip(chosen, backend.paces(chosen, workers, prepare_process), strict=True):
        if pace:
            timed[cell.config.system] = max(timed.get(cell.config.system, pace), pace, key=lambda each: each.epoch)
    if len(timed) < len(of_each):
        return opening, timed
    paces = [timed[cell.config.system] for cell in missing]
    epochs = missing[0].config.epochs
    typical = min(epochs, missing[0].config.patience + _TYPICAL_BEST)
    about, most = (duration(max(_seconds(paces, at_a_time, number), 1)) for number in (typical, epochs))
    expected = f"about {about} if they stop after {typical} epochs, " if epochs > typical else ""
    return f"{opening}: {expected}at most {most}", timed


def train_and_tell(
    cells: Sequence[Cell],
    workers: int | None,
    say: Callable[[str], None] = nothing,
    on_end: Callable[[int, float], None] = nothing,
    prepare_process: Callable[[], None] = nothing,
    on_epoch: OnEpoch = nothing,
    backend: Backend = LOCAL,
) -> list[Ended]:
    """Trains what is missing, says before how long that will take, and of every cell how it ended (`train_cells`)."""
    missing = [cell for cell in cells if not cell.is_done]
    with backend:
        if missing:
            said, paces = forecast(missing, workers, prepare_process, backend)
            say(said)
            cells = [*(cell for cell in cells if cell.is_done), *longest_first(missing, paces)]
        return report_ends(train_cells(cells, workers, prepare_process, on_epoch, backend), cells, say, on_end)


def longest_first(cells: Sequence[Cell], paces: Mapping[str, Pace]) -> list[Cell]:
    """The cells in their order, but those of a fold and seed from the slowest to the fastest.

    So the last worker is not alone for long. They stay as they are where a pace is not known, or where some start from
    what others have trained.
    """
    if any(cell.config.system not in paces or cell.config.start != "fresh" for cell in cells):
        return list(cells)
    rows: dict[tuple, list[Cell]] = {}
    for cell in cells:
        rows.setdefault((cell.data, cell.config.protocol, cell.config.fold, cell.config.seed), []).append(cell)
    return [cell for row in rows.values() for cell in sorted(row, key=lambda cell: -paces[cell.config.system].epoch)]


def _seconds(paces: Sequence[Pace], at_a_time: int, epochs: int) -> float:
    """How long trainings of some epochs take, so many at a time.

    Each starts twice: for its training, and about as long for validation and test, which have graphs of their own.
    """
    each = [2 * pace.start + pace.epoch * epochs for pace in paces]
    rounds = -(-len(each) // at_a_time)  # the last one may leave workers idle
    return max(sum(each) / at_a_time, max(each), rounds * min(each))


def report_ends(
    ended: Iterable[Ended],
    cells: Sequence[Cell],
    say: Callable[[str], None] = nothing,
    on_end: Callable[[int, float], None] = nothing,
) -> list[Ended]:
    """Says of every cell how it ended and how much is left, and once what trainings said of the machine.

    Args:
        ended: the cells as they end.
        cells: all of them.
        on_end: called as each ends, with how many have ended and the seconds that are left.
    """
    began, results, trained, said = time.monotonic(), [], 0, set()
    for each in ended:
        results.append(each)
        for remark in each.remarks:
            if (alike := _NUMBER.sub("", remark)) not in said:  # of other runs, and with other last digits
                said.add(alike)
                say(remark)
        trained += not each.before and not each.elsewhere
        left = (time.monotonic() - began) / max(trained, 1) * (len(cells) - len(results))
        say(f"{len(results)} of {len(cells)} {_how(each, left)}")
        on_end(len(results), left)
    return results


def _how(ended: Ended, left: float) -> str:
    cell = ended.cell
    if ended.failure:
        return f"failed: {cell.run}: {ended.failure}"
    if ended.elsewhere:
        return f"is in work elsewhere: {cell.run}"
    if ended.before:
        return f"was trained before: {cell.run.name}"
    test = runs.open_run(cell.run).metrics["test"]
    figures = f"test WA {100 * test['wa']:.2f} %, UA {100 * test['ua']:.2f} %"
    return f"trained: {cell.run.name}, {figures}" + (f"; about {duration(left)} left" if left else "")
