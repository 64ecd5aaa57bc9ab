"""Feature-level and decision-level fusion against their equations in NumPy."""

import dataclasses

import keras
import numpy as np
import pytest
from oracles import dense, shake, softmax, standardized

from tfcr.config import PRESETS, from_mapping
from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.heads.decision_fusion import DecisionFusion
from tfcr.models.network import over_utterances
from tfcr.models.systems import defaults_of, system
from tfcr.models.systems.late_fusion import choose_share
from tfcr.schema import MAX_TOKENS

# Keras warns of the softmax over one word, which is 1 as it should be
pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis 1:UserWarning")


def count(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


class TestEarlyFusion:
    def test_parameter_count(self):
        network = system("early-fusion").build(from_mapping({}, "paper", defaults_of("early-fusion", "paper")), 4)
        vector = 2 * 39 + 35 + 300
        assert vector == 413
        assert count(network.trainable_weights) == (413 * 200 + 200) + (200 * 200 + 200) + (200 * 4 + 4) == 123_804
        assert count(network.non_trainable_weights) == 2 * 39 + 2 * 35

    @pytest.fixture
    def network(self, make_network):
        network = make_network("early-fusion")
        shake(network)
        return network

    def test_a_score_is_what_the_equations_say(self, network, inputs):
        x = inputs(network.input)
        x["num_tokens"][:2] = 0, MAX_TOKENS + 7  # of a long transcript there are 30 rows
        found = np.asarray(network(x)["logits"])
        for row in range(len(found)):
            frames = standardized(network.get_layer("standardization"), x["mfcc"][row, : x["num_mfcc"][row]])
            words = x["embeddings"][row, : x["num_tokens"][row]].astype(np.float64)
            vector = [frames.mean(axis=0), frames.std(axis=0)]
            vector.append(standardized(network.get_layer("prosody_standardization"), x["prosody"][row]))
            vector.append(words.mean(axis=0) if len(words) else np.zeros(300))
            hidden = np.concatenate(vector)
            for layer in ("hidden_0", "hidden_1"):
                hidden = np.maximum(dense(network.get_layer(layer), hidden), 0)
            np.testing.assert_allclose(found[row], dense(network.get_layer("head"), hidden), atol=1e-5)

    def test_padding_changes_no_score(self, network, inputs):
        x = inputs(network.input)
        padded = {name: value.copy() for name, value in x.items()}
        padded["mfcc"] = np.pad(x["mfcc"], ((0, 0), (0, 2), (0, 0)))
        padded["mfcc"][np.arange(8)[None, :] >= x["num_mfcc"][:, None]] = 50
        padded["embeddings"][np.arange(MAX_TOKENS)[None, :] >= x["num_tokens"][:, None]] = 50
        np.testing.assert_allclose(network(padded)["logits"], network(x)["logits"], atol=1e-5)

    def test_an_example_is_an_utterance(self, network):
        assert over_utterances(network) is network


class TestLateFusion:
    @pytest.mark.parametrize(("preset", "text"), [("paper", 721_600 + 200 * 4), ("authors", 400_800 + 200 * 4 + 4)])
    def test_its_parameters_are_those_of_audio_and_text(self, preset, text):
        config = PRESETS[preset]
        audio = 1832 + 512 * 4 + 4 * config.head_bias
        network = system("late-fusion").build(config, 4)
        assert count(network.trainable_weights) == audio + text
        assert sum(count(system(name).build(config, 4).trainable_weights) for name in ("audio", "text")) == audio + text

    def test_its_branches_are_the_unimodal_networks_with_their_penalty_and_dropout(self, inputs):
        config = dataclasses.replace(PRESETS["authors"], conv_filters=1, lstm_units=3)
        late, audio, text = (system(name).build(config, 4) for name in ("late-fusion", "audio", "text"))
        shake(late)
        x = inputs(late.input)
        head = late.get_layer("head")
        audio.get_layer("audio_encoder").set_weights(late.get_layer("audio_encoder").get_weights())
        text.get_layer("text_encoder").set_weights(late.get_layer("text_encoder").get_weights())
        audio.get_layer("head").set_weights(head.audio_classifier.get_weights())
        text.get_layer("head").set_weights(head.text_classifier.get_weights())
        found = late(x)
        for name, network in (("audio", audio), ("text", text)):
            alone = network({key: x[key] for key in network.input})["logits"]
            np.testing.assert_allclose(found[f"{name}_logits"], alone, atol=1e-6)
        # the loss is the mean of two cross-entropies, so that each part of it has half the weight
        assert float(sum(late.losses)) == pytest.approx(float(sum(text.losses)) / 2, rel=1e-5)
        rates = {layer.name: layer.rate for layer in late.layers if isinstance(layer, keras.layers.Dropout)}
        assert list(rates.values()) == [config.audio_head_dropout, config.text_head_dropout]

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
    def test_the_decision_is_the_log_of_the_mean_probability(self, make_network, inputs, share):
        network = make_network("late-fusion")
        network.get_layer("head").set_audio_share(share)
        found = {name: np.asarray(value, np.float64) for name, value in network(inputs(network.input)).items()}
        for row in range(4):
            audio, text = softmax(found["audio_logits"][row]), softmax(found["text_logits"][row])
            np.testing.assert_allclose(np.exp(found["logits"][row]), share * audio + (1 - share) * text, atol=1e-6)
            branches = found["audio_logits"][row], found["text_logits"][row]
            np.testing.assert_array_equal(found["branch_logits"][row], branches)

    def test_training_moves_no_share_and_each_branch_is_trained_for_itself(self, make_network, inputs):
        network = make_network("late-fusion")
        x, y = inputs(network.input), np.arange(4)
        model = ContrastiveModel(network, alpha=0)
        model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
        outputs = model.predict(x, verbose=0)
        expected = [
            -np.log([softmax(row)[label] for row, label in zip(outputs[f"{name}_logits"], y, strict=True)]).mean()
            for name in ("audio", "text")
        ]
        loss = model.fit(x, y, batch_size=4, verbose=0).history["loss"]
        assert loss == pytest.approx([np.mean(expected)], rel=1e-5)
        assert float(network.get_layer("head").audio_share) == 0.5

    def test_over_utterances_the_share_combines_whole_utterances(self, make_network, inputs):
        network = make_network("late-fusion")
        network.get_layer("head").set_audio_share(0.2)
        x = inputs(network.input, size=2)
        x["num_frames"][:] = 200, 60
        segments = np.random.default_rng(0).normal(0, 1, (2, 2, 128, 128)).astype(np.float32)
        found = {k: np.asarray(v) for k, v in over_utterances(network)({**x, "spectrogram": segments}).items()}
        one, two = (
            network({**x, "spectrogram": segments[:, n], "num_frames": np.clip(x["num_frames"] - 128 * n, 0, 128)})
            for n in (0, 1)
        )
        expected = (128 * np.asarray(one["audio_logits"][0]) + 72 * np.asarray(two["audio_logits"][0])) / 200
        np.testing.assert_allclose(found["audio_logits"][0], expected, atol=1e-5)
        mean = 0.2 * softmax(expected) + 0.8 * softmax(np.asarray(one["text_logits"][0]))
        np.testing.assert_allclose(np.exp(found["logits"][0]), mean, atol=1e-5)
        assert found["branch_logits"].shape == (2, 2, 4)

    @pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
    def test_a_share_beyond_its_range_is_refused(self, share):
        layer = DecisionFusion(2)
        layer.build((None, 1), (None, 1))
        with pytest.raises(ValueError, match=r"`share` must be from 0 to 1. Received: share="):
            layer.set_audio_share(share)


class TestChoiceOfTheShare:
    LABELS = np.array([0, 1, 0, 1])
    RIGHT = np.log([[0.6, 0.4], [0.4, 0.6], [0.6, 0.4], [0.4, 0.6]])

    def test_one_modality_that_is_always_right_and_surer_leaves_it_at_a_half(self):
        assert choose_share(self.RIGHT, self.RIGHT, self.LABELS) == 0.5

    def test_it_moves_no_farther_from_a_half_than_it_must(self):
        # text is wrong with 0.9 : 0.1, audio right with 0.6 : 0.4; right where 0.6 w + 0.1 (1 - w) > 0.5, w > 0.8
        wrong = np.log([[0.1, 0.9], [0.9, 0.1], [0.1, 0.9], [0.9, 0.1]])
        assert choose_share(self.RIGHT, wrong, self.LABELS) == pytest.approx(0.85)
        assert choose_share(wrong, self.RIGHT, self.LABELS) == pytest.approx(0.15)

    def test_it_is_chosen_by_ua_not_wa(self):
        # nine of class 0 and one of class 1: text says 0 throughout (WA 0.9, UA 0.5); audio has class 1 right and
        # four of nine wrong (WA 0.6, UA 7/9)
        labels = np.array([0] * 9 + [1])
        text = np.log(np.tile([0.6, 0.4], (10, 1)))
        audio = np.log(np.array([[0.9, 0.1]] * 5 + [[0.45, 0.55]] * 4 + [[0.45, 0.55]]))
        # class 1 is right where 0.55 w + 0.4 (1 - w) > 0.5: w > 2/3
        assert choose_share(audio, text, labels) == pytest.approx(0.7)
