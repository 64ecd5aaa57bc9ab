"""A linear classifier for each of several embeddings, whose scores are averaged."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("tfcr")
class AveragedClassifiers(keras.layers.Layer):
    """The mean of the scores of two linear classifiers one for each path of a network (DS-LSTM).

    Args:
        num_classes: number of classes.
        use_bias: adds a bias to each path's scores.

    Call arguments:
        first_embedding: [batch, units].
        second_embedding: [batch, units].

    Returns:
        A dictionary of `logits` [batch, num_classes] and `branch_logits` [batch, 2, num_classes], each path's own.
    """

    def __init__(self, num_classes, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        if num_classes < 1:
            raise ValueError(f"Argument `num_classes` must be an integer of at least 1. Received: {num_classes=}")
        self.num_classes = num_classes
        self.use_bias = use_bias

    def build(self, first_embedding_shape, second_embedding_shape):
        self.first, self.second = (
            keras.layers.Dense(self.num_classes, use_bias=self.use_bias, name=name, dtype=self.dtype_policy)
            for name in ("first", "second")
        )
        self.first.build(first_embedding_shape)
        self.second.build(second_embedding_shape)

    def call(self, first_embedding, second_embedding):
        first, second = self.first(first_embedding), self.second(second_embedding)
        return {"logits": (first + second) / 2, "branch_logits": ops.stack([first, second], axis=1)}

    def compute_output_shape(self, first_embedding_shape, second_embedding_shape):
        batch = first_embedding_shape[0]
        return {"logits": (batch, self.num_classes), "branch_logits": (batch, 2, self.num_classes)}

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes, "use_bias": self.use_bias}
