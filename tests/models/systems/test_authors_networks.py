"""What the authors' code has and the text has not: initial weights, penalty, cosine, LSTM over padding, dropout."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcr.config import PRESETS
from tfcr.models.encoders.text_encoder import text_encoder
from tfcr.models.heads.cosine_discriminator import CosineDiscriminator
from tfcr.models.layers.initializers import SumOfUniforms, linear_initializers, lstm_initializers
from tfcr.models.layers.norm_penalty import NormPenalty
from tfcr.models.systems import system
from tfcr.schema import EMBEDDING_DIM, MAX_TOKENS


def count(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


@pytest.fixture(scope="module")
def networks():
    keras.utils.set_random_seed(3)
    return {name: system(name).build(PRESETS["authors"], 4) for name in ("fusion", "audio", "text")}


def test_parameter_counts(networks):
    cnn = (3 * 3 * 1 * 8 + 8) + 3 * (3 * 3 * 8 * 8 + 8)
    lstm = 4 * 200 * (300 + 200 + 1)  # one layer; PyTorch has a second bias, which only ever adds to the first
    assert count(networks["audio"].trainable_weights) == cnn + 512 * 4 + 4 == 3_884
    assert count(networks["text"].trainable_weights) == lstm + 200 * 4 + 4 == 401_604
    assert count(networks["fusion"].trainable_weights) == cnn + lstm + 712 * 4 + 4 == 405_484
    discriminator = CosineDiscriminator(320)
    discriminator.build((None, 512), (None, 200))
    assert count(discriminator.weights) == 512 * 320 + 320 + 320 * 200 + 200 == 228_360


@pytest.mark.parametrize(("system_name", "path", "inputs"), [
    ("audio", "conv_0/kernel", 9),  # 3 x 3 x 1 channel
    ("audio", "conv_1/bias", 72),  # 3 x 3 x 8 channels
    ("audio", "head/kernel", 512),
    ("audio", "head/bias", 512),
    ("text", "lstm_cell/kernel", 200),  # everything of an LSTM by its units
    ("text", "recurrent_kernel", 200),
    ("fusion", "head/kernel", 712),
    ("fusion", "head/bias", 712),
])  # fmt: skip
def test_initial_weights_are_uniform_as_pytorchs(networks, system_name, path, inputs):
    (weight,) = [weight for weight in networks[system_name].trainable_weights if weight.path.endswith(path)]
    values, limit = weight.numpy(), 1 / np.sqrt(inputs)
    assert np.abs(values).max() <= limit
    if values.size > 1000:  # U(-k, k) has the deviation k / sqrt(3)
        assert values.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)
        assert np.abs(values).max() > 0.99 * limit
    assert np.abs(values).max() > 0.2 * limit  # no zeros


def test_the_bias_of_an_lstm_is_the_sum_of_two_draws():
    # the sum of two independent U(-k, k): deviation k sqrt(2/3), at most 2k, and not twice one draw (2k / sqrt(3))
    keras.utils.set_random_seed(0)
    drawn = keras.ops.convert_to_numpy(SumOfUniforms(0.5)((50_000,)))
    assert drawn.std() == pytest.approx(0.5 * np.sqrt(2 / 3), rel=0.02)
    assert 0.9 < np.abs(drawn).max() <= 1


def test_keras_initializers_are_the_layers_own():
    assert linear_initializers("keras", 5) == lstm_initializers("keras", 5) == {}


def test_the_penalty_is_the_sum_of_2_norms():
    # 3-4-5: the norm of [3, 4] is 5, that of [[1, 1], [1, 1]] is 2; not squared
    penalty = NormPenalty(0.1)
    assert float(penalty(keras.ops.array([3.0, 4.0])) + penalty(keras.ops.ones((2, 2)))) == pytest.approx(0.7)


def test_the_penalty_has_no_gradient_at_zero_and_points_outwards_elsewhere():
    zero, some = tf.Variable([0.0, 0.0]), tf.Variable([3.0, 4.0])
    with tf.GradientTape() as tape:
        loss = NormPenalty(2.0)(zero) + NormPenalty(2.0)(some)
    at_zero, elsewhere = tape.gradient(loss, [zero, some])
    np.testing.assert_array_equal(at_zero, [0, 0])
    np.testing.assert_allclose(elsewhere, [1.2, 1.6])  # rate x / |x|


def test_words_alone_are_penalised_and_nothing_else(networks):
    weights = networks["text"].trainable_weights
    expected = 0.0015 * sum(np.linalg.norm(weight.numpy()) for weight in weights)
    assert float(sum(networks["text"].losses)) == pytest.approx(expected, rel=1e-5)
    assert networks["fusion"].losses == networks["audio"].losses == []


def test_the_cosine_discriminator_written_out():
    rng = np.random.default_rng(0)
    audio, text = rng.normal(size=(3, 5)).astype(np.float32), rng.normal(size=(4, 6)).astype(np.float32)
    layer = CosineDiscriminator(7)
    scores = layer(audio, text).numpy()
    w1, b1, w2, b2 = (weight.numpy() for weight in layer.weights)
    for i in range(3):
        predicted = np.maximum(audio[i] @ w1 + b1, 0) @ w2 + b2
        for j in range(4):
            cosine = predicted @ text[j] / np.linalg.norm(predicted) / np.linalg.norm(text[j])
            assert scores[i, j] == pytest.approx(cosine, abs=1e-6)


def test_an_embedding_of_zeros_has_cosine_0_and_a_finite_gradient():
    text = tf.Variable(np.zeros((2, 6), np.float32))
    layer = CosineDiscriminator(7)
    with tf.GradientTape() as tape:
        scores = layer(np.ones((2, 5), np.float32), text)
        loss = tf.reduce_sum(scores)
    np.testing.assert_array_equal(scores, np.zeros((2, 2)))
    assert np.isfinite(tape.gradient(loss, text)).all()


@pytest.mark.parametrize("layer", [CosineDiscriminator(7, initializers="pytorch")], ids=["cosine"])
def test_layers_are_restored_from_their_configuration(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again(np.ones((3, 5), np.float32), np.ones((4, 6), np.float32)).shape == (3, 4)


def test_nothing_is_masked():
    # An LSTM that runs over padding sees it: the same words give other embeddings with another count of words only if
    # something is masked, and other ones with other padding only if nothing is.
    rng = np.random.default_rng(0)
    words = rng.normal(size=(1, MAX_TOKENS, EMBEDDING_DIM)).astype(np.float32)
    cut = words.copy()
    cut[:, 5:] = 0
    keras.utils.set_random_seed(0)
    encoder = text_encoder(1, 8, mask_padding=False)
    five, thirty = np.array([5], np.int32), np.array([30], np.int32)
    np.testing.assert_array_equal(encoder([cut, five]), encoder([cut, thirty]))
    assert np.abs(encoder([words, five]) - encoder([cut, five])).max() > 1e-3
    masked = text_encoder(1, 8)
    masked.set_weights(encoder.get_weights())
    np.testing.assert_array_equal(masked([words, five]), masked([cut, five]))
    np.testing.assert_allclose(masked([words, thirty]), encoder([words, thirty]), atol=1e-6)  # full sentences agree


def test_dropout_acts_in_training_alone_and_not_on_the_regularisers_embeddings(examples):
    config = dataclasses.replace(PRESETS["authors"], conv_filters=2, lstm_units=8, embedding_dropout=0.0)
    keras.utils.set_random_seed(0)
    network = system("fusion").build(config, 4)
    x, _ = examples()
    inference, training = network(x, training=False), network(x, training=True)
    np.testing.assert_array_equal(network(x, training=False)["logits"], inference["logits"])
    for name in ("audio_embedding", "text_embedding"):
        np.testing.assert_allclose(training[name], inference[name], atol=1e-6)
    assert np.abs(training["logits"] - inference["logits"]).max() > 1e-3
