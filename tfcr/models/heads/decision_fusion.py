"""Decision-level fusion: each modality is classified alone, and the probabilities are averaged."""

import keras
from keras import ops

from tfcr.models.layers.initializers import linear_initializers


@keras.saving.register_keras_serializable("tfcr")
class DecisionFusion(keras.layers.Layer):
    """log(w softmax(s_a) + (1 - w) softmax(s_t)), with a linear classifier for each of s_a and s_t.

    The share w of the audio is a weight that training does not move; it starts at a half.

    Args:
        num_classes: number of classes.
        use_bias: whether the classifiers have biases.
        initializers: `keras` or `pytorch`.
        text_regularizer: of the text classifier's weights.

    Call arguments:
        audio_embedding: [batch, audio units].
        text_embedding: [batch, text units].

    Returns:
        A dictionary of `logits` (the log-probabilities), `audio_logits` and `text_logits`, each [batch, num_classes],
        and `branch_logits` [batch, 2, num_classes], the latter two stacked.
    """

    def __init__(self, num_classes, use_bias=False, initializers="pytorch", text_regularizer=None, **kwargs):
        super().__init__(**kwargs)
        if num_classes < 1:
            raise ValueError(f"Argument `num_classes` must be an integer of at least 1. Received: {num_classes=}")
        self.num_classes = num_classes
        self.use_bias = use_bias
        self.initializers = initializers
        self.text_regularizer = keras.regularizers.get(text_regularizer)

    def build(self, audio_embedding_shape, text_embedding_shape):
        self.audio_classifier = self._classifier("audio_classifier", audio_embedding_shape[-1], None)
        self.text_classifier = self._classifier("text_classifier", text_embedding_shape[-1], self.text_regularizer)
        share = {"shape": (), "initializer": keras.initializers.Constant(0.5), "trainable": False, "autocast": False}
        self.audio_share = self.add_weight(name="audio_share", **share)

    def _classifier(self, name, units, regularizer):
        classifier = keras.layers.Dense(
            self.num_classes,
            use_bias=self.use_bias,
            kernel_regularizer=regularizer,
            bias_regularizer=regularizer,
            name=name,
            dtype=self.dtype_policy,
            **linear_initializers(self.initializers, units),
        )
        classifier.build((None, units))
        return classifier

    def set_audio_share(self, share: float) -> None:
        """Sets w, from 0 to 1. The layer must be built."""
        if not 0 <= share <= 1:
            raise ValueError(f"Argument `share` must be from 0 to 1. Received: {share=}")
        self.audio_share.assign(share)

    def call(self, audio_embedding, text_embedding):
        audio_logits = self.audio_classifier(audio_embedding)
        text_logits = self.text_classifier(text_embedding)
        audio, text = (ops.log_softmax(ops.cast(x, self.variable_dtype), axis=-1) for x in (audio_logits, text_logits))
        shares = ops.log(self.audio_share), ops.log(1.0 - self.audio_share)  # log 0 leaves a modality out
        logits = ops.logaddexp(shares[0] + audio, shares[1] + text)
        return {
            "logits": ops.cast(logits, self.compute_dtype),
            "audio_logits": audio_logits,
            "text_logits": text_logits,
            "branch_logits": ops.stack([audio_logits, text_logits], axis=1),
        }

    def compute_output_shape(self, audio_embedding_shape, text_embedding_shape):
        batch = audio_embedding_shape[0]
        shape = (batch, self.num_classes)
        branches = (batch, 2, self.num_classes)
        return {"logits": shape, "audio_logits": shape, "text_logits": shape, "branch_logits": branches}

    def get_config(self):
        own = {"num_classes": self.num_classes, "use_bias": self.use_bias, "initializers": self.initializers}
        regularizer = keras.regularizers.serialize(self.text_regularizer)
        return {**super().get_config(), **own, "text_regularizer": regularizer}
