"""How long a training will take, from a few steps of it."""

import time

import keras
import tensorflow as tf

from tfcr.models.cpu import has_cpu_kernels
from tfcr.training import distribution, runtime
from tfcr.training.build import build_model
from tfcr.training.experiment import Experiment, pipeline_of

_FEW = 2  # examples


def time_training(experiment: Experiment, steps: int = 8, seconds: float = 2.0) -> tuple[float, float]:
    """How many seconds a training takes on this machine to start, and for an epoch; a forecast from a few steps.

    To start is to build the model and to take the first step, which makes its graph; on a CPU, where one graph is for
    every size of batch, a step of few examples. What comes of validation and test but once is no part of it.

    Args:
        steps: are timed after the first one.
        seconds: after which no further step begins, once one was timed.
    """
    began = time.monotonic()
    config = experiment.config
    runtime.configure(config.threads, config.op_threads)
    with distribution.strategy_of(config).scope():
        model = build_model(experiment)
    pipeline = pipeline_of(config, experiment.dataset, model.network)
    positions, size = experiment.split.train, config.batch_size
    epoch = pipeline.training(positions, batch_size=size, seed=config.seed, shuffle_buffer=2 * size)
    batches = epoch.repeat(2).take(steps + 1)  # an epoch may be one batch
    clock = _Clock(seconds)
    if has_cpu_kernels() and config.distribution == "none":
        batches = batches.enumerate().map(_cut_first)
    divided = distribution.divided(model.distribute_strategy, batches)
    model.fit(divided, steps_per_epoch=len(batches), verbose=0, shuffle=False, callbacks=[clock])
    step = (clock.ends[-1] - clock.ends[0]) / max(1, len(clock.ends) - 1)
    return clock.ends[0] - began, step * pipeline.steps_per_epoch(positions, size, config.segments)


@tf.autograph.experimental.do_not_convert  # which would take most of a second
def _cut_first(number, batch):
    """A batch, the first one cut to few examples."""
    return tf.nest.map_structure(lambda each: each[: tf.where(number == 0, _FEW, tf.shape(each)[0])], batch)


class _Clock(keras.callbacks.Callback):
    """When each step ended, until the time is over."""

    def __init__(self, seconds: float):
        super().__init__()
        self.ends: list[float] = []
        self._seconds = seconds

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.monotonic())
        if len(self.ends) > 1 and self.ends[-1] - self.ends[0] >= self._seconds:
            self.model.stop_training = True
