"""Model-level fusion (Sec. 3.1): the baseline, and with a regulariser the paper's method."""

import keras

from tfcr.config import Config
from tfcr.models import network
from tfcr.models.audio_encoder import audio_encoder
from tfcr.models.linear_fusion import LinearFusion
from tfcr.models.sizes import Sizes
from tfcr.models.text_encoder import text_encoder

REGULARISED = True
FEATURES = ()
DEFAULTS = {}
STARTS_FROM = ("audio", "text")  # the systems that have its encoders, one each


def build(
    config: Config, num_classes: int, sizes: Sizes = Sizes(), dtype=None, use_cudnn: bool | str = "auto"
) -> keras.Model:
    """CNN and LSTM, fused by a linear head (Eq. 1-4)."""
    return network.connect(
        audio_encoder(config.conv_blocks, config.conv_filters, config.initializers, dtype=dtype),
        text_encoder(
            config.lstm_layers,
            config.lstm_units,
            config.mask_padding,
            config.embedding_dropout,
            config.initializers,
            use_cudnn=use_cudnn,
            dtype=dtype,
        ),
        LinearFusion(num_classes, config.head_bias, config.initializers, name=network.HEAD, dtype=dtype),
        config.head_dropout,
    )
