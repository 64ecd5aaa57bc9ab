"""Standardisation of features over real frames, inside the model so that an export carries it."""

import keras
import numpy as np
from keras import ops

# dB; a bin that hardly changes in training (above the band of resampled speech, say) is divided by this, or a recording
# that does have something there would drown all other bins.
_MIN_DEVIATION = 1.0


@keras.saving.register_keras_serializable("tfcr")
class Standardization(keras.layers.Layer):
    """Per bin (x - mean) / deviation over real frames; padded frames become 0.

    Mean and deviation are weights that training does not move: `set_statistics` fills them from the training part.

    Call arguments:
        spectrogram: float32 [batch, frames, bins], in dB.
        num_frames: int [batch], how many frames of each are real.

    Returns:
        [batch, frames, bins], without unit, in the layer's compute dtype.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)  # half precision cannot hold -140 dB to a tenth

    def build(self, spectrogram_shape, num_frames_shape):
        bins = (spectrogram_shape[-1],)
        self.mean = self.add_weight(name="mean", shape=bins, initializer="zeros", trainable=False)
        self.deviation = self.add_weight(name="deviation", shape=bins, initializer="ones", trainable=False)

    def set_statistics(self, mean: np.ndarray, deviation: np.ndarray) -> None:
        """Sets the statistics, two arrays [bins] in dB. The layer must be built."""
        self.mean.assign(mean)
        self.deviation.assign(np.maximum(deviation, _MIN_DEVIATION))

    def call(self, spectrogram, num_frames):
        real = ops.arange(ops.shape(spectrogram)[1])[None, :] < ops.cast(num_frames, "int32")[:, None]
        standardized = (ops.cast(spectrogram, self.variable_dtype) - self.mean) / self.deviation
        return ops.cast(ops.where(real[:, :, None], standardized, 0.0), self.compute_dtype)

    def compute_output_shape(self, spectrogram_shape, num_frames_shape):
        return spectrogram_shape

    def get_config(self):
        return super().get_config()  # what Keras makes up without one refuses a dtype that is a policy object
