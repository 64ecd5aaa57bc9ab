"""Mixed precision: a scaled loss, skipped steps, and sums of exponentials in float32."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.optimizers import LossScaleOptimizer

# Keras warns of the softmax over one word, which is 1 as it should be
pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis 1:UserWarning")

INITIAL_SCALE = 2.0**15  # Keras's


@pytest.fixture
def half(make_model):
    """The small model in mixed_float16 with its optimizer built, and what that optimizer is handed."""
    model = make_model(alpha=0.3, dtype=keras.DTypePolicy("mixed_float16"))
    model.optimizer.build(model.trainable_variables)
    return model


def step(model, x, y, sample_weight=None):
    """One training step outside a graph."""
    tensors = keras.tree.map_structure(tf.constant, (x, y) if sample_weight is None else (x, y, sample_weight))
    return {name: float(value) for name, value in model.train_step(tensors).items()}


def values(model):
    return [weight.numpy() for weight in model.trainable_variables]


def test_mixed_float16_scales_the_loss(half, examples, monkeypatch):
    assert isinstance(half.optimizer, LossScaleOptimizer)
    handed = []
    monkeypatch.setattr(half.optimizer, "apply", lambda gradients, variables: handed.extend(gradients))
    x, y = examples()
    step(half, x, y)
    tensors = keras.tree.map_structure(tf.constant, (x, y))
    with tf.GradientTape() as tape:
        loss = half.compute_loss(*tensors, half(tensors[0], training=True))
        scaled = loss * INITIAL_SCALE
    for gradient, expected in zip(handed, tape.gradient(scaled, half.trainable_variables), strict=True):
        np.testing.assert_array_equal(gradient, expected)
    assert max(float(tf.reduce_max(tf.abs(gradient))) for gradient in handed) > 10  # not those of a loss of 1


def test_mixed_float16_learns_as_float32_does(half, make_model, examples):
    x, y = examples()
    full = make_model(alpha=0.3)
    assert not isinstance(full.optimizer, LossScaleOptimizer)
    losses = {m: m.fit(x, y, batch_size=6, epochs=3, verbose=0).history["loss"] for m in (half, full)}
    np.testing.assert_allclose(losses[half], losses[full], rtol=0.02)
    assert losses[half][-1] < losses[half][0]
    assert float(half.optimizer.dynamic_scale) == INITIAL_SCALE


@pytest.mark.parametrize(
    ("broken", "in_graph"),
    [("infinite weight", False), ("huge weight", False), ("infinite input", False), ("infinite weight", True)],
)
def test_a_step_whose_gradient_is_not_finite_is_skipped_and_the_scale_halved(half, examples, broken, in_graph):
    x, y = examples()
    weight = np.ones(6, np.float32)
    if broken == "infinite input":
        x["embeddings"][0, 0, 0] = np.inf
        x["num_tokens"][0] = 3
    else:
        weight[0] = np.inf if broken == "infinite weight" else 1e30  # 1e30 x 2^15 is beyond float16 by far
    before = values(half)

    def train(x, y, weight):
        half.run_eagerly = not in_graph
        half.fit(x, y, sample_weight=weight, batch_size=6, verbose=0)

    train(x, y, weight)
    for new, old in zip(values(half), before, strict=True):
        np.testing.assert_array_equal(new, old)
    assert float(half.optimizer.dynamic_scale) == INITIAL_SCALE / 2
    assert int(half.optimizer.iterations) == 0

    good, y = examples(seed=1)
    train(good, y, np.ones(6, np.float32))
    assert any((new != old).any() for new, old in zip(values(half), before, strict=True))
    assert float(half.optimizer.dynamic_scale) == INITIAL_SCALE / 2
    assert int(half.optimizer.iterations) == 1


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_both_losses_are_float32(make_model, examples, precision):
    model = make_model(dtype=keras.DTypePolicy(precision))
    x, y = examples()
    outputs = model(keras.tree.map_structure(tf.constant, x), training=True)
    assert {output.dtype.name for output in outputs.values()} == {precision.removeprefix("mixed_")}
    for losses in model.losses_of(outputs, y):
        assert losses.dtype == "float32"
    assert model.compute_loss(x, y, outputs).dtype == "float32"


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_large_scores_do_not_overflow_in_either_loss(make_model, precision):
    model = make_model(alpha=0.5, dtype=keras.DTypePolicy(precision))
    dtype = precision.removeprefix("mixed_")
    # e^200 overflows in half precision; -log(e^0 / (e^0 + 3 e^200)) = 200 + log 3 for each of two examples
    logits = np.array([[0, 200, 200, 200], [200, 0, 200, 200]])
    outputs = {"logits": tf.constant(logits, dtype)}
    outputs |= {name: tf.zeros((2, units), dtype) for name, units in (("audio_embedding", 128), ("text_embedding", 8))}
    classification, contrastive = model.losses_of(outputs, np.array([0, 1]))
    np.testing.assert_allclose(classification, 200 + np.log(3), rtol=1e-6)
    np.testing.assert_allclose(contrastive, np.log(2), rtol=1e-6)  # equal scores: one negative each


def test_mixed_bfloat16_takes_a_step_without_scaling(make_model, examples):
    model = make_model(dtype=keras.DTypePolicy("mixed_bfloat16"))
    assert not isinstance(model.optimizer, LossScaleOptimizer)
    before = values(model)
    logs = step(model, *examples())
    assert logs["loss"] == pytest.approx(np.float64(logs["loss"]))
    assert np.isfinite(logs["loss"])
    assert any((new != old).any() for new, old in zip(values(model), before, strict=True))
    assert {weight.dtype for weight in model.trainable_variables} == {"float32"}


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_decibels_reach_the_standardisation_unrounded(make_model, examples, precision):
    # bfloat16 has steps of 0.5 dB there and float16 of 0.0625: a model that cast its inputs would standardise what is
    # left of a deviation of 0.1 dB, off by up to 2.5 and 0.3; what the CNN's own half precision costs is far less
    model = make_model(dtype=keras.DTypePolicy(precision))
    encoder = model.network.get_layer("audio_encoder")
    encoder.get_layer("standardization").set_statistics(np.full(128, -80.0), np.full(128, 0.1))
    x, _ = examples(2)
    x["num_frames"][:] = 128
    x["spectrogram"] = np.random.default_rng(0).normal(-80, 0.1, x["spectrogram"].shape).astype(np.float32)
    expected = encoder([x["spectrogram"], x["num_frames"]])
    found = model.predict(x, verbose=0)["audio_embedding"]
    error = np.abs(found.astype("float32") - tf.cast(expected, "float32")).mean()
    assert error < {"mixed_float16": 0.002, "mixed_bfloat16": 0.01}[precision]
