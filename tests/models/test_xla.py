"""What XLA compiles of a training step, which is all of it, and that it is the step of the other kernels."""

import dataclasses
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.config import is_op_determinism_enabled

from tfcr.config import Config
from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.cpu.packed_lstm import PackedLSTM
from tfcr.models.heads.pair_discriminator import PairDiscriminator
from tfcr.models.kernels import KERNELS, compiles
from tfcr.models.systems import system
from tfcr.models.xla.looped_lstm import looped_lstm
from tfcr.models.xla.pooling import max_pool
from tfcr.training.experiment import plan
from tfcr.training.train import train_fold
from tfcr.training.waiting import InputTimer

STEPS = 6


class TestPooling:
    def gradient(self, pool, pictures, upstream):
        with tf.GradientTape() as tape:
            tape.watch(pictures)
            output = pool(pictures)
        return output.numpy(), tape.gradient(output, pictures, upstream).numpy()

    def test_maximum_and_gradient_are_tensorflows_among_equals_too(self):
        random = np.random.default_rng(0)
        pictures = tf.constant(random.integers(0, 3, (5, 8, 6, 4)), tf.float32)  # of three values: many are equal
        upstream = tf.constant(random.normal(0, 1, (5, 4, 3, 4)), tf.float32)
        ours = self.gradient(max_pool, pictures, upstream)
        theirs = self.gradient(lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), pictures, upstream)
        for found, expected in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(found, expected)

    def test_of_equal_places_the_first_gets_the_gradient(self):
        pictures = tf.constant([[1.0, 2.0], [2.0, 2.0]])[None, :, :, None]
        _, gradient = self.gradient(max_pool, pictures, tf.ones((1, 1, 1, 1)))
        assert gradient[0, :, :, 0].tolist() == [[0, 1], [0, 0]]


class TestLoopedLSTM:
    @pytest.mark.parametrize("dtype", ["float64", "float32", "mixed_bfloat16", "mixed_float16"])
    def test_outputs_and_gradients_are_the_packed_ones(self, dtype):
        keras.utils.set_random_seed(0)
        packed = PackedLSTM(4, return_sequences=True, dtype=dtype)
        x = tf.cast(tf.random.stateless_normal((5, 6, 7), (0, 1), dtype=tf.float64), packed.compute_dtype)
        mask = tf.sequence_mask([3, 0, 6, 6, 1], 6)
        packed.build(x.shape)
        upstream = tf.cast(tf.random.stateless_normal((5, 6, 4), (0, 2), dtype=tf.float64), packed.compute_dtype)
        found = []
        for lstm in (lambda: looped_lstm(x, *packed._weights(), mask), lambda: packed(x, mask=mask)):
            with tf.GradientTape() as tape:
                tape.watch(x)
                outputs = lstm()
            found.append([outputs, *tape.gradient(outputs, [x, *packed.trainable_variables], upstream)])
        rtol = {"float64": 1e-12, "float32": 1e-5, "mixed_bfloat16": 2e-2, "mixed_float16": 5e-3}[dtype]
        for ours, theirs in zip(*found, strict=True):
            assert ours.dtype == theirs.dtype
            ours, theirs = tf.cast(ours, "float64").numpy(), tf.cast(theirs, "float64").numpy()
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=rtol * np.abs(theirs).max())

    def test_without_a_mask_every_step_is_real(self):
        layer = PackedLSTM(3, return_sequences=True)
        x = tf.random.stateless_normal((4, 6, 5), (0, 1))
        np.testing.assert_allclose(layer(x), looped_lstm(x, *layer._weights()), rtol=1e-5, atol=1e-6)


@pytest.fixture
def make_model(monkeypatch):
    def make(kernels, precision="float32", **settings):
        monkeypatch.setenv(KERNELS, kernels)
        keras.utils.set_random_seed(0)
        policy = keras.DTypePolicy(precision)
        network = system("fusion").build(Config(conv_filters=2, lstm_units=8, lstm_layers=1), 4, dtype=policy)
        discriminator = PairDiscriminator(6, dtype=policy)
        model = ContrastiveModel(network, alpha=0.3, discriminator=discriminator, dtype=policy, **settings)
        model.compile(keras.optimizers.Adam(0.003), jit_compile=False)
        model.optimizer.build(model.trainable_variables)
        return model

    return make


@pytest.fixture
def batch(examples):
    x, y = examples()
    x["num_tokens"][:] = [0, 1, 5, 30, 31, 12]
    return keras.tree.map_structure(tf.constant, (x, y))


def losses(model, batch, compiled):
    step = tf.function(model.train_step, jit_compile=compiled)
    found = []
    for _ in range(STEPS):
        model.reset_metrics()
        found.append(float(step(batch)["loss"]))
    return found


@pytest.mark.parametrize(
    ("precision", "rtol"),
    [
        ("float32", 1e-5),
        *(pytest.param(name, 0.02, marks=pytest.mark.full) for name in ("mixed_float16", "mixed_bfloat16")),
    ],
)
def test_xla_compiles_a_whole_step_deterministically_which_trains_as_the_others_do(make_model, batch, precision, rtol):
    assert is_op_determinism_enabled()
    expected = losses(make_model("cpu"), batch, compiled=False)
    found = losses(make_model("xla", precision), batch, compiled=True)
    np.testing.assert_allclose(found, expected, rtol=rtol)
    assert found[-1] < found[0] - 0.02


@pytest.mark.full
def test_a_whole_training_by_xla_has_the_history_of_one_by_the_other_kernels(
    small_config, small_dataset, tmp_path, monkeypatch
):
    config = dataclasses.replace(small_config, alpha=0.1)
    histories = []
    for kernels in ("cpu", "xla"):
        monkeypatch.setenv(KERNELS, kernels)
        histories.append(train_fold(plan(config, small_dataset.folder), tmp_path / kernels).history)
    for found, expected in zip(*histories, strict=True):
        for name in ("loss", "val_loss", "val_ua"):
            assert found[name] == pytest.approx(expected[name], rel=1e-3), name
    drawn = dataclasses.replace(config, negatives_per_anchor=3, epochs=1)  # the last batch is smaller than the others
    assert np.isfinite(train_fold(plan(drawn, small_dataset.folder), tmp_path / "drawn").history[0]["loss"])


def test_a_training_compiles_its_step_where_it_is_asked_to(make_model, monkeypatch):
    asked = []

    def compiled(step, jit_compile, **named):
        asked.append(jit_compile)
        return lambda batch: {}

    for kernels in ("cpu", "keras", "xla"):
        model = make_model(kernels)
        InputTimer(model, by_xla=compiles(model.network))
        with monkeypatch.context() as patched:
            patched.setattr(tf, "function", compiled)
            model.train_function(iter(tf.data.Dataset.from_tensors(1)))
    assert asked == [False, False, True]


def test_drawn_negatives_compile_and_stay_the_same_draws():
    from tfcr.objectives.negatives import negative_weights

    labels, utterances = tf.range(12) % 4, tf.range(12)
    drawn = [
        negative_weights(labels, utterances, per_anchor=3, seed=tf.constant(seed, dtype))
        for seed in ([7, 3], [2**31 - 1, 0])
        for dtype in (tf.int32, tf.int64)
    ]
    for first, second in (drawn[:2], drawn[2:]):
        np.testing.assert_array_equal(first, second)
    assert (drawn[0].numpy() != drawn[2].numpy()).any()
    compiled = tf.function(negative_weights, jit_compile=True)
    found = compiled(labels, utterances, per_anchor=3, seed=keras.random.SeedGenerator(5).next())
    assert tf.reduce_sum(found, axis=1).numpy().tolist() == [3] * 12
    assert not found.numpy()[labels[:, None] == labels[None, :]].any()


def test_the_loops_of_the_lstm_say_how_often_they_run():
    """Else the host would ask the device after each step whether it was the last."""
    keras.utils.set_random_seed(0)  # TensorFlow draws a number to find the device
    inputs = tf.random.stateless_normal((2, 30, 4), (0, 1))
    layer = PackedLSTM(3, return_sequences=True)
    layer.build(inputs.shape)

    @tf.function(jit_compile=True)
    def gradient(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = looped_lstm(inputs, *layer._weights())
        return tape.gradient(outputs, inputs)

    compiled = gradient.experimental_get_compiler_ir(inputs)(stage="optimized_hlo")
    assert re.findall(r'known_trip_count"?:\{"?n"?:"(\d+)"', compiled) == ["30", "30"]  # forwards and backwards
