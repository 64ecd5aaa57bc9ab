"""Which steps of padded sequences are real."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("tfcr")
class StepMask(keras.layers.Layer):
    """Which steps of right-padded sequences a recurrent layer runs over.

    An empty sequence keeps its first step, because cuDNN needs one; what reads the outputs by their count
    (`LastState`, `LastStateAttention`, `HopAttention`, `StepMean`) makes zeros of what comes of it.

    Call arguments:
        sequences: [batch, steps, units] or [batch, steps].
        counts: int [batch], how many steps of each are real.

    Returns:
        bool [batch, steps].
    """

    def build(self, sequences_shape, counts_shape):
        pass  # no weights

    def call(self, sequences, counts):
        return (
            ops.arange(ops.shape(sequences)[1], dtype="int32")[None, :]
            < ops.maximum(ops.cast(counts, "int32"), 1)[:, None]
        )

    def compute_output_spec(self, sequences, counts):
        return keras.KerasTensor(sequences.shape[:2], dtype="bool")

    def get_config(self):
        return super().get_config()  # what Keras makes up without one refuses a dtype that is a policy object
