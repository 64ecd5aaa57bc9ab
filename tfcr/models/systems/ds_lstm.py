"""DS-LSTM: a dual-sequence LSTM over two mel spectrograms, beside an LSTM over MFCCs (Wang et al. 2020)."""

import keras
from keras import layers

from tfcr.config import Config
from tfcr.models import network
from tfcr.models.cpu.normalized_branch import NormalizedBranch
from tfcr.models.cpu.packed_lstm import LSTM
from tfcr.models.encoders.sequences import mfcc_sequence
from tfcr.models.heads.averaged_classifiers import AveragedClassifiers
from tfcr.models.layers.dual_sequence_lstm import EPSILON, MOMENTUM, DualSequenceLSTM
from tfcr.models.layers.standardization import LEAST_DB, Standardization
from tfcr.models.layers.step_mean import StepMean
from tfcr.models.sizes import MEL_SHAPES, Sizes
from tfcr.models.systems import ANOTHER_PAPERS

REGULARISED = False
BATCH_STATISTICS = True
FEATURES = ("mfcc", "mel")
DEFAULTS = {
    **ANOTHER_PAPERS,
    "head_bias": True,
    "recurrent_units": 200,
    "batch_size": 128,
    "learning_rate": 1e-3,
    "halve_every": 10,
    "halvings": 3,
    "epochs": 50,
    "patience": 50,  # theirs never stops early; the best epoch is chosen on validation, not on the test part
    "shuffle_buffer": 512,  # an utterance's two mel spectrograms are four times a segment
}

_CHANNELS = (64, 32)  # of the two convolutions
_LAYERS = 2  # of either LSTM
_LAST = "channels_last"  # where Keras is set up otherwise, too


def build(
    config: Config, num_classes: int, sizes: Sizes = Sizes(), dtype=None, use_cudnn: bool | str = "auto"
) -> keras.Model:
    """Two paths, each classified from its mean over time; the score is the mean of both.

    `audio_embedding` is what both classifiers see, side by side.
    """
    mel_encoder = _mel_encoder(config.recurrent_units, dtype)
    mfcc_encoder = _mfcc_encoder(config.recurrent_units, dtype, use_cudnn)
    inputs = {tensor.name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name)
              for encoder in (mel_encoder, mfcc_encoder) for tensor in encoder.inputs}  # fmt: skip
    paths = [encoder([inputs[tensor.name] for tensor in encoder.inputs]) for encoder in (mel_encoder, mfcc_encoder)]
    scores = AveragedClassifiers(num_classes, config.head_bias, name=network.HEAD, dtype=dtype)(*paths)
    embedding = layers.Concatenate(name="audio_embedding", dtype=dtype)(paths)
    outputs = {**scores, "audio_logits": scores["logits"], "audio_embedding": embedding}
    return keras.Model(inputs, outputs, name="network")


def mel_branch(name: str, frames: int, bins: int, channels=_CHANNELS, dtype=None) -> keras.Model:
    """Blocks of 4x4 convolution with padding 1, batch normalisation, 2x2 max-pooling with stride 2, and ReLU.

    The pooling stands before the ReLU: the two commute, and a quarter of the values are left to it.

    Returns:
        A model named `<name>_branch`: `<name>` float32 [batch, frames, bins] in dB to [batch, steps, units], the last
        channels of all bins of a step side by side. 230 x 128 becomes 56 x (31 x 32), and 120 x 256 29 x (63 x 32).
    """
    mel = keras.Input((frames, bins), name=name, dtype="float32")
    x = Standardization(name, LEAST_DB, name="standardization", dtype=dtype)(mel)
    x = layers.Reshape((frames, bins, 1), name="one_channel", dtype=dtype)(x)
    for block, filters in enumerate(channels):
        x = layers.ZeroPadding2D(1, _LAST, name=f"padding_{block}", dtype=dtype)(x)
        x = layers.Conv2D(filters, 4, data_format=_LAST, name=f"conv_{block}", dtype=dtype)(x)
        x = _batch_normalization(f"batch_normalization_{block}", dtype)(x)
        x = layers.MaxPooling2D(2, 2, data_format=_LAST, name=f"pool_{block}", dtype=dtype)(x)
        x = layers.ReLU(name=f"relu_{block}", dtype=dtype)(x)
    x = layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]), name="one_vector_a_step", dtype=dtype)(x)
    return NormalizedBranch(mel, x, name=f"{name}_branch")


def aligned(longer: keras.KerasTensor, shorter: keras.KerasTensor, dtype=None) -> tuple:
    """Two sequences with equally many steps: means of 3 steps of the longer, 2 apart, and as many of the shorter."""
    longer = layers.AveragePooling1D(3, 2, data_format=_LAST, name="alignment", dtype=dtype)(longer)
    surplus = shorter.shape[1] - longer.shape[1]
    return longer, layers.Cropping1D((0, surplus), name="cropping", dtype=dtype)(shorter)


def _mel_encoder(units: int, dtype) -> keras.Model:
    """Both mel spectrograms to the mean over 27 steps, [batch, units]. The second layer sees the shorter one again."""
    branches = [mel_branch(name, *shape, dtype=dtype) for name, shape in MEL_SHAPES.items()]
    mels = [keras.Input(shape, name=name, dtype="float32") for name, shape in MEL_SHAPES.items()]
    x, y = aligned(*(branch(mel) for branch, mel in zip(branches, mels, strict=True)), dtype)
    for layer in range(_LAYERS):
        x = DualSequenceLSTM(units, name=f"dual_sequence_lstm_{layer}", dtype=dtype)(x, y)
        x = _batch_normalization(f"batch_normalization_{layer}", dtype)(x)
    x = StepMean(name="step_mean", dtype=dtype)(x)
    return keras.Model(mels, x, name="mel_encoder")


def _mfcc_encoder(units: int, dtype, use_cudnn) -> keras.Model:
    """MFCCs to the mean over real frames, [batch, units]."""
    inputs, x, mask = mfcc_sequence(dtype=dtype)
    for layer in range(_LAYERS):
        lstm = LSTM(units, return_sequences=True, use_cudnn=use_cudnn, name=f"lstm_{layer}", dtype=dtype)
        x = lstm(x, mask=mask)
    x = StepMean(name="step_mean", dtype=dtype)(x, inputs[1])
    return keras.Model(inputs, x, name="mfcc_encoder")


def _batch_normalization(name: str, dtype) -> layers.Layer:
    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=name, dtype=dtype)
