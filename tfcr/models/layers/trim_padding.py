"""Padding that every sequence of a batch has, cut off before what need not run over it."""

import keras
from keras import ops

from tfcr.models.kernels import kernels


@keras.saving.register_keras_serializable("tfcr")
class TrimPadding(keras.layers.Layer):
    """Cuts the steps that are padding in every sequence of a batch, which a recurrent layer need not run over.

    Where XLA compiles, nothing is cut if the number of steps is known: a length that hangs on the data has no shape,
    and the device would have to be asked for it.

    Call arguments:
        sequences: [batch, steps, units] or [batch, steps], right-padded.
        counts: int [batch], how many steps of each are real.

    Returns:
        [batch, longest, units] or [batch, longest], where `longest` is the largest count, at most `steps` and at least
        1: where there are no steps at all, one of zeros.
    """

    def build(self, sequences_shape, counts_shape):
        pass  # no weights

    def call(self, sequences, counts):
        if kernels() == "xla" and sequences.shape[1]:
            return sequences
        longest = ops.max(ops.cast(counts, "int32"), initial=1)
        if not sequences.shape[1]:  # unknown, or none
            longest = ops.minimum(longest, ops.maximum(ops.shape(sequences)[1], 1))
            sequences = ops.pad(sequences, [[0, 0], [0, 1], *([[0, 0]] * (len(sequences.shape) - 2))])
        return sequences[:, : ops.minimum(longest, ops.shape(sequences)[1])]

    def compute_output_spec(self, sequences, counts):
        return keras.KerasTensor((sequences.shape[0], None, *sequences.shape[2:]), dtype=sequences.dtype)

    def get_config(self):
        return super().get_config()  # what Keras makes up without one refuses a dtype that is a policy object
