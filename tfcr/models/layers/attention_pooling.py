"""The mean of a sequence over time, by weights that are learned."""

import keras
from keras import ops

from tfcr.models.layers.masked_softmax import masked_softmax


@keras.saving.register_keras_serializable("tfcr")
class AttentionPooling(keras.layers.Layer):
    """The mean over real steps, weighted by the softmax of their dot products with one learned query.

    Self-attention pooling (Safari, India and Hernando, Interspeech 2020). The query starts at zero, so that training
    begins with the plain mean.

    Args:
        regularizer: of the query.

    Call arguments:
        sequences: [batch, steps, units].
        counts: int [batch], how many steps of each are real; more than `steps` counts as `steps`.

    Returns:
        [batch, units]; zeros where no step is real.
    """

    def __init__(self, regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.regularizer = keras.regularizers.get(regularizer)

    def build(self, sequences_shape, counts_shape):
        self.query = self.add_weight(
            name="query",
            shape=(sequences_shape[-1],),
            initializer="zeros",
            regularizer=self.regularizer,
            autocast=False,
        )

    def call(self, sequences, counts):
        values = ops.cast(sequences, self.variable_dtype)  # half precision holds no long sums
        weights = masked_softmax(ops.einsum("btd,d->bt", values, self.query), counts)
        return ops.cast(ops.einsum("bt,btd->bd", weights, values), self.compute_dtype)

    def compute_output_shape(self, sequences_shape, counts_shape):
        return (sequences_shape[0], sequences_shape[2])

    def get_config(self):
        return {**super().get_config(), "regularizer": keras.regularizers.serialize(self.regularizer)}
