"""The linear head over both embeddings (Eq. 1-4)."""

import keras
from keras import ops

from tfcr.models.layers.initializers import linear_initializers


@keras.saving.register_keras_serializable("tfcr")
class LinearFusion(keras.layers.Layer):
    """s = W [e_a; e_t] (Eq. 1), which is s_a + s_t with s_a = W1 e_a and s_t = W2 e_t (Eq. 2-4).

    Args:
        num_classes: C of Eq. 5.
        use_bias: adds a bias to s. Eq. 1-3 have none, and with one argmax s_a and argmax s_t mean less.
        initializers: `keras` or `pytorch`.

    Call arguments:
        audio_embedding: [batch, audio units].
        text_embedding: [batch, text units].

    Returns:
        A dictionary of `logits`, `audio_logits` and `text_logits`, each [batch, num_classes].
    """

    def __init__(self, num_classes, use_bias=False, initializers="pytorch", **kwargs):
        super().__init__(**kwargs)
        if num_classes < 1:
            raise ValueError(f"Argument `num_classes` must be an integer of at least 1. Received: {num_classes=}")
        self.num_classes = num_classes
        self.use_bias = use_bias
        self.initializers = initializers

    def build(self, audio_embedding_shape, text_embedding_shape):
        self.audio_units = audio_embedding_shape[-1]
        units = self.audio_units + text_embedding_shape[-1]
        drawn = linear_initializers(self.initializers, units)
        kernel, bias = drawn.get("kernel_initializer", "glorot_uniform"), drawn.get("bias_initializer", "zeros")
        self.kernel = self.add_weight(name="kernel", shape=(units, self.num_classes), initializer=kernel)
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.num_classes,), initializer=bias)

    def call(self, audio_embedding, text_embedding):
        audio_logits = ops.matmul(audio_embedding, self.kernel[: self.audio_units])
        text_logits = ops.matmul(text_embedding, self.kernel[self.audio_units :])
        logits = audio_logits + text_logits + self.bias if self.use_bias else audio_logits + text_logits
        return {"logits": logits, "audio_logits": audio_logits, "text_logits": text_logits}

    def compute_output_shape(self, audio_embedding_shape, text_embedding_shape):
        shape = (audio_embedding_shape[0], self.num_classes)
        return {"logits": shape, "audio_logits": shape, "text_logits": shape}

    def get_config(self):
        own = {"num_classes": self.num_classes, "use_bias": self.use_bias, "initializers": self.initializers}
        return {**super().get_config(), **own}
