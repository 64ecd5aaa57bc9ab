"""Networks over examples and over whole utterances (Eq. 1-4)."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tfcr.models import network as network_module
from tfcr.models.kernels import answering
from tfcr.models.network import AUDIO, encode_in_blocks, over_utterances
from tfcr.models.systems import system as system_of
from tfcr.schema import FLOOR_DB, NUM_BINS, SEGMENT_FRAMES

# Keras warns of the softmax over one word, which is 1 as it should be
pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis 1:UserWarning")

SEGMENTS = np.array([1, 5])
FRAMES = np.array([77, 4 * SEGMENT_FRAMES + 9])  # of utterances of one and five segments


@pytest.fixture
def utterances(examples):
    """A batch of an utterance with one segment and one with five, padded to five segments."""
    x, _ = examples(2)
    spectrogram = np.random.default_rng(3).normal(0, 1, (2, 5 * SEGMENT_FRAMES, NUM_BINS)).astype(np.float32)
    spectrogram[np.arange(5 * SEGMENT_FRAMES)[None, :] >= FRAMES[:, None]] = FLOOR_DB
    spectrogram = spectrogram.reshape(2, 5, SEGMENT_FRAMES, NUM_BINS)
    return {**x, "spectrogram": spectrogram, "num_frames": FRAMES.astype(np.int32)}


def numpy(outputs):
    return {name: np.asarray(value) for name, value in outputs.items()}


def segment_by_segment(network, utterances, row):
    """The network on each real segment of an utterance, and the segments' real frames."""
    frames = np.clip(FRAMES[row] - SEGMENT_FRAMES * np.arange(SEGMENTS[row]), 0, SEGMENT_FRAMES)
    x = {name: np.repeat(utterances[name][row : row + 1], SEGMENTS[row], axis=0) for name in utterances}
    x = {**x, "spectrogram": utterances["spectrogram"][row, : SEGMENTS[row]], "num_frames": frames.astype(np.int32)}
    return numpy(network({name: x[name] for name in network.input})), frames


def test_the_score_is_the_sum_of_the_modalities_scores(make_network, examples, utterances):
    network = make_network()
    for model, x in ((network, examples()[0]), (over_utterances(network), utterances)):
        outputs = numpy(model(x))
        assert set(outputs) == {"logits", "audio_logits", "text_logits", "audio_embedding", "text_embedding"}
        np.testing.assert_array_equal(outputs["logits"], outputs["audio_logits"] + outputs["text_logits"])  # Eq. 4
        kernel = network.get_layer("head").kernel.numpy()
        np.testing.assert_allclose(outputs["audio_logits"], outputs["audio_embedding"] @ kernel[:128], atol=1e-5)
        np.testing.assert_allclose(outputs["text_logits"], outputs["text_embedding"] @ kernel[128:], atol=1e-5)


@pytest.mark.parametrize("system", ["fusion", "audio", "text"])
def test_over_utterances_is_the_mean_over_segments_weighted_by_their_real_frames(make_network, utterances, system):
    network = make_network(system)
    whole = over_utterances(network)
    found = numpy(whole({name: utterances[name] for name in whole.input}))
    for row in range(2):
        segments, frames = segment_by_segment(network, utterances, row)
        for name, values in segments.items():
            expected = np.average(values.astype(np.float64), axis=0, weights=frames)
            np.testing.assert_allclose(found[name][row], expected, rtol=1e-5, atol=1e-5, err_msg=name)


def test_an_utterance_of_one_segment_is_that_example(make_network, utterances):
    network = make_network()
    one = {name: value[:1] for name, value in utterances.items()}
    example = {**one, "spectrogram": one["spectrogram"][:, 0]}
    whole = numpy(over_utterances(network)({**one, "spectrogram": one["spectrogram"][:, :1]}))
    for name, value in numpy(network(example)).items():
        np.testing.assert_allclose(whole[name], value, rtol=1e-6, atol=1e-6)


def test_padded_segments_change_nothing(make_network, utterances):
    whole = over_utterances(make_network())
    found = numpy(whole(utterances))
    garbage = np.random.default_rng(0).normal(0, 100, (2, 2, SEGMENT_FRAMES, NUM_BINS)).astype(np.float32)
    longer = {**utterances, "spectrogram": np.concatenate([utterances["spectrogram"], garbage], axis=1)}
    dirty = {**utterances, "spectrogram": utterances["spectrogram"].copy()}
    dirty["spectrogram"][0, 1:] = garbage[0, :1]
    for other in (longer, dirty):
        for name, value in numpy(whole(other)).items():
            np.testing.assert_allclose(value, found[name], rtol=1e-6, atol=1e-6, err_msg=name)


def test_the_company_of_an_utterance_changes_nothing(make_network, utterances):
    whole = over_utterances(make_network())
    together = numpy(whole(utterances))
    for row in range(2):
        alone = {name: value[row : row + 1] for name, value in utterances.items()}
        alone["spectrogram"] = alone["spectrogram"][:, : SEGMENTS[row]]
        for name, value in numpy(whole(alone)).items():
            np.testing.assert_allclose(value[0], together[name][row], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("count", [0, 1, 16, 37])
def test_an_encoder_in_blocks_gives_what_it_gives_of_all_segments_at_once(make_network, count):
    encoder, random = make_network().get_layer(AUDIO), np.random.default_rng(0)
    segments = random.normal(0, 1, (count, SEGMENT_FRAMES, NUM_BINS)).astype(np.float32)
    frames = random.integers(0, SEGMENT_FRAMES + 1, count).astype(np.int32)
    in_a_graph = tf.function(lambda segments, frames: encode_in_blocks(encoder, segments, frames), autograph=False)
    found = np.asarray(in_a_graph(segments, frames))
    assert found.shape == (count, 128)
    if count:
        np.testing.assert_allclose(found, encoder([segments, frames]), rtol=1e-5, atol=1e-5)


def test_what_only_answers_sees_segments_in_blocks_and_answers_the_same(make_network, utterances, monkeypatch):
    whole = over_utterances(make_network())
    expected = numpy(whole(utterances))
    seen = []
    monkeypatch.setattr(network_module, "_BLOCK", 4)
    monkeypatch.setattr(
        network_module, "encode_in_blocks", lambda *arguments: seen.append(1) or encode_in_blocks(*arguments)
    )
    with answering():
        found = tf.function(lambda x: whole(x), autograph=False)(utterances)
    assert seen
    for name, value in numpy(found).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-5, err_msg=name)


def test_it_shares_the_networks_weights(make_network):
    network = make_network()
    assert {id(w) for w in over_utterances(network).weights} == {id(w) for w in network.weights}


@pytest.mark.parametrize(("system", "inputs", "outputs"), [
    ("audio", {"spectrogram", "num_frames"}, {"logits", "audio_logits", "audio_embedding"}),
    ("text", {"embeddings", "num_tokens"}, {"logits", "text_logits", "text_embedding"}),
])  # fmt: skip
def test_one_modality_needs_and_tells_nothing_of_the_other(make_network, examples, system, inputs, outputs):
    network = make_network(system)
    assert set(network.input) == inputs
    found = numpy(network({name: value for name, value in examples()[0].items() if name in inputs}))
    assert set(found) == outputs
    np.testing.assert_array_equal(found["logits"], found[f"{system}_logits"])


def test_a_classifier_has_a_bias_only_when_asked(make_network, small):
    for name in ("fusion", "audio", "text"):
        assert [w.name for w in make_network(name).get_layer("head").weights] == ["kernel"]
        biased = system_of(name).build(replace(small, head_bias=True), 4)
        assert [w.name for w in biased.get_layer("head").weights] == ["kernel", "bias"]
