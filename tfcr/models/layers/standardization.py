"""Standardisation of features over real steps, inside the model so that an export carries it."""

import keras
import numpy as np
from keras import ops

# The smallest deviation that is divided by. One that is too small makes noise out of what hardly changes in training;
# one that is too large flattens what matters.
# Bins of a spectrogram above the band of resampled speech, say; a recording that does have something there would drown
# all others.
LEAST_DB = 1.0
LEAST_COEFFICIENT = 1e-4  # of MFCCs and prosody, which lie below 200: float32 rounds them to 8e-6, a tenth of it
LEAST_OWN = 1e-5  # of features in a unit nobody knows: float32 rounds numbers below 10 to 5e-7


@keras.saving.register_keras_serializable("tfcr")
class Standardization(keras.layers.Layer):
    """Per bin (x - mean) / deviation over real steps; padded steps become 0.

    Mean and deviation are weights that training does not move: `set_statistics` fills them from the training part.

    Args:
        feature: the field of a dataset whose statistics these are.
        least: the smallest deviation that is divided by, in the feature's unit.

    Call arguments:
        features: float32 [batch, steps, bins], for a spectrogram in dB; [batch, layers, steps, bins], of which each
            layer has statistics of its own; or [batch, bins], one vector each.
        counts: int [batch], how many steps of each are real; None where all are.

    Returns:
        The features' shape, without unit, in the layer's compute dtype.
    """

    def __init__(self, feature="spectrogram", least=LEAST_DB, **kwargs):
        super().__init__(autocast=False, **kwargs)  # half precision cannot hold -140 dB to a tenth
        if not least > 0:
            raise ValueError(f"Argument `least` must be above 0. Received: {least=}")
        self.feature = feature
        self.least = least

    def build(self, features_shape, counts_shape=None):
        bins = features_shape[-1]
        shape = (features_shape[1], 1, bins) if len(features_shape) == 4 else (bins,)
        self.mean = self.add_weight(name="mean", shape=shape, initializer="zeros", trainable=False)
        self.deviation = self.add_weight(name="deviation", shape=shape, initializer="ones", trainable=False)

    def set_statistics(self, mean: np.ndarray, deviation: np.ndarray) -> None:
        """Sets the statistics, two arrays [bins] or [layers, bins] in the feature's unit. The layer must be built."""
        self.mean.assign(np.reshape(mean, self.mean.shape))
        self.deviation.assign(np.maximum(np.reshape(deviation, self.deviation.shape), self.least))

    def call(self, features, counts=None):
        standardized = (ops.cast(features, self.variable_dtype) - self.mean) / self.deviation
        if counts is not None:
            real = ops.arange(ops.shape(features)[-2], dtype="int32")[None, :] < ops.cast(counts, "int32")[:, None]
            real = real[:, :, None] if len(features.shape) == 3 else real[:, None, :, None]
            standardized = ops.where(real, standardized, 0.0)
        return ops.cast(standardized, self.compute_dtype)

    def compute_output_shape(self, features_shape, counts_shape=None):
        return features_shape

    def get_config(self):
        return {**super().get_config(), "feature": self.feature, "least": self.least}
