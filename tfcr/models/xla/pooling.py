"""2x2 max-pooling of operations that XLA compiles with determinism on, which it does not for TensorFlow's gradient."""

import tensorflow as tf


@tf.custom_gradient
def max_pool(pictures: tf.Tensor) -> tf.Tensor:
    """The maximum of every 2x2 places, with stride 2. Of equal places the first one gets the gradient.

    Args:
        pictures: [batch, height, width, channels], height and width even and known.

    Returns:
        [batch, height / 2, width / 2, channels].
    """
    places = _places(pictures)
    output = tf.maximum(tf.maximum(places[0], places[1]), tf.maximum(places[2], places[3]))

    def gradient(upstream):
        routed, free = [], tf.ones_like(output, tf.bool)
        for place in places:  # row by row, as TensorFlow goes through them
            chosen = tf.logical_and(free, tf.equal(place, output))
            routed.append(tf.where(chosen, upstream, tf.zeros_like(upstream)))
            free = tf.logical_and(free, tf.logical_not(chosen))
        rows = [tf.stack(pair, axis=3) for pair in (routed[:2], routed[2:])]  # [batch, height / 2, width / 2, 2, …]
        return tf.reshape(tf.stack(rows, axis=2), tf.shape(pictures))

    return output, gradient


def _places(pictures):
    """The four places of every square, row by row: each [batch, height / 2, width / 2, channels]."""
    _, height, width, channels = pictures.shape
    squares = tf.reshape(pictures, (-1, height // 2, 2, width // 2, 2, channels))
    return [squares[:, :, row, :, column] for row in range(2) for column in range(2)]
