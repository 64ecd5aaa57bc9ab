"""How long a training will take is told from a few of its steps, of which there are fewer where they are slow."""

import dataclasses

import pytest


@pytest.mark.parametrize(("seconds", "timed"), [(0.0, 1), (1e9, 3)])
def test_slow_steps_are_timed_less_often(tensorflow, small_config, small_dataset, monkeypatch, seconds, timed):
    from tfcr.training import forecast
    from tfcr.training.experiment import plan

    clocks = []

    class Clock(forecast._Clock):
        def __init__(self, seconds):
            super().__init__(seconds)
            clocks.append(self)

    monkeypatch.setattr(forecast, "_Clock", Clock)
    experiment = plan(dataclasses.replace(small_config, batch_size=16), small_dataset.folder)
    start, epoch = forecast.time_training(experiment, steps=3, seconds=seconds)
    assert start > 0 and epoch > 0
    assert [len(clock.ends) for clock in clocks] == [1 + timed]
