"""An encoder that trains on a batch piece by piece, so that several threads work on one batch."""

import itertools

import keras
import tensorflow as tf

# Fixed, so that the number of threads changes no bit. With one piece, the convolutions of a batch wait for each other;
# with many, each is too small.
PIECES = 4


@keras.saving.register_keras_serializable("tfcr")
class PiecewiseModel(keras.Model):
    """A functional model with one output, called in training on a CPU with one piece of the batch after another.

    The pieces do not depend on each other: TensorFlow runs them side by side on the threads it has, and a piece's
    tensors are small enough to stay in a processor's cache. What comes out is the same; gradients of weights are sums
    over pieces.
    """

    def call(self, inputs, training=None, mask=None):
        if not training or keras.backend.backend() != "tensorflow" or tf.config.list_physical_devices("GPU"):
            return super().call(inputs, training=training, mask=mask)
        batch = tf.shape(keras.tree.flatten(inputs)[0])[0]
        bounds = [batch * number // PIECES for number in range(PIECES + 1)]
        outputs = [
            super(PiecewiseModel, self).call(_rows(inputs, begin, end), training=training)
            for begin, end in itertools.pairwise(bounds)
        ]
        return tf.concat(outputs, axis=0)


def _rows(inputs, begin, end):
    return keras.tree.map_structure(lambda tensor: tensor[begin:end], inputs)
