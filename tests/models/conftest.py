"""Small networks and synthetic batches, shared by the tests of the models."""

import keras
import numpy as np
import pytest

from tfcr.config import Config
from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.pair_discriminator import PairDiscriminator
from tfcr.models.systems import system
from tfcr.schema import EMBEDDING_DIM, MAX_TOKENS, NUM_BINS, SEGMENT_FRAMES

NUM_CLASSES = 4


@pytest.fixture
def small():
    """A configuration whose network trains in milliseconds; 2 filters leave 8 * 8 * 2 = 128 audio units."""
    return Config(conv_filters=2, lstm_layers=1, lstm_units=8)


@pytest.fixture
def make_network(small):
    def make(name="fusion", seed=1, dtype=None, **build):
        keras.utils.set_random_seed(seed)
        return system(name).build(small, NUM_CLASSES, dtype=dtype, **build)

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
