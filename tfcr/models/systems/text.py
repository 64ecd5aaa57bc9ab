"""The text encoder alone with a linear classifier: what words say without speech."""

import keras

from tfcr.config import Config
from tfcr.models import network
from tfcr.models.initializers import linear_initializers
from tfcr.models.norm_penalty import NormPenalty
from tfcr.models.sizes import Sizes
from tfcr.models.text_encoder import text_encoder

REGULARISED = False
FEATURES = ()
DEFAULTS = {}


def build(
    config: Config, num_classes: int, sizes: Sizes = Sizes(), dtype=None, use_cudnn: bool | str = "auto"
) -> keras.Model:
    """LSTM with attention and a linear classifier (Eq. 3)."""
    penalty = NormPenalty(config.text_norm_penalty) if config.text_norm_penalty else None
    encoder = text_encoder(
        config.lstm_layers,
        config.lstm_units,
        config.mask_padding,
        config.embedding_dropout,
        config.initializers,
        penalty,
        use_cudnn=use_cudnn,
        dtype=dtype,
    )
    head = keras.layers.Dense(
        num_classes,
        use_bias=config.head_bias,
        kernel_regularizer=penalty,
        bias_regularizer=penalty,
        name=network.HEAD,
        dtype=dtype,
        **linear_initializers(config.initializers, config.lstm_units),
    )
    return network.connect(None, encoder, head, config.text_head_dropout)
