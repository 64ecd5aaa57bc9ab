"""MDRE: multimodal dual recurrent encoders (Yoon, Byun and Jung 2018)."""

import keras
from keras import layers

from tfcr.config import Config
from tfcr.models import network
from tfcr.models.cpu.packed_gru import GRU
from tfcr.models.cpu.piecewise import PiecewiseModel
from tfcr.models.encoders.sequences import mfcc_sequence, standardized_prosody, word_sequence
from tfcr.models.heads.linear_fusion import LinearFusion
from tfcr.models.layers.last_state import LastState
from tfcr.models.sizes import NUM_FUNCTIONALS, Sizes
from tfcr.models.systems import ANOTHER_PAPERS

REGULARISED = True
FEATURES = ("mfcc", "prosody", "token_ids")
DEFAULTS = {
    **ANOTHER_PAPERS,
    "head_bias": True,
    "recurrent_units": 200,
    "audio_dropout": 0.3,
    "text_dropout": 0.7,
    "batch_size": 128,
    "learning_rate": 1e-3,
    "clip_value": 10.0,
    "patience": 7,  # their validation comes every 0.3 epoch; here it is once an epoch
}
PRESET_DEFAULTS = {"authors": {"classification_loss": "sigmoid"}}  # as in their code


def build(
    config: Config, num_classes: int, sizes: Sizes = Sizes(), dtype=None, use_cudnn: bool | str = "auto"
) -> keras.Model:
    """A GRU for each modality, of which the audio's is joined by prosody, and a linear head over both projections."""
    audio_encoder = _audio_encoder(config, dtype, use_cudnn)
    text_encoder = _text_encoder(config, sizes, dtype, use_cudnn)
    head = LinearFusion(num_classes, config.head_bias, config.initializers, name=network.HEAD, dtype=dtype)
    return network.connect(audio_encoder, text_encoder, head)


def _audio_encoder(config: Config, dtype, use_cudnn) -> keras.Model:
    """The GRU's last state and prosody, 235, to 117: half of it."""
    inputs, x, mask = mfcc_sequence(config.audio_dropout, dtype)
    state = _last_state(config.recurrent_units, x, mask, inputs[1], dtype, use_cudnn)
    prosody, standardized = standardized_prosody(dtype)
    x = layers.Concatenate(name="with_prosody", dtype=dtype)([state, standardized])
    units = (config.recurrent_units + NUM_FUNCTIONALS) // 2
    x = layers.Dense(units, name="audio_embedding", dtype=dtype)(x)
    return PiecewiseModel([*inputs, prosody], x, name=network.AUDIO)


def _text_encoder(config: Config, sizes: Sizes, dtype, use_cudnn) -> keras.Model:
    """The GRU's last state, 200, to 100: half of it. That of an empty transcript is zero."""
    inputs, x, mask = word_sequence(sizes, config.text_dropout, dtype)
    state = _last_state(config.recurrent_units, x, mask, inputs[1], dtype, use_cudnn)
    x = layers.Dense(config.recurrent_units // 2 or 1, name="text_embedding", dtype=dtype)(state)
    return keras.Model(inputs, x, name=network.TEXT)


def _last_state(units, sequence, mask, counts, dtype, use_cudnn) -> keras.KerasTensor:
    """The last state of a GRU whose recurrent weights start orthogonal.

    Its reset gate acts on the product with the state, as in cuDNN; that of their TensorFlow 1 acts before it. Nothing
    is dropped of the state: the rate for outputs in their code reaches those of every step, which it does not read.
    """
    gru = GRU(
        units,
        recurrent_initializer="orthogonal",
        return_sequences=True,
        use_cudnn=use_cudnn,
        name="gru",
        dtype=dtype,
    )
    return LastState(name="last_state", dtype=dtype)(gru(sequence, mask=mask), counts)
