"""What is said of how long trainings will take, from how long some of each system take to start and for an epoch."""

import pathlib
from types import SimpleNamespace

import pytest

from tfcr.config import Config
from tfcr.experiments.cells import Cell, Pace
from tfcr.experiments.progress import forecast, longest_first


def cells(number, **fields):
    paths = [pathlib.Path(f"run-{seed}") for seed in range(number)]
    return [Cell(Config(seed=seed, **fields), pathlib.Path("data"), path) for seed, path in enumerate(paths)]


def timed(at_a_time, *paces, asked=None):
    """A backend on which cells have these paces, in their order, and all further ones the last.

    Args:
        asked: a list that gets the cells that were timed.
    """

    def answer(cells, workers, prepare_process):
        if asked is not None:
            asked.extend(cells)
        return [*paces, *[paces[-1]] * (len(cells) - len(paces))]

    return SimpleNamespace(at_a_time=lambda cells, workers: at_a_time, paces=answer)


@pytest.mark.parametrize(
    ("number", "at_a_time", "most"), [(1, 1, "1 min"), (8, 1, "8 min"), (8, 2, "4 min"), (3, 2, "2 min")]
)
def test_a_training_starts_for_its_steps_and_for_its_tests(number, at_a_time, most):
    """20 s to start twice, and 20 epochs of a second: a minute each; of three by two workers the last is alone."""
    opening = f"{number} trainings, {at_a_time} at a time" if number > 1 else "1 training"
    said, _ = forecast(cells(number, epochs=20), backend=timed(at_a_time, Pace(20, 1)))
    assert said == f"{opening}: at most {most}"


def test_where_a_training_may_stop_early_a_typical_end_is_said_too():
    said, _ = forecast(cells(1, epochs=100, patience=10), backend=timed(1, Pace(0, 12)))
    assert said == "1 training: about 5 min if they stop after 25 epochs, at most 20 min"


def test_systems_are_added_up_and_one_that_could_not_be_timed_leaves_all_open():
    both = [*cells(2, epochs=10, alpha=0.1), *cells(1, epochs=10, system="text")]
    said, paces = forecast(both, backend=timed(1, Pace(0, 9), Pace(30, 6)))
    assert said == "3 trainings, 1 at a time: at most 5 min"
    assert paces == {"fusion": Pace(0, 9), "text": Pace(30, 6)}
    said, paces = forecast(both, backend=timed(1, Pace(0, 9), None))
    assert said == "3 trainings, 1 at a time"
    assert paces == {"fusion": Pace(0, 9)}


def test_of_a_system_with_and_without_a_regulariser_the_slower_one_is_timed():
    asked = []
    both = [*cells(2, epochs=10, alpha=0), *cells(2, epochs=10, alpha=0.1)]
    said, _ = forecast(both, backend=timed(1, Pace(0, 15), asked=asked))
    assert (said, [cell.config.alpha for cell in asked]) == ("4 trainings, 1 at a time: at most 10 min", [0.1])


def test_as_many_are_timed_beside_each_other_as_will_train_and_the_slowest_counts():
    asked = []
    fast_and_slow = timed(3, Pace(0, 15), Pace(0, 30), Pace(0, 20), asked=asked)
    said, paces = forecast(cells(6, epochs=10), backend=fast_and_slow)
    assert (said, asked) == ("6 trainings, 3 at a time: at most 10 min", cells(6, epochs=10)[:3])
    assert paces == {"fusion": Pace(0, 30)}
    asked.clear()
    mixed = [*cells(2, alpha=0), *cells(1, alpha=0.1), *cells(1, system="text"), *cells(1, alpha=0.5)]
    forecast(mixed, backend=timed(3, Pace(0, 1), asked=asked))
    assert asked == [mixed[2], mixed[3], mixed[0]]


def test_the_longest_of_a_fold_come_first_and_folds_stay_in_their_order():
    paces = {"fusion": Pace(9, 3), "text": Pace(9, 2), "ds-lstm": Pace(0, 60)}
    of_folds = [
        cell
        for fold in (2, 0)
        for system, alpha in (("text", 0), ("fusion", 0.1), ("ds-lstm", 0))
        for cell in cells(1, fold=fold, system=system, alpha=alpha)
    ]
    ordered = [(cell.config.fold, cell.config.system) for cell in longest_first(of_folds, paces)]
    assert ordered == [(fold, system) for fold in (2, 0) for system in ("ds-lstm", "fusion", "text")]
    assert longest_first(of_folds, {**paces, "text": Pace(9, 99)})[0].config.system == "text"
    del paces["text"]
    assert longest_first(of_folds, paces) == of_folds


def test_what_starts_from_others_stays_behind_them():
    staged = [*cells(1, system="text", alpha=0), *cells(1, alpha=0.1, preset="authors", start="baseline")]
    assert longest_first(staged, {"text": Pace(0, 1), "fusion": Pace(0, 9)}) == staged
