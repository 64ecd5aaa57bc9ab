"""Word vectors that are trained with the network, started from pretrained ones."""

import keras
import numpy as np
from keras import ops

from tfcr.schema import EMBEDDING_DIM

_LIMIT = 0.25  # of the uniform start of a word without a vector (MDRE)


@keras.saving.register_keras_serializable("tfcr")
class WordTable(keras.layers.Layer):
    """The trained vector of every word of a vocabulary; padding, id 0, is zero.

    A new table is uniform ±0.25 everywhere; `set_vectors` fills it from pretrained vectors.

    Args:
        vocabulary: words, with the ids 1 to `vocabulary`.
        units: of a vector.

    Call arguments:
        token_ids: int [batch, steps], from 0 to `vocabulary`.

    Returns:
        [batch, steps, units].
    """

    def __init__(self, vocabulary, units=EMBEDDING_DIM, **kwargs):
        super().__init__(**kwargs)
        if vocabulary < 0:
            raise ValueError(f"Argument `vocabulary` must be an integer of at least 0. Received: {vocabulary=}")
        self.vocabulary = vocabulary
        self.units = units

    def build(self, token_ids_shape):
        self.table = self.add_weight(name="table", shape=(self.vocabulary + 1, self.units), initializer=_start)

    def set_vectors(self, vectors: np.ndarray, known: np.ndarray, seed: int) -> None:
        """Starts the words with their vectors, and those without one uniform ±0.25. The layer must be built.

        Args:
            vectors: float32 [vocabulary, units]; row i is the word with the id i + 1.
            known: bool [vocabulary], which words have a vector.
            seed: of the draws.

        Raises:
            ValueError: arrays of other shapes.
        """
        shape = (self.vocabulary, self.units)
        if np.shape(vectors) != shape or np.shape(known) != shape[:1]:
            raise ValueError(
                f"Arguments `vectors` and `known` must have the shapes {shape} and {shape[:1]}. "
                f"Received: vectors.shape={np.shape(vectors)}, known.shape={np.shape(known)}"
            )
        drawn = np.random.default_rng(seed).uniform(-_LIMIT, _LIMIT, shape)
        words = np.where(np.asarray(known, bool)[:, None], vectors, drawn)
        self.table.assign(np.concatenate([np.zeros((1, self.units)), words]).astype(np.float32))

    def call(self, token_ids):
        # Row 0 is zero whatever was loaded. The gradient is one dense array, so that clipping sees the sum over all
        # occurrences of a word.
        table = _without_padding(ops.cast(self.table, self.compute_dtype))
        return ops.take(table, ops.cast(token_ids, "int32"), axis=0)

    def compute_output_spec(self, token_ids):
        return keras.KerasTensor((*token_ids.shape, self.units), dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "vocabulary": self.vocabulary, "units": self.units}


def _start(shape, dtype=None):
    """Uniform ±0.25, but row 0."""
    return _without_padding(keras.initializers.RandomUniform(-_LIMIT, _LIMIT)(shape, dtype=dtype))


def _without_padding(table):
    """The table with row 0 zero."""
    return ops.where(ops.arange(table.shape[0], dtype="int32")[:, None] > 0, table, ops.zeros_like(table))
