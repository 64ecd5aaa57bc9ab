"""The audio encoder alone with a linear classifier: what speech says without words."""

import keras

from tfcr.config import Config
from tfcr.models import network
from tfcr.models.encoders.configured import audio_encoder_of
from tfcr.models.layers.initializers import linear_initializers
from tfcr.models.sizes import Sizes

REGULARISED = False
FEATURES = ()
DEFAULTS = {}
OWN_FEATURES = ("audio",)


def build(
    config: Config, num_classes: int, sizes: Sizes = Sizes(), dtype=None, use_cudnn: bool | str = "auto"
) -> keras.Model:
    """CNN, or a projection of one's own features, and a linear classifier (Eq. 2)."""
    encoder = audio_encoder_of(config, sizes, dtype)
    drawn = linear_initializers(config.initializers, encoder.output_shape[-1])
    head = keras.layers.Dense(num_classes, use_bias=config.head_bias, name=network.HEAD, dtype=dtype, **drawn)
    return network.connect(encoder, None, head, config.audio_head_dropout)
