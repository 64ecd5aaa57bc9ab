"""The text encoder alone with a linear classifier: what words say without speech."""

import keras

from tfcr.config import Config
from tfcr.models import network
from tfcr.models.encoders.configured import text_encoder_of
from tfcr.models.layers.initializers import linear_initializers
from tfcr.models.layers.norm_penalty import NormPenalty
from tfcr.models.sizes import Sizes

REGULARISED = False
FEATURES = ()
DEFAULTS = {}
OWN_FEATURES = ("text",)


def build(
    config: Config, num_classes: int, sizes: Sizes = Sizes(), dtype=None, use_cudnn: bool | str = "auto"
) -> keras.Model:
    """LSTM with attention, or a projection of one's own features, and a linear classifier (Eq. 3)."""
    penalty = NormPenalty(config.text_norm_penalty) if config.text_norm_penalty else None
    encoder = text_encoder_of(config, sizes, penalty, dtype, use_cudnn)
    head = keras.layers.Dense(
        num_classes,
        use_bias=config.head_bias,
        kernel_regularizer=penalty,
        bias_regularizer=penalty,
        name=network.HEAD,
        dtype=dtype,
        **linear_initializers(config.initializers, encoder.output_shape[-1]),
    )
    return network.connect(None, encoder, head, config.text_head_dropout)
