"""DS-LSTM against its equations in NumPy: the cell, a branch, the alignment and the whole network."""

import keras
import numpy as np
import pytest
from oracles import (
    batch_normalization,
    convolution,
    dense,
    dual_sequence_lstm,
    lstm,
    max_pool,
    shake,
    standardized,
    weights_of,
)

from tfcr.config import from_mapping
from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.layers.dual_sequence_lstm import MOMENTUM, DualSequenceLSTM
from tfcr.models.systems import defaults_of, system
from tfcr.models.systems.ds_lstm import aligned, mel_branch


def count(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def full_size():
    return system("ds-lstm").build(from_mapping({}, "paper", defaults_of("ds-lstm", "paper")), 4)


def test_parameter_counts():
    network = full_size()
    # 4x4 kernels, one channel to 64 and 64 to 32; scale and offset of both batch normalisations
    branch = (16 * 1 * 64 + 64 + 2 * 64) + (16 * 64 * 32 + 32 + 2 * 32)
    # the steps of 230 x 128 after two blocks: (230 - 1) // 2 = 114, 113 // 2 = 56; bins 63, 31; of 120 x 256: 29; 63
    x, y = 31 * 32, 63 * 32
    gates = 4 * 200 * (x + y + 200) + 4 * 200 + 2 * 4 * 200  # with scale and offset
    cell = gates + 200 * (x + 200) + 200 + 200 * (y + 200) + 200 + 2 * 200  # and of the output
    upper = 4 * 200 * (200 + y + 200) + 3 * 4 * 200 + 200 * (200 + 200) + 200 + 200 * (y + 200) + 200 + 2 * 200
    mfcc = 4 * 200 * (39 + 200 + 1) + 4 * 200 * (200 + 200 + 1)
    assert count(network.get_layer("mel_encoder").trainable_weights) == 2 * branch + cell + upper
    assert count(network.get_layer("mfcc_encoder").trainable_weights) == mfcc == 512_800
    assert count(network.trainable_weights) == 2 * branch + cell + upper + mfcc + 2 * (200 * 4 + 4)
    moving = 2 * (2 * 64 + 2 * 32) + 2 * (2 * 27 * 800 + 2 * 200)  # 27 steps of 800 gates
    assert count(network.non_trainable_weights) == moving + 2 * (128 + 256 + 39)


def test_defaults_are_the_papers():
    config = from_mapping({}, "authors", defaults_of("ds-lstm", "authors"))
    assert (config.batch_size, config.epochs, config.halve_every, config.halvings) == (128, 50, 10, 3)
    assert (config.learning_rate, config.recurrent_units, config.shuffle_buffer) == (1e-3, 200, 512)


class TestCell:
    @pytest.fixture
    def layer(self):
        layer = DualSequenceLSTM(3)
        layer.build((None, 5, 4), (None, 5, 2))
        shake(layer, seed=1)
        return layer

    @pytest.fixture
    def pair(self):
        rng = np.random.default_rng(0)
        return rng.normal(size=(6, 5, 4)).astype(np.float32), rng.normal(size=(6, 5, 2)).astype(np.float32)

    def test_it_is_the_recurrence_of_its_equations(self, layer, pair):
        found = layer(*pair)
        expected = dual_sequence_lstm(layer, *pair)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert np.abs(expected).max() > 0.01

    def test_training_normalises_by_the_batch_and_moves_each_steps_statistics(self, layer, pair):
        *_, means, variances = weights_of(layer)
        statistics = []
        expected = dual_sequence_lstm(layer, *pair, statistics)
        np.testing.assert_allclose(layer(*pair, training=True), expected, atol=2e-5)
        for weight, old, of_batch in zip(
            (layer.moving_mean, layer.moving_variance), (means, variances), zip(*statistics, strict=True), strict=True
        ):
            moved = MOMENTUM * old + (1 - MOMENTUM) * np.stack(of_batch)
            np.testing.assert_allclose(weight, moved, atol=1e-5)

    def test_evaluation_moves_nothing_and_heeds_no_company(self, layer, pair):
        before = layer.get_weights()
        together = layer(*pair).numpy()
        alone = layer(pair[0][2:3], pair[1][2:3]).numpy()
        np.testing.assert_allclose(alone[0], together[2], atol=1e-6)
        for weight, old in zip(layer.get_weights(), before, strict=True):
            np.testing.assert_array_equal(weight, old)

    def test_its_scale_starts_at_a_tenth(self):
        layer = DualSequenceLSTM(3)
        layer.build((None, 5, 4), (None, 5, 2))
        np.testing.assert_allclose(layer.scale, np.full(12, 0.1))

    @pytest.mark.parametrize(("x", "y"), [((None, None, 4), (None, None, 2)), ((None, 5, 4), (None, 6, 2))])
    def test_sequences_of_different_or_unknown_length_are_refused(self, x, y):
        with pytest.raises(ValueError, match=r"`x` and `y` must have equally many steps.*Received: x.shape="):
            DualSequenceLSTM(3).build(x, y)


def branch_in_numpy(branch, mel):
    x = standardized(branch.get_layer("standardization"), mel)[:, :, None]
    for block in range(2):
        x = convolution(branch.get_layer(f"conv_{block}"), x)
        x = max_pool(np.maximum(batch_normalization(branch.get_layer(f"batch_normalization_{block}"), x), 0))
    return x.reshape(len(x), -1)


def test_a_branch_is_convolution_normalisation_relu_and_pooling():
    branch = mel_branch("mel_512", 13, 10, channels=(3, 2))
    shake(branch, seed=2)
    mel = np.random.default_rng(0).normal(size=(2, 13, 10)).astype(np.float32)
    found = branch(mel).numpy()
    assert found.shape == (2, 2, 1 * 2)  # 13 -> 12 -> 6 -> 5 -> 2 frames, 10 -> 9 -> 4 -> 3 -> 1 bin, 2 channels
    for row in range(2):
        np.testing.assert_allclose(found[row], branch_in_numpy(branch, mel[row]), atol=1e-5)


def test_alignment_is_the_mean_of_three_steps_two_apart():
    longer, shorter = keras.Input((8, 1)), keras.Input((4, 1))
    model = keras.Model([longer, shorter], aligned(longer, shorter))
    x, y = model([np.arange(8.0).reshape(1, 8, 1), np.arange(4.0).reshape(1, 4, 1)])
    np.testing.assert_allclose(x[0, :, 0], [1, 3, 5])  # (0 + 1 + 2) / 3, (2 + 3 + 4) / 3, (4 + 5 + 6) / 3
    np.testing.assert_array_equal(y[0, :, 0], [0, 1, 2])


@pytest.fixture(scope="module")
def tiny():
    keras.utils.set_random_seed(0)
    network = system("ds-lstm").build(from_mapping({"recurrent_units": 3}), 4)
    shake(network)
    return network


def test_a_score_is_what_the_equations_say(tiny, inputs):
    x = inputs(tiny.input, size=2)
    found = {name: np.asarray(value) for name, value in tiny(x).items()}
    mel, mfcc, head = tiny.get_layer("mel_encoder"), tiny.get_layer("mfcc_encoder"), tiny.get_layer("head")
    for row in range(2):
        longer, shorter = (
            branch_in_numpy(mel.get_layer(f"{name}_branch"), x[name][row]) for name in ("mel_512", "mel_1024")
        )
        path = np.stack([longer[2 * step : 2 * step + 3].mean(axis=0) for step in range(27)])
        for layer in range(2):
            path = dual_sequence_lstm(mel.get_layer(f"dual_sequence_lstm_{layer}"), path[None], shorter[None, :27])[0]
            path = batch_normalization(mel.get_layer(f"batch_normalization_{layer}"), path)
        frames = standardized(mfcc.get_layer("standardization"), x["mfcc"][row, : x["num_mfcc"][row]])
        for layer in range(2):
            frames = lstm(weights_of(mfcc.get_layer(f"lstm_{layer}")), frames)
        embeddings = path.mean(axis=0), frames.mean(axis=0)
        branches = [dense(layer, e) for layer, e in zip((head.first, head.second), embeddings, strict=True)]
        np.testing.assert_allclose(found["audio_embedding"][row], np.concatenate(embeddings), atol=1e-5)
        np.testing.assert_allclose(found["branch_logits"][row], branches, atol=1e-5)
        np.testing.assert_allclose(found["logits"][row], (branches[0] + branches[1]) / 2, atol=1e-5)
    np.testing.assert_array_equal(found["audio_logits"], found["logits"])


def test_padded_frames_change_no_score(tiny, inputs):
    x = inputs(tiny.input, size=2)
    padded = {**x, "mfcc": np.pad(x["mfcc"], ((0, 0), (0, 2), (0, 0)))}
    padded["mfcc"][np.arange(8)[None, :] >= x["num_mfcc"][:, None]] = 50
    np.testing.assert_allclose(tiny(padded)["logits"], tiny(x)["logits"], atol=1e-6)


def test_its_loss_is_half_of_either_paths(tiny):
    model = ContrastiveModel(tiny, alpha=0)
    branches = np.array([[[2.0, 0, 0, 0], [0, 0, 0, 0]]], np.float32)
    classification, _ = model.losses_of({"logits": branches.mean(axis=1), "branch_logits": branches}, np.array([0]))
    # one path: log(e^2 + 3) - 2; the other: log 4
    np.testing.assert_allclose(classification, [(np.log(np.exp(2) + 3) - 2 + np.log(4)) / 2], rtol=1e-6)
