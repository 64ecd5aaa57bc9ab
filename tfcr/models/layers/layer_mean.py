"""The mean of what several layers of a pretrained model say, by weights that are learned."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("tfcr")
class LayerMean(keras.layers.Layer):
    """The mean over layers, weighted by the softmax of one learned number for each.

    After the weighted sum of hidden states in SUPERB (Yang et al., Interspeech 2021). The numbers start at zero, so
    that training begins with the plain mean.

    Args:
        regularizer: of the numbers.

    Call arguments:
        features: [batch, layers, steps, units].

    Returns:
        [batch, steps, units].
    """

    def __init__(self, regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.regularizer = keras.regularizers.get(regularizer)

    def build(self, features_shape):
        self.scores = self.add_weight(
            name="scores", shape=(features_shape[1],), initializer="zeros", regularizer=self.regularizer, autocast=False
        )

    def call(self, features):
        return ops.einsum("bltd,l->btd", features, ops.cast(self.layer_weights(), self.compute_dtype))

    def layer_weights(self):
        """float32 [layers], above 0, which sum to 1."""
        return ops.exp(self.scores - ops.logsumexp(self.scores))

    def compute_output_shape(self, features_shape):
        return (features_shape[0], *features_shape[2:])

    def get_config(self):
        return {**super().get_config(), "regularizer": keras.regularizers.serialize(self.regularizer)}
