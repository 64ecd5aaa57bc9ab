"""The systems of other papers on a CPU against the same of Keras's layers: scores, gradients, files of weights."""

import dataclasses

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from oracles import shake

from tfcr.config import Config
from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.cpu import normalized_branch
from tfcr.models.cpu.normalized_branch import PIECE, patch_moments, two_blocks
from tfcr.models.cpu.packed_gru import GRU
from tfcr.models.cpu.packed_lstm import LSTM
from tfcr.models.keras_internals import layers_within
from tfcr.models.kernels import KERNELS
from tfcr.models.sizes import Sizes
from tfcr.models.systems import ds_lstm, mdre, mha, system

SYSTEMS = ["mdre", "mha-2", "ds-lstm"]
LAYERS = [(GRU, layers.GRU), (LSTM, layers.LSTM)]
CONFIG = Config(recurrent_units=4, head_bias=True)  # without dropout, which draws anew
# In float32, rounding decides now and then which of four places is the largest, and another one has the gradient.
TYPES = {"mdre": "float32", "mha-2": "float32", "ds-lstm": "float64"}


@pytest.fixture
def make(monkeypatch):
    """A system's network; `plain` makes it of Keras's layers, as all were once."""

    def make(name, plain=False, dtype="float32"):
        keras.utils.set_random_seed(0)
        with monkeypatch.context() as context:
            if plain:
                context.setattr(mdre, "GRU", layers.GRU)
                for module in (mha, ds_lstm):
                    context.setattr(module, "LSTM", layers.LSTM)
                context.setattr(ds_lstm, "NormalizedBranch", keras.Model)
            config = dataclasses.replace(CONFIG, system=name)
            return system(name).build(config, 4, Sizes(vocabulary=9), dtype=keras.DTypePolicy(dtype))

    return make


def loss_and_gradients(network, x, dtype):
    model = ContrastiveModel(network, alpha=0, dtype=dtype)
    label = np.arange(len(x["mfcc"])) % 4

    @tf.function
    def of():
        with tf.GradientTape() as tape:
            outputs = model(x, training=True)
            loss = model.compute_loss(x, label, outputs)
        return loss, outputs, tape.gradient(loss, network.trainable_variables)

    return of()


@pytest.mark.parametrize("name", SYSTEMS)
def test_loss_scores_and_every_gradient_are_those_of_keras_layers(name, make, inputs, monkeypatch):
    fast, plain = (make(name, plain, TYPES[name]) for plain in (False, True))
    shake(plain)
    fast.set_weights(plain.get_weights())
    monkeypatch.setattr(normalized_branch, "PIECE", 2)  # and one example of the last piece
    x = {key: tf.constant(value) for key, value in inputs(fast.input, size=3, frames=9, words=6).items()}
    found, outputs, gradients = loss_and_gradients(fast, x, TYPES[name])
    monkeypatch.setenv(KERNELS, "keras")
    expected, oracle_outputs, oracles = loss_and_gradients(plain, x, TYPES[name])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    for key, value in outputs.items():
        np.testing.assert_allclose(value, oracle_outputs[key], rtol=0, atol=1e-5, err_msg=key)
    for weight, gradient, oracle in zip(plain.trainable_variables, gradients, oracles, strict=True):
        gradient, largest = np.asarray(gradient), np.abs(oracle).max()
        if "conv_" in weight.path and weight.path.endswith("bias"):  # which normalising by the batch takes away again
            assert not gradient.any() and largest < 1e-4
        else:
            assert largest > 0, weight.path
            np.testing.assert_allclose(gradient, oracle, rtol=0, atol=1e-5 * largest, err_msg=weight.path)
    for weight, oracle in zip(fast.non_trainable_variables, plain.non_trainable_variables, strict=True):
        np.testing.assert_allclose(weight, oracle, rtol=1e-5, atol=1e-5, err_msg=weight.path)  # moving statistics


@pytest.mark.parametrize("name", SYSTEMS)
def test_weights_of_keras_layers_load_and_have_the_same_names(name, make, inputs, tmp_path):
    fast, plain = make(name), make(name, plain=True)
    assert [weight.path for weight in fast.weights] == [weight.path for weight in plain.weights]
    shake(plain)
    files = []
    for network in (plain, fast):
        network.save_weights(tmp_path / "network.weights.h5")
        names = []
        with h5py.File(tmp_path / "network.weights.h5") as file:
            file.visit(names.append)
        files.append(names)
        fast.load_weights(tmp_path / "network.weights.h5")
    assert files[0] == files[1]
    for weight, old in zip(fast.weights, plain.weights, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_network_is_made_again_from_its_configuration(system, make, inputs):
    network = make(system)
    again = keras.models.clone_model(network)
    again.set_weights(network.get_weights())
    x = inputs(network.input, size=2)
    np.testing.assert_array_equal(again(x)["logits"], network(x)["logits"])
    kinds = [type(layer) for layer in layers_within(network)]
    assert [type(layer) for layer in layers_within(again)] == kinds


@pytest.mark.parametrize(("fast", "plain"), LAYERS, ids=["gru", "lstm"])
class TestPackedLayers:
    @pytest.mark.parametrize("go_backwards", [False, True])
    @pytest.mark.parametrize("counts", [[3, 0, 5, 5, 1], [5] * 5, [1] * 5, [0] * 5, None])
    def test_outputs_and_gradients_are_keras(self, fast, plain, counts, go_backwards):
        keras.utils.set_random_seed(0)
        settings = {"return_sequences": True, "zero_output_for_mask": True, "go_backwards": go_backwards}
        packed, oracle = fast(4, **settings), plain(4, **settings, bias_initializer="random_normal")
        x, weights = tf.random.stateless_normal((5, 5, 7), (0, 1)), tf.random.stateless_normal((5, 5, 4), (0, 2))
        mask = None if counts is None else tf.sequence_mask(counts, 5)
        oracle(x)
        packed.build(x.shape)
        packed.set_weights(oracle.get_weights())
        assert packed.is_fast
        results = []
        for layer in (packed, oracle):
            with tf.GradientTape() as tape:
                tape.watch(x)
                outputs = layer(x, mask=mask)
                total = tf.reduce_sum(outputs * weights)
            results.append([outputs, *tape.gradient(total, [x, *layer.trainable_variables])])
        for found, expected in zip(*results, strict=True):
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(np.abs(expected).max(), 1e-3))

    @pytest.mark.parametrize("settings", [{"use_cudnn": False}, {"return_sequences": False}, {"activation": "relu"}])
    def test_any_other_is_left_to_keras(self, fast, plain, settings):
        settings = {"return_sequences": True, "zero_output_for_mask": True} | settings
        layer, oracle = fast(2, **settings), plain(2, **settings)
        assert not layer.is_fast
        x = tf.random.stateless_normal((3, 4, 5), (0, 1))
        oracle(x)
        layer.build(x.shape)
        layer.set_weights(oracle.get_weights())
        np.testing.assert_array_equal(layer(x), oracle(x))

    def test_the_last_real_output_is_that_of_keras(self, fast, plain):
        layer, oracle, x = fast(2), plain(2), tf.random.stateless_normal((2, 5, 3), (0, 1))
        oracle(x)
        layer.build(x.shape)
        layer.set_weights(oracle.get_weights())
        mask = tf.sequence_mask([2, 5], 5)
        np.testing.assert_array_equal(layer(x, mask=mask), oracle(x, mask=mask))
        np.testing.assert_allclose(layer(x, mask=mask)[0], oracle(x[:1, :2])[0], atol=1e-6)

    def test_a_gpu_has_keras(self, fast, plain, gpu):
        assert not fast(2, return_sequences=True).is_fast

    def test_its_configuration_makes_it_again(self, fast, plain):
        for use_cudnn in ("auto", False):
            layer = fast(2, return_sequences=True, use_cudnn=use_cudnn)
            assert fast.from_config(layer.get_config()).is_fast == layer.is_fast == (use_cudnn == "auto")


def test_a_gru_whose_reset_gate_acts_before_the_product_is_left_to_keras():
    assert GRU(2, return_sequences=True).is_fast
    assert not GRU(2, return_sequences=True, reset_after=False).is_fast


def test_moments_of_patches_are_those_of_all_of_them():
    pictures = np.random.default_rng(0).normal(3, 1, (7, 7, 9, 1))
    found_mean, found_covariance = patch_moments(tf.constant(pictures))
    patches = [
        pictures[:, row : row + 4, column : column + 4, 0].reshape(7, 16) for row in range(4) for column in range(6)
    ]
    patches = np.concatenate(patches)
    np.testing.assert_allclose(found_mean, patches.mean(axis=0))
    np.testing.assert_allclose(found_covariance, np.cov(patches.T, bias=True), atol=1e-12)


def test_moments_far_from_zero_are_exact_in_float32():
    pictures = np.random.default_rng(0).normal(-100, 1, (7, 40, 30, 1)).astype(np.float32)
    exact_mean, exact_covariance = patch_moments(tf.constant(pictures, tf.float64))
    mean, covariance = patch_moments(tf.constant(pictures))
    np.testing.assert_allclose(mean, exact_mean, rtol=1e-6)
    np.testing.assert_allclose(covariance, exact_covariance, atol=1e-5)


def test_a_frozen_branch_normalises_by_its_moving_statistics():
    branch = ds_lstm.mel_branch("mel", 12, 10, (2, 3))
    assert branch.is_fast
    branch.trainable = False
    assert not branch.is_fast
    x = tf.random.stateless_normal((2, 12, 10), (0, 1))
    np.testing.assert_allclose(branch(x, training=True), branch(x), atol=1e-6)


def test_two_blocks_are_keras_layers_and_heed_the_sign_of_the_scale():
    def drawn(*shape, seed):
        return tf.random.stateless_normal(shape, (seed, 1), dtype=tf.float64)

    pictures = drawn(2 * PIECE - 1, 15, 17, 1, seed=0)  # the last piece is smaller
    kernels = [drawn(16, 3, seed=1), drawn(3, seed=2), drawn(4, 4, 3, 2, seed=3)]
    scaling = [tf.constant([0.7, -0.9], tf.float64), tf.constant([0.1, 0.2], tf.float64)]
    results = []
    for fast in (True, False):
        with tf.GradientTape() as tape:
            tape.watch([kernels, scaling])
            if fast:
                output, mean, variance = two_blocks(pictures, kernels, scaling, 1e-5)
            else:
                x = tf.nn.conv2d(pictures, tf.reshape(kernels[0], (4, 4, 1, 3)), 1, "VALID") + kernels[1]
                x = tf.pad(tf.nn.relu(tf.nn.max_pool2d(x, 2, 2, "VALID")), [[0, 0], [1, 1], [1, 1], [0, 0]])
                x = tf.nn.conv2d(x, kernels[2], 1, "VALID")
                mean, variance = tf.nn.moments(x, (0, 1, 2))
                x = tf.nn.batch_normalization(x, mean, variance, scaling[1], scaling[0], 1e-5)
                output = tf.nn.relu(tf.nn.max_pool2d(x, 2, 2, "VALID"))
            total = tf.reduce_sum(output**2)
        results.append([output, mean, variance, *tape.gradient(total, [*kernels, *scaling])])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
