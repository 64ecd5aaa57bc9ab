"""Noise in the examples of a training: every utterance's is a function of (seed, epoch, utterance).

It is added to the powers of a spectrogram, as `tfcr.noise.spectrogram` adds it, inside the pipeline's graph.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfcr.noise.speech import pink_shape
from tfcr.schema import FFT_LENGTH, FLOOR_DB, FLOOR_PSD, HOP_LENGTH, MAX_TOKENS, NUM_BINS, SAMPLE_RATE
from tfcr.training_noise import TrainingNoise

_SHAPES = {  # of amplitudes, float32 [128 bins]
    "white": np.ones(NUM_BINS, np.float32),
    "pink": pink_shape(np.arange(NUM_BINS) * SAMPLE_RATE / FFT_LENGTH).astype(np.float32),
}
_HANN = np.hanning(FFT_LENGTH).astype(np.float32)
_HALF_MEAN = np.where(np.arange(NUM_BINS) == 0, np.sqrt(0.5), 1.0).astype(np.float32)  # bin 0 has one sign
_SPEECH, _KIND, _SNR, _NOISE, _PHASES, _TEXT, _WORDS = range(7)  # what is drawn of an utterance, each by its own seed


@dataclass(frozen=True)
class NoiseOnUtterances:
    """Degrades a share of the utterances of an epoch."""

    noise: TrainingNoise

    def __call__(self, fields: dict[str, tf.Tensor], seed: int) -> dict[str, tf.Tensor]:
        """The fields of an utterance, speech or words of which may be degraded.

        Args:
            fields: with `utterance` int64 []; of `spectrogram` float32 [segments, 128, 128] in dB with `num_frames`,
                and `embeddings` float32 [30, width] with `num_tokens`, those that the network takes.
            seed: of the epoch.
        """
        own = tf.stack([tf.constant(seed, tf.int64), fields["utterance"]])
        changed = dict(fields)
        if "spectrogram" in fields:
            picture = fields["spectrogram"]
            changed["spectrogram"] = tf.cond(
                _uniform(own, _SPEECH) < self.noise.share,
                lambda: self._noisy(picture, fields["num_frames"], own),
                lambda: picture,
            )
        if "embeddings" in fields:
            lost = tf.where(_uniform(own, _TEXT) < self.noise.share, self.noise.words, 0.0)
            is_heard = _uniform(own, _WORDS, MAX_TOKENS) >= lost
            changed["embeddings"], changed["num_tokens"] = heard(fields["embeddings"], fields["num_tokens"], is_heard)
        return changed

    def _noisy(self, picture: tf.Tensor, num_frames: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
        """A spectrogram with noise of a drawn kind at a drawn ratio; padding stays."""
        shapes = tf.constant(np.stack([_SHAPES[kind] for kind in self.noise.kinds]))
        kind = tf.random.stateless_uniform((), _seed(own, _KIND), maxval=len(self.noise.kinds), dtype=tf.int32)
        low, high = self.noise.snr
        return with_noise(picture, num_frames, shapes[kind], low + (high - low) * _uniform(own, _SNR), own)


def with_noise(
    picture: tf.Tensor, num_frames: tf.Tensor, shape: tf.Tensor, snr: tf.Tensor, own: tf.Tensor
) -> tf.Tensor:
    """A spectrogram in dB with drawn noise; its digital silence and its padding stay.

    Args:
        picture: float32 [segments, 128 frames, 128 bins].
        num_frames: how many of the frames are real.
        shape: of the noise's amplitudes, float32 [128 bins].
        snr: in dB, of the mean powers over all real frames.
        own: int64 [2], the seed of the draws.
    """
    frames = tf.reshape(picture, (-1, NUM_BINS))
    is_real = tf.range(tf.shape(frames)[0]) < tf.cast(num_frames, tf.int32)
    density = tf.where(is_real[:, None] & (frames > FLOOR_DB), 10.0 ** (frames / 10.0), 0.0)
    samples = (tf.shape(frames)[0] - 1) * HOP_LENGTH + FFT_LENGTH
    white = tf.random.stateless_normal((samples,), _seed(own, _NOISE))
    spectrum = tf.signal.rfft(tf.signal.frame(white, FFT_LENGTH, HOP_LENGTH) * _HANN)[:, :NUM_BINS]
    spectrum = tf.cast(tf.where(is_real[:, None], shape, 0.0) * _HALF_MEAN, tf.complex64) * spectrum
    powers = tf.reduce_sum(density), tf.reduce_sum(tf.abs(spectrum) ** 2)
    scale = tf.sqrt(tf.math.divide_no_nan(*powers) * 10.0 ** (-snr / 10.0))
    phases = 2 * np.pi * _uniform(own, _PHASES, tf.size(density))
    phases = tf.reshape(phases, tf.shape(density))
    phases = tf.where(tf.range(NUM_BINS) == 0, tf.where(phases < np.pi, 0.0, np.pi), phases)  # the mean is real
    of_speech = tf.cast(tf.sqrt(density), tf.complex64) * tf.exp(tf.complex(0.0, phases))
    total = tf.abs(of_speech + tf.cast(scale, tf.complex64) * spectrum) ** 2
    in_db = 10.0 / np.log(10.0) * tf.math.log(tf.maximum(total, FLOOR_PSD))
    noisy = tf.where(is_real[:, None] & (powers[0] > 0), tf.maximum(in_db, FLOOR_DB), frames)
    return tf.reshape(noisy, tf.shape(picture))


def heard(embeddings: tf.Tensor, num_tokens: tf.Tensor, is_heard: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The word vectors of the words that are heard, closed up, and their number.

    Words beyond the 30 that a record holds are lost with it: none moves up into the place of one that is not heard.

    Args:
        embeddings: float32 [30, width].
        num_tokens: int64 [].
        is_heard: bool [30].
    """
    is_word = tf.range(MAX_TOKENS) < tf.cast(num_tokens, tf.int32)
    everything = tf.reduce_all(is_heard | ~is_word)
    kept = tf.boolean_mask(embeddings, is_heard & is_word)
    count = tf.shape(kept)[0]
    closed_up = tf.ensure_shape(tf.pad(kept, [[0, MAX_TOKENS - count], [0, 0]]), embeddings.shape)
    return (
        tf.where(everything, embeddings, closed_up),
        tf.where(everything, num_tokens, tf.cast(count, num_tokens.dtype)),
    )


def _seed(own: tf.Tensor, purpose: int) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(own, purpose)


def _uniform(own: tf.Tensor, purpose: int, count: tf.Tensor | int | None = None) -> tf.Tensor:
    return tf.random.stateless_uniform(() if count is None else (count,), _seed(own, purpose))
