"""The encoders that a configuration asks for: the paper's, or those of one's own features."""

import keras

from tfcr.config import Config
from tfcr.models.encoders.audio_encoder import audio_encoder
from tfcr.models.encoders.projection_encoder import projection_encoder
from tfcr.models.encoders.text_encoder import text_encoder
from tfcr.models.sizes import Sizes


def audio_encoder_of(config: Config, sizes: Sizes, dtype=None) -> keras.Model:
    """The CNN over a segment's spectrogram, or the projection of one's own features of an utterance's speech."""
    if sizes.audio_features is not None:
        own = config.projection_units, config.pooling, config.initializers
        return projection_encoder("audio", sizes.audio_features, *own, dtype=dtype)
    return audio_encoder(config.conv_blocks, config.conv_filters, config.initializers, dtype=dtype)


def text_encoder_of(
    config: Config,
    sizes: Sizes,
    regularizer: keras.regularizers.Regularizer | None = None,
    dtype=None,
    use_cudnn: bool | str = "auto",
) -> keras.Model:
    """The LSTM with attention over word embeddings, or the projection of one's own features of the transcript."""
    if sizes.text_features is not None:
        own = config.projection_units, config.pooling, config.initializers
        return projection_encoder("text", sizes.text_features, *own, regularizer, dtype)
    return text_encoder(
        config.lstm_layers,
        config.lstm_units,
        config.mask_padding,
        config.embedding_dropout,
        config.initializers,
        regularizer,
        use_cudnn=use_cudnn,
        dtype=dtype,
        embedding_dim=sizes.embedding_dim,
    )
