"""The discriminator d of Eq. 6, over all pairs of a batch at once."""

import keras
from keras import ops

from tfcr.models.layers.initializers import linear_weights


@keras.saving.register_keras_serializable("tfcr")
class PairDiscriminator(keras.layers.Layer):
    """d(e_a, e_t): "a single hidden layer fully connected neural network where the output is a real value" (Sec. 3.2).

    The hidden layer of [e_a; e_t] is W_a e_a + W_t e_t + b, so an embedding is multiplied once rather than once a pair.

    Args:
        units: width of the hidden layer.
        initializers: `keras` or `pytorch`.

    Call arguments:
        audio_embedding: [anchors, audio units].
        text_embedding: [texts, text units].

    Returns:
        [anchors, texts], entry (i, j) scores audio i with text j. It knows no labels.
    """

    def __init__(self, units=320, initializers="pytorch", **kwargs):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"Argument `units` must be an integer of at least 1. Received: {units=}")
        self.units = units
        self.initializers = initializers

    def build(self, audio_embedding_shape, text_embedding_shape):
        self.audio_units = audio_embedding_shape[-1]
        pair = self.audio_units + text_embedding_shape[-1]
        self.hidden_kernel, self.hidden_bias = linear_weights(self, "hidden", pair, self.units, self.initializers)
        self.score_kernel, self.score_bias = linear_weights(self, "score", self.units, 1, self.initializers)

    def call(self, audio_embedding, text_embedding):
        audio_kernel, text_kernel = ops.split(self.hidden_kernel, [self.audio_units], axis=0)
        audio = ops.matmul(audio_embedding, audio_kernel)
        text = ops.matmul(text_embedding, text_kernel) + self.hidden_bias
        hidden = ops.relu(audio[:, None, :] + text[None, :, :])
        return ops.squeeze(ops.matmul(hidden, self.score_kernel), axis=2) + self.score_bias

    def compute_output_shape(self, audio_embedding_shape, text_embedding_shape):
        return (audio_embedding_shape[0], text_embedding_shape[0])

    def get_config(self):
        return {**super().get_config(), "units": self.units, "initializers": self.initializers}
