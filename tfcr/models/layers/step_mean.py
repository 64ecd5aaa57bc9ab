"""Means of sequences over their real steps."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("tfcr")
class StepMean(keras.layers.Layer):
    """The mean over real steps, and with `deviation` the standard deviation after it.

    Args:
        deviation: appends the deviation (of the population: over n, not n - 1), which is 0 for a single step.

    Call arguments:
        sequences: [batch, steps, units].
        counts: int [batch], how many steps of each are real; more than `steps` counts as `steps`. None: all are.

    Returns:
        [batch, units] or, with deviations, [batch, 2 * units]; zeros where no step is real.
    """

    def __init__(self, deviation=False, **kwargs):
        super().__init__(**kwargs)
        self.deviation = deviation
        self.supports_masking = True  # a recurrent layer's mask may come along; the count says more

    def build(self, sequences_shape, counts_shape=None):
        pass  # no weights

    def compute_mask(self, sequences, previous_mask=None):
        return None

    def call(self, sequences, counts=None):
        values = ops.cast(sequences, self.variable_dtype)  # half precision holds no long sums
        steps = ops.arange(ops.shape(values)[1], dtype="int32")[None, :]
        real = steps >= 0 if counts is None else steps < ops.cast(counts, "int32")[:, None]
        real = ops.cast(real, self.variable_dtype)
        weights = (real / ops.maximum(ops.sum(real, axis=1, keepdims=True), 1.0))[:, :, None]
        mean = ops.sum(weights * values, axis=1)
        if self.deviation:
            variance = ops.sum(weights * ops.square(values - mean[:, None]), axis=1)
            is_zero = ops.equal(variance, 0.0)  # where the root has no gradient
            deviation = ops.where(is_zero, 0.0, ops.sqrt(ops.where(is_zero, 1.0, variance)))
            mean = ops.concatenate([mean, deviation], axis=1)
        return ops.cast(mean, self.compute_dtype)

    def compute_output_shape(self, sequences_shape, counts_shape=None):
        return (sequences_shape[0], (1 + self.deviation) * sequences_shape[2])

    def get_config(self):
        return {**super().get_config(), "deviation": self.deviation}
