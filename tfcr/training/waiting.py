"""How long training waits for its data."""

import time

import keras
import tensorflow as tf


class InputTimer:
    """Times how long the steps of a model's `fit` wait for their batches.

    Keras fetches a batch inside its compiled step, where the time cannot be measured. This class has `fit` fetch it
    before the step, which is the model's `train_step`, compiled as Keras compiles it. Where several devices share a
    batch, Keras's own step stays, and nothing is measured.

    Args:
        model: a compiled model.
        by_xla: whether XLA compiles the step, which Keras itself never asks of it with determinism on.
    """

    def __init__(self, model: keras.Model, by_xla: bool = False):
        self._model = model
        self._by_xla = by_xla
        self._step = None
        self._seconds = 0.0
        if model.distribute_strategy.num_replicas_in_sync == 1:
            model.train_function = self._timed_step

    def seconds(self) -> float:
        """The seconds of waiting since the last call."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def _timed_step(self, batches: tf.data.Iterator) -> dict[str, tf.Tensor]:
        if self._step is None:
            run, train_step = self._model.distribute_strategy.run, self._model.train_step
            self._step = tf.function(
                lambda batch: run(train_step, args=(batch,)),
                input_signature=[batches.element_spec],  # one trace, whatever size the last batch has
                jit_compile=self._by_xla,
                autograph=False,
            )
        began = time.monotonic()
        batch = next(batches)
        self._seconds += time.monotonic() - began
        return self._step(batch)
