"""An encoder that trains on a batch in two pieces, so that two threads work on one batch."""

import keras
import tensorflow as tf

from tfcr.models.cpu import has_cpu_kernels


@keras.saving.register_keras_serializable("tfcr")
class PiecewiseModel(keras.Model):
    """A functional model with one output, called in training on a CPU with one half of the batch and then the other.

    The halves do not depend on each other: TensorFlow runs them side by side where it has two threads, and their
    tensors are small enough to stay in a processor's cache. The outputs are those of one call, except that dropout
    draws anew for each half. There are always two pieces, so that the number of threads changes no bit, and the sum of
    two gradients is the same in either order.
    """

    def call(self, inputs, training=None, mask=None):
        if not training or not has_cpu_kernels():
            return super().call(inputs, training=training, mask=mask)
        batch = tf.shape(keras.tree.flatten(inputs)[0])[0]
        middle = batch // 2
        halves = [
            super(PiecewiseModel, self).call(rows, training=training)
            # a batch of one example goes into both halves, since not every kernel takes an empty batch
            for rows in (_rows(inputs, 0, tf.maximum(middle, 1)), _rows(inputs, middle, batch))
        ]
        return tf.concat(halves, axis=0)[:batch]


def _rows(inputs, begin, end):
    return keras.tree.map_structure(lambda tensor: tensor[begin:end], inputs)
