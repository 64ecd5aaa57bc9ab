"""A hop of multi-hop attention: one modality's summary queries the other modality's outputs."""

import keras
from keras import ops

from tfcr.models.layers.masked_softmax import masked_softmax


@keras.saving.register_keras_serializable("tfcr")
class HopAttention(keras.layers.Layer):
    """The mean of outputs weighted by the softmax, over real steps, of their dot products with a query.

    Yoon, Byun, Dey and Jung 2019, Sec. 3.2. It has no weights.

    Call arguments:
        query: [batch, units].
        outputs: [batch, steps, units].
        counts: int [batch], how many steps are real.

    Returns:
        [batch, units]; zeros where no step is real.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True  # the recurrent layer's mask may come along; the count says more

    def build(self, query_shape, outputs_shape, counts_shape):
        if query_shape[-1] != outputs_shape[-1]:
            raise ValueError(
                "Argument `query` must have as many units as `outputs`. "
                f"Received: query.shape={tuple(query_shape)}, outputs.shape={tuple(outputs_shape)}"
            )

    def compute_mask(self, query, previous_mask=None):
        return None

    def call(self, query, outputs, counts):
        scores = ops.cast(ops.einsum("btd,bd->bt", outputs, query), self.variable_dtype)
        return ops.einsum("bt,btd->bd", ops.cast(masked_softmax(scores, counts), outputs.dtype), outputs)

    def compute_output_shape(self, query_shape, outputs_shape, counts_shape):
        return query_shape

    def get_config(self):
        return super().get_config()  # what Keras makes up without one refuses a dtype that is a policy object
