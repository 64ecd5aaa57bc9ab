"""Small networks and synthetic batches, shared by the tests of the models."""

import dataclasses

import keras
import numpy as np
import pytest

from tfcr.config import Config
from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.heads.pair_discriminator import PairDiscriminator
from tfcr.models.sizes import Sizes
from tfcr.models.systems import system
from tfcr.schema import EMBEDDING_DIM, MAX_TOKENS, NUM_BINS, SEGMENT_FRAMES

NUM_CLASSES = 4
VOCABULARY = 9


@pytest.fixture
def small():
    """A configuration whose network trains in milliseconds; 2 filters leave 8 * 8 * 2 = 128 audio units."""
    return Config(conv_filters=2, lstm_layers=1, lstm_units=8)


@pytest.fixture
def make_network(small):
    def make(name="fusion", seed=1, dtype=None, **build):
        keras.utils.set_random_seed(seed)
        sizes = {"recurrent_units": 3, "hidden_units": 6, "projection_units": 5}  # of the systems of other papers
        bias = system(name).DEFAULTS.get("head_bias", small.head_bias)
        config = dataclasses.replace(small, head_bias=bias, **sizes)
        return system(name).build(config, NUM_CLASSES, Sizes(vocabulary=VOCABULARY), dtype=dtype, **build)

    return make


@pytest.fixture
def make_model(make_network):
    def make(
        alpha=0.1, discriminator=True, dtype=None, system="fusion", network_seed=1, graph=False, metrics=(), **settings
    ):
        """A compiled model. Tracing a graph takes seconds, a step outside one a tenth: `graph` where it is the fact."""
        network = make_network(system, seed=network_seed, dtype=dtype)
        if discriminator is True:
            discriminator = PairDiscriminator(6, name="discriminator", dtype=dtype)
        if dtype is not None:
            settings["dtype"] = dtype
        model = ContrastiveModel(network, alpha=alpha, discriminator=discriminator or None, **settings)
        model.compile(keras.optimizers.Adam(0.01), metrics=list(metrics), run_eagerly=not graph, jit_compile=False)
        return model

    return make


@pytest.fixture
def examples():
    """Examples of a fusion network and their labels: silence-padded noise, right-padded random words."""

    def make(size=6, seed=0):
        rng = np.random.default_rng(seed)
        num_frames = rng.integers(1, SEGMENT_FRAMES + 1, size).astype(np.int32)
        num_tokens = rng.integers(0, 6, size).astype(np.int32)  # short: an LSTM outside a graph is slow
        spectrogram = rng.normal(0, 1, (size, SEGMENT_FRAMES, NUM_BINS)).astype(np.float32)
        embeddings = rng.normal(0, 0.3, (size, MAX_TOKENS, EMBEDDING_DIM)).astype(np.float32)
        spectrogram[np.arange(SEGMENT_FRAMES)[None, :] >= num_frames[:, None]] = -140
        embeddings[np.arange(MAX_TOKENS)[None, :] >= num_tokens[:, None]] = 0
        x = {
            "spectrogram": spectrogram,
            "num_frames": num_frames,
            "embeddings": embeddings,
            "num_tokens": num_tokens,
        }
        y = {
            "label": (np.arange(size) % NUM_CLASSES).astype(np.int32),
            "utterance": np.arange(size, dtype=np.int32),
        }
        return x, y

    return make


@pytest.fixture
def inputs(examples):
    """Inputs of any network by name: noise, right-padded with zeros. The second transcript is empty."""

    def make(names, size=4, frames=6, words=4, seed=0):
        rng = np.random.default_rng(seed)
        num_mfcc = rng.integers(1, frames + 1, size).astype(np.int32)
        num_token_ids = rng.integers(1, words + 1, size).astype(np.int32)
        num_token_ids[1:2] = 0
        made = {
            "mfcc": rng.normal(0, 1, (size, frames, 39)),
            "prosody": rng.normal(0, 1, (size, 35)),
            "mel_512": rng.normal(0, 1, (size, 230, 128)),
            "mel_1024": rng.normal(0, 1, (size, 120, 256)),
        }
        made = {name: value.astype(np.float32) for name, value in made.items()}
        made["mfcc"][np.arange(frames)[None, :] >= num_mfcc[:, None]] = 0
        token_ids = rng.integers(1, VOCABULARY + 1, (size, words)).astype(np.int32)
        token_ids[np.arange(words)[None, :] >= num_token_ids[:, None]] = 0
        made |= {"num_mfcc": num_mfcc, "token_ids": token_ids, "num_token_ids": num_token_ids}
        made |= examples(size, seed)[0]
        return {name: made[name] for name in names}

    return make
