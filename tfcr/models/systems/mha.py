"""MHA-1, MHA-2 and MHA-3: one to three hops of attention between two encoders (Yoon, Byun, Dey and Jung 2019)."""

import functools
from types import SimpleNamespace

import keras
from keras import layers

from tfcr.config import Config
from tfcr.models import network
from tfcr.models.cpu.packed_lstm import LSTM
from tfcr.models.encoders.sequences import mfcc_sequence, word_sequence
from tfcr.models.heads.linear_fusion import LinearFusion
from tfcr.models.layers.hop_attention import HopAttention
from tfcr.models.layers.last_state import LastState
from tfcr.models.sizes import Sizes
from tfcr.models.systems import ANOTHER_PAPERS

FEATURES = ("mfcc", "token_ids")
DEFAULTS = {
    **ANOTHER_PAPERS,
    "head_bias": True,
    "recurrent_units": 200,
    "audio_dropout": 0.3,
    "text_dropout": 0.7,
    "batch_size": 128,
    "learning_rate": 1e-3,
    "clip_norm": 1.0,
    "patience": 15,
}


def multi_hop(
    config: Config,
    num_classes: int,
    sizes: Sizes = Sizes(),
    dtype=None,
    use_cudnn: bool | str = "auto",
    *,
    hops: int,
) -> keras.Model:
    """Bidirectional LSTMs whose summaries query the other modality's outputs in turn, and a linear head.

    The audio's last state, projected, queries the words (H1), H1 the frames (H2), H2 the words (H3). The head sees the
    two newest summaries, of which one is the audio's and one the text's. An empty transcript has the summary zero,
    which queries all frames alike.

    The paper leaves the size of the LSTM open (`recurrent_units` per direction) and takes 120 coefficients; here they
    are MDRE's 39 MFCCs.

    Args:
        hops: 1 to 3.
    """
    audio_encoder = _audio_encoder(config, dtype, use_cudnn)
    text_encoder = _text_encoder(config, sizes, dtype, use_cudnn)
    inputs = {tensor.name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name)
              for encoder in (audio_encoder, text_encoder) for tensor in encoder.inputs}  # fmt: skip
    frames, audio = audio_encoder([inputs["mfcc"], inputs["num_mfcc"]])
    words = text_encoder([inputs["token_ids"], inputs["num_token_ids"]])
    text = HopAttention(name="hop_1", dtype=dtype)(audio, words, inputs["num_token_ids"])
    if hops >= 2:
        audio = HopAttention(name="hop_2", dtype=dtype)(text, frames, inputs["num_mfcc"])
    if hops >= 3:
        text = HopAttention(name="hop_3", dtype=dtype)(audio, words, inputs["num_token_ids"])
    scores = LinearFusion(num_classes, config.head_bias, config.initializers, name=network.HEAD, dtype=dtype)(
        audio, text
    )
    return keras.Model(inputs, {**scores, "audio_embedding": audio, "text_embedding": text}, name="network")


def _audio_encoder(config: Config, dtype, use_cudnn) -> keras.Model:
    """MFCCs to the outputs [batch, frames, 2 units] and the projected last state [batch, 2 units]."""
    inputs, x, mask = mfcc_sequence(config.audio_dropout, dtype)
    outputs = _bidirectional_lstm(config.recurrent_units, dtype, use_cudnn)(x, mask=mask)
    state = LastState(bidirectional=True, name="last_state", dtype=dtype)(outputs, inputs[1])
    summary = layers.Dense(2 * config.recurrent_units, name="projection", dtype=dtype)(state)
    return keras.Model(inputs, [outputs, summary], name=network.AUDIO)


def _text_encoder(config: Config, sizes: Sizes, dtype, use_cudnn) -> keras.Model:
    """Words to the outputs [batch, words, 2 units]."""
    inputs, x, mask = word_sequence(sizes, config.text_dropout, dtype)
    outputs = _bidirectional_lstm(config.recurrent_units, dtype, use_cudnn)(x, mask=mask)
    return keras.Model(inputs, outputs, name=network.TEXT)


def _bidirectional_lstm(units: int, dtype, use_cudnn) -> layers.Layer:
    lstm = LSTM(units, return_sequences=True, use_cudnn=use_cudnn, name="lstm", dtype=dtype)
    return layers.Bidirectional(lstm, name="bidirectional_lstm", dtype=dtype)


SYSTEMS = {
    f"mha-{hops}": SimpleNamespace(
        build=functools.partial(multi_hop, hops=hops), REGULARISED=True, FEATURES=FEATURES, DEFAULTS=DEFAULTS
    )
    for hops in (1, 2, 3)
}
