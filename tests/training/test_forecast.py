"""How long a training will take is told from a few of its steps, of which there are fewer where they are slow."""

import dataclasses

import pytest


@pytest.fixture
def clocks(tensorflow, monkeypatch):
    """What timed the steps of each forecast."""
    from tfcr.training import forecast

    made = []

    class Clock(forecast._Clock):
        def __init__(self, seconds):
            super().__init__(seconds)
            made.append(self)

    monkeypatch.setattr(forecast, "_Clock", Clock)
    return made


@pytest.mark.parametrize(("seconds", "timed"), [(0.0, 1), (1e9, 3)])
def test_slow_steps_are_timed_less_often(clocks, small_config, small_dataset, seconds, timed):
    from tfcr.training import forecast
    from tfcr.training.experiment import plan

    experiment = plan(dataclasses.replace(small_config, batch_size=16), small_dataset.folder)
    start, epoch = forecast.time_training(experiment, steps=3, seconds=seconds)
    assert start > 0 and epoch > 0
    assert [len(clock.ends) for clock in clocks] == [1 + timed]


def test_an_epoch_of_one_batch_is_timed_too_after_a_step_of_few_examples(
    clocks, small_config, small_dataset, monkeypatch
):
    from tfcr.training import forecast
    from tfcr.training.experiment import plan

    cut, cut_first = [], forecast._cut_first
    monkeypatch.setattr(forecast, "_cut_first", lambda number, batch: cut.append(number) or cut_first(number, batch))
    experiment = plan(dataclasses.replace(small_config, batch_size=10**4), small_dataset.folder)
    _, epoch = forecast.time_training(experiment)
    assert epoch > 0
    assert [len(clock.ends) for clock in clocks] == [2]
    assert cut


def test_the_first_step_is_of_few_examples_and_all_others_of_whole_batches(tensorflow):
    from tfcr.training.forecast import _cut_first

    data = tensorflow.data.Dataset.range(20).map(lambda number: ({"x": number}, number)).batch(8)
    cut = data.enumerate().map(_cut_first)
    assert [(len(x["x"]), len(y)) for x, y in cut] == [(2, 2), (8, 8), (4, 4)]
