"""The pictures of `tfcr.features.spectrogram` inside a graph, computed in float64 as there (Sec. 4.2).

Samples come in steps of 16 bits, as a WAV file has them: the window divides them by 2^15, a power of two, so no bit
differs from samples in [-1, 1). In float32, which holds them exactly, they are padded and cut in half the memory.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfcr.features.spectrogram import POOLED_FRAMES, POOLING
from tfcr.schema import FFT_LENGTH, FLOOR_DB, FLOOR_PSD, HOP_LENGTH, NUM_BINS, SAMPLE_RATE, SEGMENT_FRAMES

_INT16 = 2.0**15
_HANN = np.hanning(FFT_LENGTH)
# Scaled so that the squared spectrum is the one-sided density: both signs of a frequency fall on its bin.
_WINDOW = _HANN * np.sqrt(2.0 / (SAMPLE_RATE * np.sum(_HANN**2))) / _INT16
_ONE_SIGN = np.array([0.5] + [1.0] * (NUM_BINS - 1))  # the mean has one sign
_SEGMENT_SAMPLES = SEGMENT_FRAMES * HOP_LENGTH
_BLOCK = 8  # segments: most recordings at once, whose spectra take 2 MB


def spectrogram(samples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The segments of one utterance (preset `paper`).

    Args:
        samples: float32 [samples] in steps of 16 bits, 16 kHz.

    Returns:
        float32 [segments, 128 frames, 128 bins] in dB, whose last frames are padded with the floor, and int32 [], the
        number of real frames.
    """
    frames = num_frames(samples)
    segments = -(-frames // SEGMENT_FRAMES)
    padded = _of_length(samples, segments * _SEGMENT_SAMPLES + HOP_LENGTH)

    # some at a time: a long recording takes little more memory than its pictures
    def block(number, store):
        here = tf.minimum(_BLOCK, segments - number * _BLOCK)
        begin, length = number * _BLOCK * _SEGMENT_SAMPLES, here * _SEGMENT_SAMPLES + HOP_LENGTH
        density = _power_spectral_density(padded[begin : begin + length])
        decibels = 10.0 / np.log(10.0) * tf.math.log(tf.maximum(density, tf.constant(FLOOR_PSD, tf.float64)))
        real = number * _BLOCK * SEGMENT_FRAMES + tf.range(here * SEGMENT_FRAMES) < frames
        return number + 1, store.write(number, tf.where(real[:, None], tf.cast(decibels, tf.float32), FLOOR_DB))

    blocks = -(-segments // _BLOCK)
    store = tf.TensorArray(tf.float32, blocks, element_shape=(None, NUM_BINS), infer_shape=False)
    _, store = tf.while_loop(lambda number, _: number < blocks, block, (0, store), parallel_iterations=1)
    pictures = tf.reshape(store.concat(), (-1, SEGMENT_FRAMES, NUM_BINS))
    return pictures, frames


def pooled_picture(samples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The one picture of an utterance (preset `authors`).

    Args:
        samples: float32 [samples] in steps of 16 bits, 16 kHz.

    Returns:
        float32 [1, 128 columns, 128 bins], without unit, and int32 [], the number of columns that hold speech.
    """
    frames = tf.minimum(num_frames(samples), POOLED_FRAMES)
    most = SEGMENT_FRAMES * POOLING
    density = _power_spectral_density(_of_length(samples, (most + 1) * HOP_LENGTH))
    density = tf.where(density > 0, density, tf.constant(FLOOR_PSD, tf.float64))
    picture = tf.math.log(density * tf.constant(_INT16**2, tf.float64))
    picture = tf.where((tf.range(most) < frames)[:, None], picture, tf.constant(0.0, tf.float64))
    pooled = tf.reduce_mean(tf.reshape(picture, (1, SEGMENT_FRAMES, POOLING, NUM_BINS)), axis=2)
    return tf.cast(pooled, tf.float32), -(-frames // POOLING)


PICTURES: dict[str, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]] = {
    "paper": spectrogram,
    "authors": pooled_picture,
}


def num_frames(samples: tf.Tensor) -> tf.Tensor:
    """int32 [], `tfcr.features.spectrogram.num_frames` of samples."""
    return tf.maximum(1, (tf.size(samples) - FFT_LENGTH) // HOP_LENGTH + 1)


def _power_spectral_density(samples: tf.Tensor) -> tf.Tensor:
    """float64 [frames, 128 bins] in 1/Hz, without the Nyquist bin, of float32 [(frames + 1) * 128] in 16-bit steps."""
    hops = tf.reshape(samples, (-1, HOP_LENGTH))
    frames = tf.concat([hops[:-1], hops[1:]], axis=1)  # a frame is two hops
    spectrum = tf.signal.rfft(tf.cast(frames, tf.float64) * _WINDOW)
    power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    return power[:, :NUM_BINS] * _ONE_SIGN


def _of_length(samples: tf.Tensor, length) -> tf.Tensor:
    """Samples, cut to a length or padded with zeros."""
    cut = samples[:length]
    return tf.pad(cut, [[0, length - tf.size(cut)]])
