"""The last state of a recurrent layer, read off its outputs."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("tfcr")
class LastState(keras.layers.Layer):
    """The output at the last real step: the state after it.

    Args:
        bidirectional: the second half of the units has run backwards, so its last state is its output at the first
            step.

    Call arguments:
        outputs: [batch, steps, units], with at least one step.
        counts: int [batch], how many steps are real.

    Returns:
        [batch, units]; zeros, which a recurrent layer starts from, where no step is real.
    """

    def __init__(self, bidirectional=False, **kwargs):
        super().__init__(**kwargs)
        self.bidirectional = bidirectional
        self.supports_masking = True  # the recurrent layer's mask may come along; the count says more

    def build(self, outputs_shape, counts_shape):
        pass  # no weights

    def compute_mask(self, outputs, previous_mask=None):
        return None

    def call(self, outputs, counts):
        steps, units = ops.shape(outputs)[1], outputs.shape[-1]
        counts = ops.minimum(ops.cast(counts, "int32"), steps)
        last_step = ops.one_hot(ops.maximum(counts - 1, 0), steps, dtype=outputs.dtype)
        state = ops.einsum("bt,btd->bd", last_step, outputs)
        if self.bidirectional:
            state = ops.concatenate([state[:, : units // 2], outputs[:, 0, units // 2 :]], axis=1)
        return ops.where(counts[:, None] > 0, state, ops.zeros_like(state))

    def compute_output_shape(self, outputs_shape, counts_shape):
        return (outputs_shape[0], outputs_shape[2])

    def get_config(self):
        return {**super().get_config(), "bidirectional": self.bidirectional}
