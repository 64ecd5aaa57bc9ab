"""SpecAugment's two masks where tensorflow-io, which has no wheel for Python 3.13, is not installed.

From the same seed they draw what tensorflow-io's draw: first a width, then a place, each by one random operation.
"""

import tensorflow as tf


def time_mask(picture: tf.Tensor, param: int) -> tf.Tensor:
    """A picture [frames, bins] with 0 in up to `param` - 1 neighbouring frames."""
    return tf.where(_hidden(tf.shape(picture)[0], param)[:, None], tf.zeros_like(picture), picture)


def freq_mask(picture: tf.Tensor, param: int) -> tf.Tensor:
    """A picture [frames, bins] with 0 in up to `param` - 1 neighbouring bins."""
    return tf.where(_hidden(tf.shape(picture)[1], param)[None], tf.zeros_like(picture), picture)


def _hidden(length: tf.Tensor, param: int) -> tf.Tensor:
    """Which of `length` places a mask hides, bool [length]; its width is drawn below `param`."""
    width = tf.random.uniform((), maxval=param, dtype=tf.int32)
    first = tf.random.uniform((), maxval=length - width, dtype=tf.int32)
    behind = tf.range(length) - first
    return (behind >= 0) & (behind < width)
