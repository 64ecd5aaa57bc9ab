"""The discriminator of the authors' code, over all pairs of a batch at once."""

import keras
from keras import ops

from tfcr.models.layers.initializers import linear_initializers


@keras.saving.register_keras_serializable("tfcr")
class CosineDiscriminator(keras.layers.Layer):
    """d(e_a, e_t) = cos(W2 relu(W1 e_a + b1) + b2, e_t): the text embedding predicted from the audio embedding.

    The cosine has no temperature, so scores lie between -1 and 1.

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
        audio_units, text_units = audio_embedding_shape[-1], text_embedding_shape[-1]
        self.hidden = keras.layers.Dense(
            self.units,
            activation="relu",
            name="hidden",
            dtype=self.dtype_policy,
            **linear_initializers(self.initializers, audio_units),
        )
        self.prediction = keras.layers.Dense(
            text_units, name="prediction", dtype=self.dtype_policy, **linear_initializers(self.initializers, self.units)
        )
        self.hidden.build((None, audio_units))
        self.prediction.build((None, self.units))

    def call(self, audio_embedding, text_embedding):
        predicted = self.prediction(self.hidden(audio_embedding))
        predicted, said = (ops.cast(x, self.variable_dtype) for x in (predicted, text_embedding))
        return ops.matmul(_directions(predicted), ops.transpose(_directions(said)))

    def compute_output_shape(self, audio_embedding_shape, text_embedding_shape):
        return (audio_embedding_shape[0], text_embedding_shape[0])

    def get_config(self):
        return {**super().get_config(), "units": self.units, "initializers": self.initializers}


def _directions(vectors):
    """Vectors of length 1; zeros, which have no direction, stay zeros and get no gradient."""
    squares = ops.sum(ops.square(vectors), axis=1, keepdims=True)
    is_zero = ops.equal(squares, 0)
    return ops.where(is_zero, 0.0, vectors * ops.rsqrt(ops.where(is_zero, 1.0, squares)))
