"""The text encoder alone with a linear classifier: what words say without speech."""

import keras

from tfcr.config import Config
from tfcr.models import network
from tfcr.models.text_encoder import text_encoder

REGULARISED = False


def build(config: Config, num_classes: int, dtype=None, use_cudnn: bool | str = "auto") -> keras.Model:
    """LSTM with attention and a linear classifier (Eq. 3)."""
    head = keras.layers.Dense(num_classes, use_bias=config.head_bias, name=network.HEAD, dtype=dtype)
    encoder = text_encoder(config.lstm_layers, config.lstm_units, use_cudnn=use_cudnn, dtype=dtype)
    return network.connect(None, encoder, head)
