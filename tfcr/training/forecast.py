"""How long a training will take, from a few steps of it."""

import time

import keras

from tfcr.training import distribution, runtime
from tfcr.training.build import build_model
from tfcr.training.experiment import Experiment, pipeline_of


def seconds_per_epoch(experiment: Experiment, steps: int = 8) -> float:
    """How long an epoch of an experiment takes on this machine, from a few steps after the first one; a forecast."""
    config = experiment.config
    runtime.configure(config.threads, config.op_threads)
    with distribution.strategy_of(config).scope():
        model = build_model(experiment)
    pipeline = pipeline_of(config, experiment.dataset, model.network)
    positions, size = experiment.split.train, config.batch_size
    batches = pipeline.training(positions, batch_size=size, seed=config.seed, shuffle_buffer=2 * size).take(steps + 1)
    clock = _Clock()
    divided = distribution.divided(model.distribute_strategy, batches)
    model.fit(divided, steps_per_epoch=len(batches), verbose=0, shuffle=False, callbacks=[clock])
    step = (clock.ends[-1] - clock.ends[0]) / max(1, len(clock.ends) - 1)
    return step * pipeline.steps_per_epoch(positions, size, config.segments)


class _Clock(keras.callbacks.Callback):
    """When each step ended."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.monotonic())
