"""MDRE and MHA-k against their equations in NumPy, and what padding and empty transcripts do to them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from oracles import bidirectional_lstm, dense, gru_state, hop, shake, standardized, weights_of

from tfcr.config import PRESETS, from_mapping
from tfcr.models.layers.word_table import WordTable
from tfcr.models.sizes import Sizes
from tfcr.models.systems import defaults_of, system

# Keras warns of the softmax over one word, which is 1 as it should be
pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis 1:UserWarning")

SYSTEMS = ["mdre", "mha-1", "mha-2", "mha-3"]


@pytest.fixture
def make_shaken(make_network):
    def make(name):
        network = make_network(name)
        shake(network)
        return network

    return make


def count(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def full_size(name, vocabulary):
    return system(name).build(from_mapping({}, "paper", defaults_of(name, "paper")), 4, Sizes(vocabulary))


def test_mdre_has_the_parameters_of_its_paper():
    network = full_size("mdre", 3000)
    # a GRU: three gates of 200, each over the input and the state, with a bias for either product
    audio = 3 * 200 * (39 + 200 + 2) + (200 + 35) * 117 + 117
    text = 3 * 200 * (300 + 200 + 2) + 200 * 100 + 100
    table = 3001 * 300
    head = (117 + 100) * 4 + 4
    assert count(network.get_layer("audio_encoder").trainable_weights) == audio == 172_212
    assert count(network.get_layer("text_encoder").trainable_weights) == table + text == 900_300 + 321_300
    assert count(network.trainable_weights) == audio + text + table + head
    assert count(network.non_trainable_weights) == 2 * 39 + 2 * 35  # mean and deviation


@pytest.mark.parametrize("name", ["mha-1", "mha-2", "mha-3"])
def test_mha_has_as_many_parameters_for_any_number_of_hops(name):
    network = full_size(name, 3000)
    # two directions of four gates of 200, each over the input, the state before and a bias; attention has no weights
    audio = 2 * 4 * 200 * (39 + 200 + 1) + 400 * 400 + 400
    text = 2 * 4 * 200 * (300 + 200 + 1)
    assert count(network.trainable_weights) == audio + text + 3001 * 300 + (800 * 4 + 4) == 2_249_504
    assert count(network.non_trainable_weights) == 2 * 39


def frames_and_words(network, x, row):
    audio, text = network.get_layer("audio_encoder"), network.get_layer("text_encoder")
    frames = standardized(audio.get_layer("standardization"), x["mfcc"][row, : x["num_mfcc"][row]])
    (table,) = weights_of(text.get_layer("word_table"))
    return audio, text, frames, table[x["token_ids"][row, : x["num_token_ids"][row]]]


def mdre(network, x, row):
    audio, text, frames, words = frames_and_words(network, x, row)
    prosody = standardized(audio.get_layer("prosody_standardization"), x["prosody"][row])
    spoken = np.concatenate([gru_state(weights_of(audio.get_layer("gru")), frames), prosody])
    audio_embedding = dense(audio.get_layer("audio_embedding"), spoken)
    return audio_embedding, dense(text.get_layer("text_embedding"), gru_state(weights_of(text.get_layer("gru")), words))


def mha(hops):
    def summaries(network, x, row):
        audio, text, frames, words = frames_and_words(network, x, row)
        audio_outputs, audio_state = bidirectional_lstm(audio.get_layer("bidirectional_lstm"), frames)
        text_outputs, _ = bidirectional_lstm(text.get_layer("bidirectional_lstm"), words)
        state = dense(audio.get_layer("projection"), audio_state)
        h1 = hop(state, text_outputs)
        h2 = hop(h1, audio_outputs)
        h3 = hop(h2, text_outputs)
        return {1: (state, h1), 2: (h2, h1), 3: (h2, h3)}[hops]

    return summaries


@pytest.mark.parametrize(("name", "oracle"), [("mdre", mdre), *((f"mha-{hops}", mha(hops)) for hops in (1, 2, 3))])
def test_a_score_is_what_the_equations_say(make_shaken, inputs, name, oracle):
    network = make_shaken(name)
    x = inputs(network.input)
    found = {key: np.asarray(value) for key, value in network(x).items()}
    kernel, bias = weights_of(network.get_layer("head"))
    for row in range(len(x["mfcc"])):
        audio, text = oracle(network, x, row)
        np.testing.assert_allclose(found["audio_embedding"][row], audio, atol=1e-5)
        np.testing.assert_allclose(found["text_embedding"][row], text, atol=1e-5)
        np.testing.assert_allclose(found["logits"][row], np.concatenate([audio, text]) @ kernel + bias, atol=1e-5)
        np.testing.assert_allclose(found["audio_logits"][row], audio @ kernel[: len(audio)], atol=1e-5)
    assert np.abs(found["logits"]).max() > 0.1


@pytest.mark.parametrize("name", SYSTEMS)
def test_padding_and_company_change_no_score(make_shaken, inputs, name):
    network = make_shaken(name)
    x = inputs(network.input)
    found = np.asarray(network(x)["logits"])
    rng = np.random.default_rng(1)
    garbage = {
        **x,
        "mfcc": np.pad(x["mfcc"], ((0, 0), (0, 2), (0, 0))),
        "token_ids": np.pad(x["token_ids"], [(0, 0), (0, 3)]),
    }
    for sequence, counts in (("mfcc", "num_mfcc"), ("token_ids", "num_token_ids")):
        padding = np.arange(garbage[sequence].shape[1])[None, :] >= x[counts][:, None]
        drawn = (
            rng.integers(1, 9, garbage[sequence].shape)
            if sequence == "token_ids"
            else rng.normal(0, 99, garbage[sequence].shape)
        )
        garbage[sequence] = np.where(
            padding.reshape(padding.shape + (1,) * (drawn.ndim - 2)), drawn, garbage[sequence]
        ).astype(x[sequence].dtype)
    np.testing.assert_allclose(network(garbage)["logits"], found, atol=1e-6)
    for row in range(len(found)):
        alone = {key: value[row : row + 1] for key, value in x.items()}
        np.testing.assert_allclose(network(alone)["logits"][0], found[row], atol=1e-6)


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_batch_of_empty_transcripts_is_scored_whatever_its_padding(make_shaken, inputs, name, steps):
    network = make_shaken(name)
    x = inputs(network.input, size=2)
    expected = np.asarray(network(x)["logits"])[1]  # whose transcript is empty, beside one that is not
    empty = {key: value[1:2] for key, value in x.items()} | {"token_ids": np.zeros((1, steps), np.int32)}
    found = network(empty)
    np.testing.assert_allclose(found["logits"][0], expected, atol=1e-6)
    if name != "mdre":  # whose projection has a bias
        np.testing.assert_array_equal(found["text_embedding"], np.zeros((1, 6)))
        np.testing.assert_array_equal(found["text_logits"], np.zeros((1, 4)))


@pytest.mark.parametrize("name", ["mdre", "mha-3"])
def test_a_graph_of_any_length_scores_alike(make_shaken, inputs, name):
    network = make_shaken(name)
    signature = {key: tf.TensorSpec(tensor.shape, tensor.dtype) for key, tensor in network.input.items()}
    graph = tf.function(lambda x: network(x, training=False), input_signature=[signature])
    x = inputs(network.input)
    wordless = {**x, "token_ids": np.zeros((4, 0), np.int32), "num_token_ids": np.zeros(4, np.int32)}
    for given in (x, wordless, inputs(network.input, size=1, frames=2, words=7)):
        for key, value in network(given).items():
            np.testing.assert_allclose(graph(given)[key], value, atol=1e-6, err_msg=key)
    assert len(graph._list_all_concrete_functions()) == 1


@pytest.mark.parametrize("name", ["mdre", "mha-2"])
def test_an_empty_transcript_has_finite_gradients(make_shaken, inputs, make_trained_step, name):
    network = make_shaken(name)
    before = [weight.numpy() for weight in network.trainable_weights]
    make_trained_step(network, inputs(network.input))
    for weight, old in zip(network.trainable_weights, before, strict=True):
        assert np.isfinite(weight).all(), weight.path
        assert (weight.numpy() != old).any(), weight.path


@pytest.fixture
def make_trained_step():
    from tfcr.models.contrastive import ContrastiveModel

    def step(network, x):
        model = ContrastiveModel(network, alpha=0.3)
        model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
        history = model.fit(x, np.arange(len(x["mfcc"])) % 4, verbose=0).history
        assert np.isfinite(history["loss"]).all()

    return step


@pytest.mark.parametrize("name", SYSTEMS)
def test_dropout_acts_on_training_alone(inputs, name):
    config = from_mapping({"recurrent_units": 3}, "paper", defaults_of(name, "paper"))
    assert (config.audio_dropout, config.text_dropout) == (0.3, 0.7)
    keras.utils.set_random_seed(0)
    network = system(name).build(config, 4, Sizes(9))
    x = inputs(network.input)
    still = np.asarray(network(x, training=False)["logits"])
    np.testing.assert_array_equal(network(x, training=False)["logits"], still)
    assert np.abs(network(x, training=True)["logits"] - still).max() > 1e-3


def test_the_recurrent_start_is_orthogonal(make_network):
    for encoder in ("audio_encoder", "text_encoder"):
        recurrent = make_network("mdre").get_layer(encoder).get_layer("gru").cell.recurrent_kernel.numpy()
        np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(3), atol=1e-5)  # 3 x 9: orthonormal rows


class TestDefaults:
    def test_they_are_those_of_the_papers(self):
        mdre, mha = (from_mapping({}, "paper", defaults_of(name, "paper")) for name in ("mdre", "mha-2"))
        assert (mdre.clip_value, mdre.clip_norm, mdre.batch_size, mdre.patience) == (10, None, 128, 7)
        assert (mha.clip_value, mha.clip_norm, mha.batch_size, mha.patience) == (None, 1, 128, 15)
        assert mdre.learning_rate == mha.learning_rate == 1e-3
        assert mdre.epochs == mha.epochs == 100
        assert mdre.classification_loss == "softmax"

    @pytest.mark.parametrize("name", [*SYSTEMS, "ds-lstm", "early-fusion"])
    def test_the_authors_preset_says_nothing_of_another_papers_network(self, name):
        config = from_mapping({}, "authors", defaults_of(name, "authors"))
        paper = from_mapping({}, "paper", defaults_of(name, "paper"))
        kept = {"preset", "protocol", "stop_on", "negatives", "discriminator"}  # of the comparison, not of the network
        different = {key for key, value in config.to_dict().items() if value != paper.to_dict()[key]}
        assert different - {"classification_loss"} == kept
        assert config.classification_loss == ("sigmoid" if name == "mdre" else "softmax")

    @pytest.mark.parametrize("name", ["audio", "text", "fusion", "late-fusion"])
    def test_the_papers_own_networks_follow_the_preset(self, name):
        for preset, config in PRESETS.items():
            assert from_mapping({}, preset, defaults_of(name, preset)) == config


class TestWordTable:
    def table(self):
        table = WordTable(3, 2, name="word_table")
        table.build((None, None))
        return table

    def test_a_word_starts_with_its_vector_and_others_within_a_quarter(self):
        table = self.table()
        vectors = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
        table.set_vectors(vectors, np.array([True, False, True]), seed=0)
        found = table(np.array([[0, 1, 2, 3]])).numpy()[0]
        np.testing.assert_array_equal(found[[0, 1, 3]], [[0, 0], [1, 2], [5, 6]])
        drawn = np.random.default_rng(0).uniform(-0.25, 0.25, (3, 2))
        np.testing.assert_allclose(found[2], drawn[1], rtol=1e-6)

    def test_the_seed_decides_the_draws(self):
        nothing = np.zeros((3, 2), np.float32), np.zeros(3, bool)
        draws = []
        for seed in (1, 1, 2):
            table = self.table()
            table.set_vectors(*nothing, seed=seed)
            draws.append(table.table.numpy())
        np.testing.assert_array_equal(draws[0], draws[1])
        assert (draws[0] != draws[2])[1:].all()
        assert all(np.abs(drawn).max() <= 0.25 for drawn in draws)

    def test_a_new_table_is_within_a_quarter_and_zero_for_padding(self):
        values = self.table().table.numpy()
        assert not values[0].any()
        assert 0 < np.abs(values[1:]).max() <= 0.25

    def test_the_gradient_is_dense_summed_over_occurrences_and_zero_for_padding(self):
        table = self.table()
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(table(np.array([[1, 1, 3], [1, 0, 0]])))
        gradient = tape.gradient(total, table.table)
        assert isinstance(gradient, tf.Tensor)
        np.testing.assert_array_equal(gradient, [[0, 0], [3, 3], [0, 0], [1, 1]])

    @pytest.mark.parametrize(("vectors", "known"), [((2, 2), (3,)), ((3, 2), (2,)), ((3, 5), (3,))])
    def test_arrays_of_other_shapes_are_refused(self, vectors, known):
        with pytest.raises(ValueError, match=r"must have the shapes \(3, 2\) and \(3,\). Received: vectors.shape="):
            self.table().set_vectors(np.zeros(vectors), np.zeros(known, bool), 0)


def test_mdre_drops_of_what_its_grus_read_and_not_of_their_last_states():
    network = system("mdre").build(from_mapping({}, "paper", defaults_of("mdre", "paper")), 4, Sizes(9))
    for name, rate in (("audio_encoder", 0.3), ("text_encoder", 0.7)):
        encoder = network.get_layer(name)
        kinds = [type(layer).__name__ for layer in encoder.layers]
        [place] = [place for place, kind in enumerate(kinds) if "Dropout" in kind]
        assert encoder.layers[place].rate == rate and place < kinds.index("GRU") < kinds.index("LastState")
