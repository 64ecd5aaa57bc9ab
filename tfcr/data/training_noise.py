"""Noise in the examples of a training: every utterance's is a function of (seed, epoch, utterance).

It is added to the powers of a spectrogram, as `tfcr.noise.spectrogram` adds it, inside the pipeline's graph.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfcr.config import TrainingNoise
from tfcr.noise.speech import pink_shape
from tfcr.schema import FFT_LENGTH, FLOOR_DB, MAX_TOKENS, NUM_BINS, SAMPLE_RATE

_SHAPES = {  # of amplitudes, float32 [128 bins]
    "white": np.ones(NUM_BINS, np.float32),
    "pink": pink_shape(np.arange(NUM_BINS) * SAMPLE_RATE / FFT_LENGTH).astype(np.float32),
}
_SILENCE_DB = FLOOR_DB + 1e-4  # below it a bin holds nothing


@dataclass(frozen=True)
class NoiseOnUtterances:
    """Degrades a share of the utterances of an epoch."""

    noise: TrainingNoise

    def __call__(self, fields: dict[str, tf.Tensor], seed: int) -> dict[str, tf.Tensor]:
        """The fields of an utterance, some of them degraded.

        Args:
            fields: with `utterance` int64 []; of `spectrogram` float32 [segments, 128, 128] in dB with `num_frames`,
                and `embeddings` float32 [30, width] with `num_tokens`, those that the network takes.
            seed: of the epoch.
        """
        draws = _Draws(tf.stack([tf.constant(seed, tf.int64), fields["utterance"]]))
        changed = dict(fields)
        if "spectrogram" in fields:
            noisy = lambda: self._speech(fields["spectrogram"], fields["num_frames"], draws)  # noqa: E731
            is_drawn = draws.uniform("speech") < self.noise.share
            changed["spectrogram"] = tf.cond(is_drawn, noisy, lambda: fields["spectrogram"])
        if "embeddings" in fields:
            share = tf.where(draws.uniform("text") < self.noise.share, tf.constant(self.noise.words, tf.float32), 0.0)
            changed["embeddings"], changed["num_tokens"] = _heard(
                fields["embeddings"], fields["num_tokens"], draws.uniform("words", (MAX_TOKENS,)) >= share
            )
        return changed
