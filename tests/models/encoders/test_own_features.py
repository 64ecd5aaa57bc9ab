"""Features of one's own in the place of the paper's: fusion, audio and text."""

import dataclasses

import keras
import numpy as np
import pytest
from oracles import dense, shake, softmax, standardized

from tfcr.config import PRESETS, Config
from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.encoders.configured import audio_encoder_of, text_encoder_of
from tfcr.models.encoders.projection_encoder import projection_encoder
from tfcr.models.network import over_utterances
from tfcr.models.sizes import Sizes
from tfcr.models.systems import system

CONFIG = Config(conv_filters=1, lstm_layers=1, lstm_units=3, projection_units=5)


def build(name, audio=None, text=None, config=CONFIG):
    network = system(name).build(config, 4, Sizes(audio_features=audio, text_features=text))
    shake(network)
    return network


@pytest.mark.parametrize(("shape", "counts"), [((None, 7), True), ((7,), False)])
@pytest.mark.parametrize("modality", ["audio", "text"])
def test_the_encoder_is_a_projection_averaged_over_real_steps(modality, shape, counts):
    encoder = projection_encoder(modality, shape, 5)
    assert encoder.name == f"{modality}_encoder"
    assert sum(int(np.prod(weight.shape)) for weight in encoder.trainable_weights) == 7 * 5 + 5
    shake(encoder)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 6, 7) if counts else (3, 7)).astype(np.float32)
    lengths = np.array([6, 1, 4], np.int32)
    found = encoder([x, lengths] if counts else [x]).numpy()
    for row in range(3):
        real = x[row, : lengths[row]] if counts else x[row : row + 1]
        projected = np.maximum(
            dense(encoder.get_layer("projection"), standardized(encoder.get_layer("standardization"), real)), 0
        )
        np.testing.assert_allclose(found[row], projected.mean(axis=0), atol=1e-5)
    if counts:
        x[1, 1:] = 99
        np.testing.assert_array_equal(encoder([x, lengths])[1], found[1])


def test_the_projection_has_the_initial_weights_that_a_configuration_asks_for():
    keras.utils.set_random_seed(0)
    sizes = Sizes(audio_features=(None, 100), text_features=(100,))
    for initializers, limit in (("pytorch", 0.1), ("keras", np.sqrt(6 / (100 + 50)))):
        config = Config(projection_units=50, initializers=initializers)
        for encoder in (audio_encoder_of(config, sizes), text_encoder_of(config, sizes)):
            kernel, bias = encoder.get_layer("projection").get_weights()
            assert 0.99 * limit < np.abs(kernel).max() <= limit
            assert np.any(bias) is np.bool_(initializers == "pytorch")


@pytest.mark.parametrize("pooling", ["mean", "attention"])
@pytest.mark.parametrize("layers", [None, 3])
def test_layers_are_weighed_and_steps_averaged_or_attended_over(layers, pooling):
    shape = (None, 7) if layers is None else (layers, None, 7)
    encoder = projection_encoder("audio", shape, 5, pooling)
    shake(encoder)
    x = np.random.default_rng(0).normal(size=(3, *shape[:-2], 6, 7)).astype(np.float32)
    lengths = np.array([6, 1, 4], np.int32)
    found = encoder([x, lengths]).numpy()
    for row, length in enumerate(lengths):
        real = standardized(encoder.get_layer("standardization"), x[row, ..., :length, :])
        if layers is not None:
            scores = encoder.get_layer("layer_mean").scores.numpy().astype(np.float64)
            real = np.einsum("ltd,l->td", real, softmax(scores))
        projected = np.maximum(dense(encoder.get_layer("projection"), real), 0)
        weights = np.full(length, 1 / length)
        if pooling == "attention":
            weights = softmax(projected @ encoder.get_layer("attention_pooling").query.numpy().astype(np.float64))
        np.testing.assert_allclose(found[row], weights @ projected, atol=1e-5)
    x[1, ..., 1:, :] = 99
    np.testing.assert_array_equal(encoder([x, lengths])[1], found[1])


@pytest.mark.parametrize(("name", "audio", "text", "inputs"), [
    ("audio", (None, 7), None, {"audio_features", "num_audio_features"}),
    ("audio", (7,), None, {"audio_features"}),
    ("text", None, (None, 6), {"text_features", "num_text_features"}),
    ("fusion", (7,), (None, 6), {"audio_features", "text_features", "num_text_features"}),
    ("fusion", (7,), None, {"audio_features", "embeddings", "num_tokens"}),
    ("fusion", None, (6,), {"spectrogram", "num_frames", "text_features"}),
    ("audio", (3, None, 7), None, {"audio_features", "num_audio_features"}),
])  # fmt: skip
def test_a_network_takes_what_it_is_told_of_and_the_papers_for_the_rest(name, audio, text, inputs):
    network = build(name, audio, text)
    assert set(network.input) == inputs
    whole = over_utterances(network)
    if "spectrogram" in inputs:
        assert set(whole.input) == inputs
        assert whole.input["spectrogram"].shape == (None, None, 128, 128)
    else:
        assert whole is network


def test_the_head_sees_both_projections():
    network = build("fusion", (7,), (6,))
    rng = np.random.default_rng(0)
    x = {"audio_features": rng.normal(size=(2, 7)).astype("f4"), "text_features": rng.normal(size=(2, 6)).astype("f4")}
    found = {name: np.asarray(value) for name, value in network(x).items()}
    assert found["audio_embedding"].shape == found["text_embedding"].shape == (2, 5)
    both = np.hstack([found["audio_embedding"], found["text_embedding"]])
    np.testing.assert_allclose(found["logits"], both @ network.get_layer("head").kernel.numpy(), atol=1e-5)


def test_each_standardisation_says_whose_statistics_it_takes():
    network = build("fusion", (7,), (None, 6))
    for modality in ("audio", "text"):
        layer = network.get_layer(f"{modality}_encoder").get_layer("standardization")
        assert layer.feature == f"{modality}_features"


def test_the_authors_penalty_covers_ones_own_text_encoder():
    config = dataclasses.replace(PRESETS["authors"], projection_units=5)
    for shape, each in (((6,), config), ((3, None, 6), dataclasses.replace(config, pooling="attention"))):
        network = build("text", text=shape, config=each)
        expected = 0.0015 * sum(np.linalg.norm(weight.numpy()) for weight in network.trainable_weights)
        assert float(sum(network.losses)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(), (2, None, None), (None,), (3, None), (3, 4, 5), (2, 2, None, 7)])
def test_a_shape_that_is_neither_a_vector_nor_a_sequence_is_refused(shape):
    expected = r"`shape` must be \(steps, dim\), \(layers, steps, dim\) or \(dim,\). Received: shape="
    with pytest.raises(ValueError, match=expected):
        projection_encoder("audio", shape)


def test_another_pooling_is_refused():
    with pytest.raises(ValueError, match=r"`pooling` must be 'mean' or 'attention'\. Received: pooling='max'"):
        projection_encoder("audio", (None, 7), pooling="max")


def test_encoders_of_layers_train_by_from_encoders():
    encoders = [projection_encoder(of, (2, None, 3), 4, "attention") for of in ("audio", "text")]
    model = ContrastiveModel.from_encoders(*encoders, num_classes=2, alpha=0.1)
    model.compile("adam")
    rng = np.random.default_rng(0)
    x = {f"{of}_features": rng.normal(size=(8, 2, 5, 3)).astype("f4") for of in ("audio", "text")}
    x |= {f"num_{of}_features": np.full(8, 5, np.int32) for of in ("audio", "text")}
    assert np.isfinite(model.train_on_batch(x, np.arange(8) % 2)[0])
    for encoder in encoders:
        assert encoder.get_layer("layer_mean").scores.numpy().any()
        assert encoder.get_layer("attention_pooling").query.numpy().any()
