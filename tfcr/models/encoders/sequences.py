"""What recurrent encoders read: standardised MFCCs, and trained word vectors."""

import keras
from keras import layers

from tfcr.models.layers.standardization import LEAST_COEFFICIENT, Standardization
from tfcr.models.layers.step_mask import StepMask
from tfcr.models.layers.trim_padding import TrimPadding
from tfcr.models.layers.word_table import WordTable
from tfcr.models.sizes import NUM_COEFFICIENTS, NUM_FUNCTIONALS, Sizes


def mfcc_sequence(dropout: float = 0.0, dtype=None) -> tuple[list, keras.KerasTensor, keras.KerasTensor]:
    """The MFCCs of utterances, standardised, without the padding that all of a batch have.

    Args:
        dropout: rate, on the standardised coefficients.

    Returns:
        The inputs `mfcc` float32 [batch, frames, 39] and `num_mfcc` int32 [batch]; the sequence [batch, longest, 39];
        and its mask, bool [batch, longest].
    """
    mfcc = keras.Input((None, NUM_COEFFICIENTS), name="mfcc", dtype="float32")
    num_mfcc = keras.Input((), name="num_mfcc", dtype="int32")
    x = Standardization("mfcc", LEAST_COEFFICIENT, name="standardization", dtype=dtype)(mfcc, num_mfcc)
    x = TrimPadding(name="trim_padding", dtype=dtype)(x, num_mfcc)
    mask = StepMask(name="step_mask", dtype=dtype)(x, num_mfcc)
    if dropout:
        x = layers.Dropout(dropout, name="input_dropout", dtype=dtype)(x)
    return [mfcc, num_mfcc], x, mask


def word_sequence(sizes: Sizes, dropout: float = 0.0, dtype=None) -> tuple[list, keras.KerasTensor, keras.KerasTensor]:
    """The trained vectors of the words of utterances, without the padding that all of a batch have.

    Args:
        dropout: rate, on the vectors.

    Returns:
        The inputs `token_ids` int32 [batch, words] and `num_token_ids` int32 [batch]; the sequence [batch, longest,
        embedding_dim], of at least one step; and its mask, bool [batch, longest].
    """
    token_ids = keras.Input((None,), name="token_ids", dtype="int32")
    num_token_ids = keras.Input((), name="num_token_ids", dtype="int32")
    ids = TrimPadding(name="trim_padding", dtype=dtype)(token_ids, num_token_ids)
    mask = StepMask(name="step_mask", dtype=dtype)(ids, num_token_ids)
    x = WordTable(sizes.vocabulary, sizes.embedding_dim, name="word_table", dtype=dtype)(ids)
    if dropout:
        x = layers.Dropout(dropout, name="input_dropout", dtype=dtype)(x)
    return [token_ids, num_token_ids], x, mask


def standardized_prosody(dtype=None) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The input `prosody` float32 [batch, 35], and the same standardised."""
    prosody = keras.Input((NUM_FUNCTIONALS,), name="prosody", dtype="float32")
    layer = Standardization("prosody", LEAST_COEFFICIENT, name="prosody_standardization", dtype=dtype)
    return prosody, layer(prosody)
