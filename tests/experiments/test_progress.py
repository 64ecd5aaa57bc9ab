"""What is said of how long trainings will take, from how long one of each kind takes to start and for an epoch."""

import pathlib
from types import SimpleNamespace

import pytest

from tfcr.config import Config
from tfcr.experiments.cells import Cell, Pace
from tfcr.experiments.progress import forecast


def cells(number, **fields):
    paths = [pathlib.Path(f"run-{seed}") for seed in range(number)]
    return [Cell(Config(seed=seed, **fields), pathlib.Path("data"), path) for seed, path in enumerate(paths)]


def timed(at_a_time, *paces):
    """A backend on which the kinds of cells have these paces, in their order."""
    return SimpleNamespace(at_a_time=lambda cells, workers: at_a_time, paces=lambda *arguments: list(paces))


@pytest.mark.parametrize(
    ("number", "at_a_time", "most"), [(1, 1, "1 min"), (8, 1, "8 min"), (8, 2, "4 min"), (3, 2, "2 min")]
)
def test_a_training_starts_for_its_steps_and_for_its_tests(number, at_a_time, most):
    """20 s to start twice, and 20 epochs of a second: a minute each; of three by two workers the last is alone."""
    opening = f"{number} trainings, {at_a_time} at a time" if number > 1 else "1 training"
    said = forecast(cells(number, epochs=20), backend=timed(at_a_time, Pace(20, 1)))
    assert said == f"{opening}: at most {most}"


def test_where_a_training_may_stop_early_a_typical_end_is_said_too():
    said = forecast(cells(1, epochs=100, patience=10), backend=timed(1, Pace(0, 12)))
    assert said == "1 training: about 5 min if they stop after 25 epochs, at most 20 min"


def test_kinds_are_added_up_and_one_that_could_not_be_timed_leaves_all_open():
    both = [*cells(2, epochs=10, alpha=0.1), *cells(1, epochs=10, system="text")]
    assert forecast(both, backend=timed(1, Pace(0, 9), Pace(30, 6))) == "3 trainings, 1 at a time: at most 5 min"
    assert forecast(both, backend=timed(1, Pace(0, 9), None)) == "3 trainings, 1 at a time"
