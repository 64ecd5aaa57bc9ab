"""The text encoder: an LSTM with attention over word embeddings (Sec. 3.2 and 4.3)."""

import keras
from keras import layers, ops

from tfcr.models.cpu.packed_lstm import PackedLSTM
from tfcr.models.layers.initializers import lstm_initializers
from tfcr.models.layers.masked_softmax import masked_softmax
from tfcr.models.layers.step_mask import StepMask
from tfcr.models.layers.trim_padding import TrimPadding
from tfcr.schema import EMBEDDING_DIM, MAX_TOKENS


def text_encoder(
    lstm_layers: int = 2,
    lstm_units: int = 200,
    mask_padding: bool = True,
    dropout: float = 0.0,
    initializers: str = "pytorch",
    regularizer: keras.regularizers.Regularizer | None = None,
    use_cudnn: bool | str = "auto",
    dtype=None,
    embedding_dim: int = EMBEDDING_DIM,
) -> keras.Model:
    """A single-directional LSTM of some layers, and the attention of its last state over its outputs (Sec. 4.3).

    Args:
        mask_padding: without it, as in the authors' code, LSTM and attention run over zero padding as over words.
        dropout: rate, on the word embeddings.
        initializers: `keras` or `pytorch`.
        regularizer: of every weight.
        embedding_dim: numbers of a word vector.

    Returns:
        A model named `text_encoder`: `embeddings` float32 [batch, 30, embedding_dim] and `num_tokens` int32 [batch],
        which may exceed 30, to [batch, lstm_units]. Where padding is masked, the result without words is zero.
    """
    embeddings = keras.Input((MAX_TOKENS, embedding_dim), name="embeddings", dtype="float32")
    num_tokens = keras.Input((), name="num_tokens", dtype="int32")
    x, mask = embeddings, None
    if mask_padding:
        x = TrimPadding(name="trim_padding", dtype=dtype)(x, num_tokens)
        mask = StepMask(name="token_mask", dtype=dtype)(x, num_tokens)
    if dropout:
        x = layers.Dropout(dropout, name="embedding_dropout", dtype=dtype)(x)
    for layer in range(lstm_layers):
        lstm = PackedLSTM(
            lstm_units,
            return_sequences=True,
            use_cudnn=use_cudnn,
            kernel_regularizer=regularizer,
            recurrent_regularizer=regularizer,
            bias_regularizer=regularizer,
            name=f"lstm_{layer}",
            dtype=dtype,
            **lstm_initializers(initializers, lstm_units),
        )
        x = lstm(x, mask=mask)
    x = LastStateAttention(masked=mask_padding, name="text_embedding", dtype=dtype)(x, num_tokens)
    return keras.Model([embeddings, num_tokens], x, name="text_encoder")


@keras.saving.register_keras_serializable("tfcr")
class LastStateAttention(layers.Layer):
    """Attention of an LSTM's last state over its outputs ("two-layers LSTM with attention mechanism", Sec. 3.2).

    The weights are the softmax, over real steps, of the dot products of the last real output with every output.

    Args:
        masked: without it every step counts as real.

    Call arguments:
        outputs: [batch, steps, units].
        num_tokens: int [batch], how many steps are real; more than `steps` counts as `steps`.

    Returns:
        [batch, units], the weighted mean of the outputs; zeros where no step is real.
    """

    def __init__(self, masked=True, **kwargs):
        super().__init__(**kwargs)
        self.masked = masked
        self.supports_masking = True  # the LSTM's mask may come along; the count of tokens says more

    def build(self, outputs_shape, num_tokens_shape):
        pass  # no weights

    def compute_mask(self, outputs, previous_mask=None):
        return None

    def call(self, outputs, num_tokens):
        return ops.einsum("bt,btd->bd", self.attention_weights(outputs, num_tokens), outputs)

    def attention_weights(self, outputs, num_tokens):
        """The weights alone: [batch, steps], which sum to 1, or to 0 where no step is real."""
        steps = ops.shape(outputs)[1]
        num_tokens = ops.minimum(ops.cast(num_tokens, "int32"), steps)
        if not self.masked:
            num_tokens = ops.full_like(num_tokens, steps)
        last_step = ops.one_hot(ops.maximum(num_tokens - 1, 0), steps, dtype=outputs.dtype)
        last = ops.einsum("bt,btd->bd", last_step, outputs)
        scores = ops.cast(ops.einsum("btd,bd->bt", outputs, last), self.variable_dtype)
        return ops.cast(masked_softmax(scores, num_tokens), outputs.dtype)

    def compute_output_shape(self, outputs_shape, num_tokens_shape):
        return (outputs_shape[0], outputs_shape[2])

    def get_config(self):
        return {**super().get_config(), "masked": self.masked}
