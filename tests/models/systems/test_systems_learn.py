"""Every system of another paper learns separable classes, in a graph and with its own clipping."""

import keras
import numpy as np
import pytest

from tfcr.config import from_mapping
from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.sizes import Sizes
from tfcr.models.systems import defaults_of, system

SMALL = {"recurrent_units": 8, "hidden_units": 16, "conv_filters": 2, "lstm_layers": 1, "lstm_units": 8}
NO_DROPOUT = {"audio_dropout": 0.0, "text_dropout": 0.0}


def separable(x, label):
    """Inputs moved by their label: what is spoken by a pattern for each class, what is said by words of its own."""
    patterns = np.random.default_rng(7)
    for name in ("mfcc", "prosody", "mel_512", "mel_1024", "spectrogram", "embeddings"):
        if name in x:
            pattern = patterns.normal(0, 1, (4, x[name].shape[-1])).astype(np.float32)
            x[name] += pattern[label].reshape(len(label), *([1] * (x[name].ndim - 2)), -1)
    if "token_ids" in x:
        x["token_ids"] = np.where(x["token_ids"] > 0, 1 + 2 * label[:, None] + x["token_ids"] % 2, 0).astype(np.int32)
    return x


@pytest.mark.full
@pytest.mark.parametrize(("name", "epochs"), [
    *((name, 40) for name in ("mdre", "mha-1", "mha-2", "mha-3", "early-fusion", "late-fusion")), ("ds-lstm", 30),
])  # fmt: skip
def test_the_loss_falls_below_a_tenth(inputs, name, epochs):
    config = from_mapping({**SMALL, **NO_DROPOUT}, "paper", defaults_of(name, "paper"))
    keras.utils.set_random_seed(0)
    network = system(name).build(config, 4, Sizes(9))
    label = np.arange(12) % 4
    x = separable(inputs(network.input, size=12), label)
    model = ContrastiveModel(network, alpha=0)
    adam = keras.optimizers.Adam(0.02, clipvalue=config.clip_value, clipnorm=config.clip_norm)
    model.compile(adam, jit_compile=False)
    losses = model.fit(x, label, batch_size=12, epochs=epochs, verbose=0).history["loss"]
    assert min(losses) < 0.1 * losses[0]
