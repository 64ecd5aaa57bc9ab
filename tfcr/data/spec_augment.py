"""SpecAugment (Park et al., Interspeech 2019): masks over frequency and time, as tensorflow-io draws them."""

import contextlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf


@dataclass(frozen=True, eq=False)
class SpecAugment:
    """Masks on the standardised picture, whose mean is 0; applied to decibels, a mask is therefore each bin's mean.

    Attributes:
        freq_mask: the widest mask over frequency, in bins; 0 for none.
        time_mask: the widest mask over time, in frames; 0 for none.
        mean: float [128 bins], the training part's, in dB.
    """

    freq_mask: int
    time_mask: int
    mean: np.ndarray

    def __call__(self, spectrogram: tf.Tensor) -> tf.Tensor:
        """Masks one segment, float32 [128 frames, 128 bins] in dB.

        Widths and places are drawn from the seed of the graph it is called in.
        """
        freq_mask, time_mask = _masks()
        shown = tf.ones_like(spectrogram)
        if self.freq_mask:
            shown = freq_mask(shown, self.freq_mask + 1)  # it draws widths below its parameter
        if self.time_mask:
            shown = time_mask(shown, self.time_mask + 1)
        return tf.where(shown > 0, spectrogram, tf.constant(self.mean, tf.float32))


def _masks() -> tuple[Callable, Callable]:
    """tensorflow-io's two functions, or ours where it is not installed.

    They are plain TensorFlow; the package warns of native parts that are not used here.
    """
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            from tensorflow_io.python.ops.audio_ops import freq_mask, time_mask
        except ImportError:
            from tfcr.data.masks import freq_mask, time_mask
    return freq_mask, time_mask
