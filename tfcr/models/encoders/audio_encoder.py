"""The audio encoder: a CNN over one standardised spectrogram segment (Sec. 3.2 and 4.3)."""

import keras
from keras import layers

from tfcr.models.cpu.conv_block import ConvBlock
from tfcr.models.cpu.piecewise import PiecewiseModel
from tfcr.models.layers.initializers import linear_initializers
from tfcr.models.layers.standardization import Standardization
from tfcr.schema import NUM_BINS, SEGMENT_FRAMES


def audio_encoder(
    conv_blocks: int = 4, conv_filters: int = 8, initializers: str = "pytorch", dtype=None
) -> keras.Model:
    """Blocks of 3x3 convolution with padding 1, 2x2 max-pooling with stride 2 and ReLU, flattened (Sec. 4.3).

    Returns:
        A model named `audio_encoder`: `spectrogram` float32 [batch, 128, 128] in dB and `num_frames` int32 [batch] to
        [batch, 8 * 8 * 8 = 512] for four blocks of eight filters.
    """
    spectrogram = keras.Input((SEGMENT_FRAMES, NUM_BINS), name="spectrogram", dtype="float32")
    num_frames = keras.Input((), name="num_frames", dtype="int32")
    x = Standardization(name="standardization", dtype=dtype)(spectrogram, num_frames)
    x = layers.Reshape((SEGMENT_FRAMES, NUM_BINS, 1), name="one_channel", dtype=dtype)(x)
    for block in range(conv_blocks):
        drawn = linear_initializers(initializers, 3 * 3 * x.shape[-1])
        x = ConvBlock(conv_filters, name=f"conv_{block}", dtype=dtype, **drawn)(x)
    x = layers.Flatten("channels_last", name="audio_embedding", dtype=dtype)(x)
    return PiecewiseModel([spectrogram, num_frames], x, name="audio_encoder")
