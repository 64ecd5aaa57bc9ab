"""Model-level fusion (Sec. 3.1): the baseline, and with a regulariser the paper's method."""

import keras

from tfcr.config import Config
from tfcr.models import network
from tfcr.models.encoders.configured import audio_encoder_of, text_encoder_of
from tfcr.models.heads.linear_fusion import LinearFusion
from tfcr.models.sizes import Sizes

REGULARISED = True
FEATURES = ()
DEFAULTS = {}
OWN_FEATURES = ("audio", "text")
STARTS_FROM = ("audio", "text")  # the systems that have its encoders, one each


def build(
    config: Config, num_classes: int, sizes: Sizes = Sizes(), dtype=None, use_cudnn: bool | str = "auto"
) -> keras.Model:
    """CNN and LSTM, or projections of one's own features, fused by a linear head (Eq. 1-4)."""
    return network.connect(
        audio_encoder_of(config, sizes, dtype),
        text_encoder_of(config, sizes, None, dtype, use_cudnn),
        LinearFusion(num_classes, config.head_bias, config.initializers, name=network.HEAD, dtype=dtype),
        config.head_dropout,
    )
