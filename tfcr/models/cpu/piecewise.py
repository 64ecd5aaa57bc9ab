"""An encoder that trains on a batch in two pieces, so that two threads work on one batch."""

import keras
import tensorflow as tf

from tfcr.models.cpu import has_cpu_kernels


@keras.saving.register_keras_serializable("tfcr")
class PiecewiseModel(keras.Model):
    """A functional model with one output, called in training on a CPU with one half of the batch and then the other.

    The halves do not depend on each other: TensorFlow runs them side by side where it has two threads, and their
    tensors are small enough to stay in a processor's cache. What comes out is the same, but that layers which drop
    units draw for each half. Always two, whatever the threads: so these change no bit, and a sum of two gradients has
    no order.
    """

    def call(self, inputs, training=None, mask=None):
        if not training or not has_cpu_kernels():
            return super().call(inputs, training=training, mask=mask)
        batch = tf.shape(keras.tree.flatten(inputs)[0])[0]
        middle = batch // 2
        halves = [
            super(PiecewiseModel, self).call(rows, training=training)
            # of one example both have it, since not every kernel takes none
            for rows in (_rows(inputs, 0, tf.maximum(middle, 1)), _rows(inputs, middle, batch))
        ]
        return tf.concat(halves, axis=0)[:batch]


def _rows(inputs, begin, end):
    return keras.tree.map_structure(lambda tensor: tensor[begin:end], inputs)
