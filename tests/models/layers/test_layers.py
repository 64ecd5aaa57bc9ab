"""Keras's own checks of a layer, run on every layer of the package.

They cover construction, get_config and from_config, build by shapes, symbolic against eager calls, float16 and counts
of weights. `run_training_check` passes one input and so cannot train a layer of two; Keras leaves it out for its own
(MultiHeadAttention), and `test_contrastive_model.py` trains them all.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src import testing  # the public package has no `testing`

from tfcr.models.cpu.conv_block import ConvBlock
from tfcr.models.cpu.packed_lstm import PackedLSTM
from tfcr.models.encoders.audio_encoder import audio_encoder
from tfcr.models.encoders.text_encoder import LastStateAttention
from tfcr.models.heads.averaged_classifiers import AveragedClassifiers
from tfcr.models.heads.decision_fusion import DecisionFusion
from tfcr.models.heads.linear_fusion import LinearFusion
from tfcr.models.heads.pair_discriminator import PairDiscriminator
from tfcr.models.layers.attention_pooling import AttentionPooling
from tfcr.models.layers.dual_sequence_lstm import DualSequenceLSTM
from tfcr.models.layers.hop_attention import HopAttention
from tfcr.models.layers.last_state import LastState
from tfcr.models.layers.layer_mean import LayerMean
from tfcr.models.layers.norm_penalty import NormPenalty
from tfcr.models.layers.standardization import Standardization
from tfcr.models.layers.step_mask import StepMask
from tfcr.models.layers.step_mean import StepMean
from tfcr.models.layers.trim_padding import TrimPadding
from tfcr.models.layers.word_table import WordTable
from tfcr.models.network import SegmentMean

# Keras warns of the softmax over one step, which is 1 as it should be
pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis 1:UserWarning")

COMMON = {"run_training_check": False, "expected_num_seed_generators": 0, "expected_num_losses": 0}


SEQUENCES = {
    "input_shape": {"sequences_shape": (3, 5, 4), "counts_shape": (3,)},
    "input_dtype": {"sequences_shape": "float32", "counts_shape": "int32"},
    "expected_output_dtype": "float32",
    "expected_num_trainable_weights": 0,
    "expected_num_non_trainable_weights": 0,
}
SCORES = dict.fromkeys(("logits", "audio_logits", "text_logits"), (3, 4))


class LayersTest(testing.TestCase):
    def test_standardization(self):
        self.run_layer_test(
            Standardization,
            {},
            input_shape={"features_shape": (3, 5, 4), "counts_shape": (3,)},
            input_dtype={"features_shape": "float32", "counts_shape": "int32"},
            expected_output_shape=(3, 5, 4),
            expected_output_dtype="float32",
            expected_num_trainable_weights=0,
            expected_num_non_trainable_weights=2,  # mean and deviation
            **COMMON,
        )

    def test_trim_padding(self):
        self.run_layer_test(
            TrimPadding,
            {},
            input_shape={"sequences_shape": (3, 5, 4), "counts_shape": (3,)},
            input_dtype={"sequences_shape": "float32", "counts_shape": "int32"},
            expected_output_shape=(3, None, 4),  # the length depends on the counts
            expected_output_dtype="float32",
            expected_num_trainable_weights=0,
            expected_num_non_trainable_weights=0,
            **COMMON,
        )

    def test_step_mask(self):
        self.run_layer_test(
            StepMask,
            {},
            input_shape={"sequences_shape": (3, 5, 4), "counts_shape": (3,)},
            input_dtype={"sequences_shape": "float32", "counts_shape": "int32"},
            expected_output_shape=(3, 5),
            expected_output_dtype="bool",
            expected_num_trainable_weights=0,
            expected_num_non_trainable_weights=0,
            **COMMON,
        )

    def test_last_state_attention(self):
        self.run_layer_test(
            LastStateAttention,
            {},
            input_shape={"outputs_shape": (3, 5, 4), "num_tokens_shape": (3,)},
            input_dtype={"outputs_shape": "float32", "num_tokens_shape": "int32"},
            expected_output_shape=(3, 4),
            expected_output_dtype="float32",
            expected_num_trainable_weights=0,
            expected_num_non_trainable_weights=0,
            supports_masking=True,
            **COMMON,
        )

    def test_step_mean(self):
        for deviation, units in ((False, 4), (True, 8)):
            self.run_layer_test(
                StepMean,
                {"deviation": deviation},
                expected_output_shape=(3, units),
                supports_masking=True,
                **SEQUENCES,
                **COMMON,
            )

    def test_attention_pooling(self):
        self.run_layer_test(
            AttentionPooling,
            {},
            expected_output_shape=(3, 4),
            **{**SEQUENCES, "expected_num_trainable_weights": 1},  # the query
            **COMMON,
        )

    def test_layer_mean(self):
        self.run_layer_test(
            LayerMean,
            {},
            input_shape=(3, 2, 5, 4),
            expected_output_shape=(3, 5, 4),
            expected_output_dtype="float32",
            expected_num_trainable_weights=1,  # a number for each layer
            expected_num_non_trainable_weights=0,
            **COMMON,
        )

    def test_last_state(self):
        outputs = {"outputs_shape" if name == "sequences_shape" else name: shape
                   for name, shape in SEQUENCES["input_shape"].items()}  # fmt: skip
        for bidirectional in (False, True):
            self.run_layer_test(
                LastState,
                {"bidirectional": bidirectional},
                expected_output_shape=(3, 4),
                supports_masking=True,
                **{
                    **SEQUENCES,
                    "input_shape": outputs,
                    "input_dtype": {"outputs_shape": "float32", "counts_shape": "int32"},
                },
                **COMMON,
            )

    def test_hop_attention(self):
        self.run_layer_test(
            HopAttention,
            {},
            input_shape={"query_shape": (3, 4), "outputs_shape": (3, 5, 4), "counts_shape": (3,)},
            input_dtype={"query_shape": "float32", "outputs_shape": "float32", "counts_shape": "int32"},
            expected_output_shape=(3, 4),
            expected_output_dtype="float32",
            expected_num_trainable_weights=0,
            expected_num_non_trainable_weights=0,
            supports_masking=True,
            **COMMON,
        )

    def test_word_table(self):
        self.run_layer_test(
            WordTable,
            {"vocabulary": 7, "units": 4},
            input_shape=(3, 5),
            input_dtype="int32",
            expected_output_shape=(3, 5, 4),
            expected_output_dtype="float32",
            expected_num_trainable_weights=1,
            expected_num_non_trainable_weights=0,
            **COMMON,
        )

    def test_standardization_of_vectors(self):
        self.run_layer_test(
            Standardization,
            {"feature": "prosody", "least": 1e-4},
            input_shape=(3, 4),
            expected_output_shape=(3, 4),
            expected_output_dtype="float32",
            expected_num_trainable_weights=0,
            expected_num_non_trainable_weights=2,  # mean and deviation
            **COMMON,
        )

    def test_dual_sequence_lstm(self):
        self.run_layer_test(
            DualSequenceLSTM,
            {"units": 2},
            input_shape={"x_shape": (3, 5, 4), "y_shape": (3, 5, 6)},
            expected_output_shape=(3, 5, 2),
            expected_output_dtype="float32",
            expected_num_trainable_weights=8,  # three kernels, three biases, scale and offset
            expected_num_non_trainable_weights=2,  # moving mean and variance
            **COMMON,
        )

    def test_averaged_classifiers(self):
        self.run_layer_test(
            AveragedClassifiers,
            {"num_classes": 4},
            input_shape={"first_embedding_shape": (3, 6), "second_embedding_shape": (3, 2)},
            expected_output_shape={"logits": (3, 4), "branch_logits": (3, 2, 4)},
            expected_output_dtype={"logits": "float32", "branch_logits": "float32"},
            expected_num_trainable_weights=4,  # two kernels, two biases
            expected_num_non_trainable_weights=0,
            **COMMON,
        )

    def test_decision_fusion(self):
        for use_bias in (False, True):
            shapes = {**SCORES, "branch_logits": (3, 2, 4)}
            self.run_layer_test(
                DecisionFusion,
                {"num_classes": 4, "use_bias": use_bias},
                input_shape={"audio_embedding_shape": (3, 6), "text_embedding_shape": (3, 2)},
                expected_output_shape=shapes,
                expected_output_dtype=dict.fromkeys(shapes, "float32"),
                expected_num_trainable_weights=2 * (1 + use_bias),
                expected_num_non_trainable_weights=1,  # the share
                **COMMON,
            )

    def test_linear_fusion(self):
        for use_bias in (False, True):
            self.run_layer_test(
                LinearFusion,
                {"num_classes": 4, "use_bias": use_bias},
                input_shape={"audio_embedding_shape": (3, 6), "text_embedding_shape": (3, 2)},
                expected_output_shape={"logits": (3, 4), "audio_logits": (3, 4), "text_logits": (3, 4)},
                expected_output_dtype={"logits": "float32", "audio_logits": "float32", "text_logits": "float32"},
                expected_num_trainable_weights=1 + use_bias,
                expected_num_non_trainable_weights=0,
                **COMMON,
            )

    def test_pair_discriminator(self):
        self.run_layer_test(
            PairDiscriminator,
            {"units": 5},
            input_shape={"audio_embedding_shape": (3, 6), "text_embedding_shape": (2, 4)},
            expected_output_shape=(3, 2),  # three anchors, two texts
            expected_output_dtype="float32",
            expected_num_trainable_weights=4,  # two kernels, two biases
            expected_num_non_trainable_weights=0,
            **COMMON,
        )

    def test_segment_mean(self):
        self.run_layer_test(
            SegmentMean,
            {"encoder": audio_encoder(4, 2)},
            input_shape={"spectrogram_shape": (2, 3, 128, 128), "num_frames_shape": (2,)},
            input_dtype={"spectrogram_shape": "float32", "num_frames_shape": "int32"},
            expected_output_shape=(2, 8 * 8 * 2),
            expected_output_dtype="float32",
            expected_num_trainable_weights=8,  # four kernels, four biases
            expected_num_non_trainable_weights=2,  # mean and deviation
            **COMMON,
        )


LAYERS = [
    *(Standardization, TrimPadding, StepMask, LastStateAttention, PairDiscriminator),
    *(StepMean, LastState, HopAttention, AttentionPooling, LayerMean),
    lambda **kwargs: AttentionPooling(NormPenalty(0.1), **kwargs),
    lambda **kwargs: LayerMean(NormPenalty(0.1), **kwargs),
    lambda **kwargs: ConvBlock(2, **kwargs),
    lambda **kwargs: PackedLSTM(2, return_sequences=True, **kwargs),
    lambda **kwargs: Standardization("prosody", 1e-4, **kwargs),
    lambda **kwargs: LinearFusion(4, **kwargs),
    lambda **kwargs: WordTable(7, **kwargs),
    lambda **kwargs: DualSequenceLSTM(2, **kwargs),
    lambda **kwargs: AveragedClassifiers(4, **kwargs),
    lambda **kwargs: DecisionFusion(4, text_regularizer=NormPenalty(0.1), **kwargs),
]


@pytest.mark.parametrize("make", LAYERS)
@pytest.mark.parametrize("precision", ["float64", "mixed_float16", "mixed_bfloat16"])
def test_a_layer_with_a_policy_object_comes_back_from_its_config(make, precision):
    # tfcr.training hands layers DTypePolicy objects, not names
    layer = make(dtype=keras.DTypePolicy(precision))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is type(layer)
    assert again.dtype_policy == layer.dtype_policy
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(("make", "named"), [
    (lambda: LinearFusion(0), "`num_classes` must be .* at least 1. Received: num_classes=0"),
    (lambda: PairDiscriminator(0), "`units` must be .* at least 1. Received: units=0"),
    (lambda: DualSequenceLSTM(0), "`units` must be .* at least 1. Received: units=0"),
    (lambda: AveragedClassifiers(0), "`num_classes` must be .* at least 1. Received: num_classes=0"),
    (lambda: DecisionFusion(0), "`num_classes` must be .* at least 1. Received: num_classes=0"),
    (lambda: WordTable(-1), "`vocabulary` must be .* at least 0. Received: vocabulary=-1"),
    (lambda: Standardization(least=0), "`least` must be above 0. Received: least=0"),
    (lambda: HopAttention().build((1, 3), (1, 5, 4), (1,)), "`query` must have as many units as `outputs`. Received: "),
])  # fmt: skip
def test_a_wrong_size_is_named(make, named):
    with pytest.raises(ValueError, match=named):
        make()


def test_linear_fusion_is_one_matrix_over_both_embeddings():
    rng = np.random.default_rng(0)
    audio, text = rng.normal(size=(3, 6)), rng.normal(size=(3, 2))
    head = LinearFusion(4, dtype="float64")
    scores = {name: value.numpy() for name, value in head(audio, text).items()}
    kernel = head.kernel.numpy()
    np.testing.assert_allclose(scores["logits"], np.hstack([audio, text]) @ kernel, atol=1e-14)  # Eq. 1
    np.testing.assert_allclose(scores["audio_logits"], audio @ kernel[:6], atol=1e-14)  # Eq. 2
    np.testing.assert_allclose(scores["text_logits"], text @ kernel[6:], atol=1e-14)  # Eq. 3
    np.testing.assert_array_equal(scores["logits"], scores["audio_logits"] + scores["text_logits"])  # Eq. 4


def test_a_bias_belongs_to_s_alone():
    head = LinearFusion(2, use_bias=True)
    head.build((None, 1), (None, 1))
    head.bias.assign([10.0, 20.0])
    scores = head(np.zeros((1, 1)), np.zeros((1, 1)))
    np.testing.assert_array_equal(scores["logits"], [[10, 20]])
    np.testing.assert_array_equal(scores["audio_logits"], [[0, 0]])
    np.testing.assert_array_equal(scores["text_logits"], [[0, 0]])


def test_the_discriminator_scores_every_pair_as_a_dense_network_scores_it_alone():
    rng = np.random.default_rng(0)
    audio, text = rng.normal(size=(3, 6)), rng.normal(size=(5, 2))
    layer = PairDiscriminator(7, dtype="float64")
    scores = layer(audio, text).numpy()
    dense = keras.Sequential(
        [keras.layers.Dense(7, activation="relu", dtype="float64"), keras.layers.Dense(1, dtype="float64")]
    )
    dense.build((None, 8))
    layer.hidden_bias.assign(rng.normal(size=7))
    layer.score_bias.assign([0.3])
    dense.set_weights([weight.numpy() for weight in layer.weights])
    scores = layer(audio, text).numpy()
    for i in range(3):
        for j in range(5):
            alone = dense(np.concatenate([audio[i], text[j]])[None]).numpy()
            np.testing.assert_allclose(scores[i, j], alone[0, 0], atol=1e-13)


class TestStandardization:
    MEAN = np.array([-80.0, -70.0, -60.0], np.float32)
    DEVIATION = np.array([10.0, 5.0, 2.0], np.float32)

    def layer(self, deviation=DEVIATION, **kwargs):
        layer = Standardization(**kwargs)
        layer.build((None, 128, 3), (None,))
        layer.set_statistics(self.MEAN, deviation)
        return layer

    def test_real_frames_lose_their_mean_and_deviation_and_padded_ones_become_0(self):
        rng = np.random.default_rng(0)
        spectrogram = rng.normal(-70, 10, (129, 128, 3)).astype(np.float32)
        num_frames = np.arange(129)  # each length there is
        found = self.layer()(spectrogram, num_frames).numpy()
        for row in range(129):
            expected = (spectrogram[row, :row].astype(np.float64) - self.MEAN) / self.DEVIATION
            np.testing.assert_allclose(found[row, :row], expected, rtol=1e-5, atol=1e-5)
            assert not found[row, row:].any()

    def test_garbage_in_padding_becomes_0_too(self):
        spectrogram = np.full((1, 128, 3), np.nan, np.float32)
        spectrogram[0, 0] = self.MEAN
        np.testing.assert_array_equal(self.layer()(spectrogram, np.array([1])), np.zeros((1, 128, 3)))

    def test_a_bin_that_never_changes_stays_finite(self):
        layer = self.layer(deviation=np.zeros(3, np.float32))
        spectrogram = np.broadcast_to(self.MEAN, (1, 128, 3))
        np.testing.assert_array_equal(layer(spectrogram, np.array([128])), np.zeros((1, 128, 3)))
        assert np.isfinite(layer(spectrogram + 100, np.array([128]))).all()

    @pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
    def test_half_precision_standardises_in_float32(self, precision):
        # -79.9 and -80 are one number in bfloat16 (steps of 0.5) and nearly so in float16 (0.0625)
        found = self.layer(dtype=precision)(np.full((1, 128, 3), -79.9, np.float32), np.array([1]))
        assert found.dtype == precision.removeprefix("mixed_")
        np.testing.assert_allclose(float(found[0, 0, 0]), 0.01, rtol=1e-2)  # (-79.9 + 80) / 10

    def test_a_vector_has_no_padding(self):
        vectors = np.random.default_rng(0).normal(-70, 10, (4, 3)).astype(np.float32)
        layer = Standardization("prosody", 1e-4)
        layer.build((None, 3))
        layer.set_statistics(self.MEAN, self.DEVIATION)
        np.testing.assert_allclose(layer(vectors), (vectors - self.MEAN) / self.DEVIATION, rtol=1e-5, atol=1e-5)

    def test_each_of_several_layers_has_statistics_of_its_own(self):
        features = np.random.default_rng(0).normal(5, 3, (2, 3, 4, 2)).astype(np.float32)  # of 3 layers over 4 steps
        mean, deviation = np.arange(6.0).reshape(3, 2), np.arange(1.0, 7.0).reshape(3, 2)
        layer = Standardization("audio_features", 1e-5)
        layer.build((None, 3, None, 2))
        layer.set_statistics(mean, deviation)
        found = layer(features, np.array([4, 1])).numpy()
        expected = (features - mean[:, None]) / deviation[:, None]
        expected[1, :, 1:] = 0  # padding
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)

    def test_without_counts_every_step_is_real(self):
        spectrogram = np.random.default_rng(0).normal(-70, 10, (2, 5, 3)).astype(np.float32)
        np.testing.assert_array_equal(self.layer()(spectrogram), self.layer()(spectrogram, np.array([5, 5])))

    @pytest.mark.parametrize(("least", "divisor"), [(1.0, 1.0), (1e-4, 0.5)])
    def test_the_least_deviation_is_the_features_own(self, least, divisor):
        layer = self.layer(deviation=np.full(3, 0.5, np.float32), least=least)
        found = layer(np.broadcast_to(self.MEAN + 2, (1, 1, 3)), np.array([1]))
        np.testing.assert_allclose(found, np.full((1, 1, 3), 2 / divisor), rtol=1e-5)

    def test_training_does_not_move_the_statistics(self):
        layer = self.layer()
        assert not layer.trainable_weights
        assert len(layer.non_trainable_weights) == 2


class TestLastStateAttention:
    def test_weights_are_the_softmax_of_dot_products_with_the_last_real_output(self):
        # outputs 1, 2, 3 and a padded 9: scores 3, 6, 9; softmax e^-6, e^-3, 1 over their sum
        weights = LastStateAttention().attention_weights(
            keras.ops.array([[[1.0], [2.0], [3.0], [9.0]]]), keras.ops.array([3])
        )
        expected = np.exp([-6, -3, 0]) / np.exp([-6, -3, 0]).sum()
        np.testing.assert_allclose(weights, [[*expected, 0]], rtol=1e-6)

    def test_one_real_step_is_its_own_mean(self):
        outputs = np.random.default_rng(0).normal(size=(1, 4, 3)).astype(np.float32)
        np.testing.assert_allclose(LastStateAttention()(outputs, np.array([1])), outputs[:, 0], rtol=1e-6)

    def test_no_real_step_is_zero(self):
        np.testing.assert_array_equal(LastStateAttention()(np.ones((2, 4, 3)), np.array([0, 0])), np.zeros((2, 3)))

    def test_more_steps_than_there_are_count_as_those(self):
        outputs = np.random.default_rng(0).normal(size=(1, 4, 3)).astype(np.float32)
        np.testing.assert_array_equal(
            LastStateAttention()(outputs, np.array([9])), LastStateAttention()(outputs, np.array([4]))
        )


class TestStepMean:
    def test_real_steps_alone_count(self):
        # 1, 2, 3 and a padded 99: mean 2, variance (1 + 0 + 1) / 3
        sequences, counts = np.array([[[1.0], [2.0], [3.0], [99.0]]], np.float32), np.array([3])
        np.testing.assert_allclose(StepMean()(sequences, counts), [[2]])
        np.testing.assert_allclose(StepMean(deviation=True)(sequences, counts), [[2, np.sqrt(2 / 3)]], rtol=1e-6)
        np.testing.assert_allclose(StepMean()(sequences), [[105 / 4]])

    def test_no_real_step_is_zero_and_more_than_there_are_count_as_those(self):
        sequences = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
        layer = StepMean(deviation=True)
        np.testing.assert_array_equal(layer(sequences, np.array([0, 0])), np.zeros((2, 6)))
        np.testing.assert_array_equal(layer(sequences, np.array([9, 9])), layer(sequences, np.array([4, 4])))

    def test_a_single_step_has_deviation_0_and_a_finite_gradient(self):
        sequences = tf.Variable([[[3.0], [5.0]]])
        with tf.GradientTape() as tape:
            statistics = StepMean(deviation=True)(sequences, np.array([1]))
            total = tf.reduce_sum(statistics)
        np.testing.assert_array_equal(statistics, [[3, 0]])
        np.testing.assert_array_equal(tape.gradient(total, sequences), [[[1], [0]]])

    @pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
    def test_half_precision_sums_in_float32(self, precision):
        # 4,000 times 30 is 120,000, beyond float16; a sum in bfloat16 stops where 30 is less than its last digit
        found = StepMean(dtype=precision)(np.full((1, 4000, 1), 30, np.float32), np.array([4000]))
        assert found.dtype == precision.removeprefix("mixed_")
        assert float(found[0, 0]) == 30


class TestLastState:
    OUTPUTS = np.arange(2 * 4 * 2, dtype=np.float32).reshape(2, 4, 2)  # rows [0, 1], [2, 3], ... and from [8, 9]

    def test_it_is_the_output_at_the_last_real_step(self):
        np.testing.assert_array_equal(LastState()(self.OUTPUTS, np.array([3, 9])), [[4, 5], [14, 15]])

    def test_what_ran_backwards_ends_at_the_first_step(self):
        layer = LastState(bidirectional=True)
        np.testing.assert_array_equal(layer(self.OUTPUTS, np.array([3, 1])), [[4, 1], [8, 9]])

    @pytest.mark.parametrize("bidirectional", [False, True])
    def test_an_empty_sequence_leaves_the_state_it_starts_from(self, bidirectional):
        layer = LastState(bidirectional=bidirectional)
        np.testing.assert_array_equal(layer(self.OUTPUTS + 1, np.array([0, 0])), np.zeros((2, 2)))


class TestHopAttention:
    def test_weights_are_the_softmax_of_dot_products_over_real_steps(self):
        # outputs 1, 2 and a padded 9 under the query log 3: scores log 3 and 2 log 3, weights 1/4 and 3/4
        found = HopAttention()(np.log([[3.0]]), np.array([[[1.0], [2.0], [9.0]]]), np.array([2]))
        np.testing.assert_allclose(found, [[7 / 4]], rtol=1e-6)

    def test_a_query_of_zeros_takes_the_mean_and_no_real_step_is_zero(self):
        outputs = np.random.default_rng(0).normal(size=(1, 4, 3)).astype(np.float32)
        query = np.zeros((1, 3), np.float32)
        np.testing.assert_allclose(
            HopAttention()(query, outputs, np.array([3])), outputs[:, :3].mean(axis=1), rtol=1e-5
        )
        np.testing.assert_array_equal(HopAttention()(query + 1, outputs, np.array([0])), query)


def test_trim_padding_makes_a_step_where_there_is_none():
    for shape in ((2, 0), (2, 0, 3)):
        found = TrimPadding()(np.zeros(shape, np.float32), np.array([0, 0]))
        np.testing.assert_array_equal(found, np.zeros((2, 1, *shape[2:])))
    np.testing.assert_array_equal(TrimPadding()(np.array([[1, 2, 0]]), np.array([2])), [[1, 2]])


@pytest.mark.parametrize(("counts", "length"), [([0, 0], 1), ([0, 1], 1), ([2, 3], 3), ([5, 0], 5), ([9, 2], 5)])
def test_trim_padding_keeps_the_longest_sequence_and_at_least_one_step(counts, length):
    sequences = np.arange(2 * 5 * 3, dtype=np.float32).reshape(2, 5, 3)
    np.testing.assert_array_equal(TrimPadding()(sequences, np.array(counts)), sequences[:, :length])


def test_step_mask_keeps_one_step_of_an_empty_sequence():
    mask = StepMask()(np.zeros((4, 3, 2)), np.array([0, 1, 2, 7]))
    np.testing.assert_array_equal(mask, [[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]])


class TestAttentionPooling:
    def test_weights_are_the_softmax_of_dot_products_with_the_query_over_real_steps(self):
        layer = AttentionPooling()
        sequences = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
        layer.build((3, 5, 4), (3,))
        query = np.random.default_rng(1).normal(size=4)
        layer.query.assign(query)
        found = layer(sequences, np.array([5, 2, 9])).numpy()
        for row, real in enumerate((5, 2, 5)):  # more steps than there are count as those
            steps = sequences[row, :real].astype(np.float64)
            weights = np.exp(steps @ query) / np.exp(steps @ query).sum()
            np.testing.assert_allclose(found[row], weights @ steps, atol=1e-6)

    def test_padding_changes_nothing_and_no_real_step_is_zero(self):
        layer = AttentionPooling()
        sequences = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
        layer.build((2, 4, 3), (2,))
        layer.query.assign([1.0, -2.0, 3.0])
        padded = sequences.copy()
        padded[:, 2:] = 1e6
        np.testing.assert_array_equal(layer(sequences, np.array([2, 2])), layer(padded, np.array([2, 2])))
        np.testing.assert_array_equal(layer(sequences, np.array([0, 0])), np.zeros((2, 3)))

    def test_it_begins_as_the_mean_and_learns(self):
        sequences, counts = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32), np.array([4, 3])
        layer = AttentionPooling()
        with tf.GradientTape() as tape:
            found = layer(sequences, counts)
        np.testing.assert_allclose(found, StepMean()(sequences, counts), atol=1e-6)
        assert np.abs(tape.gradient(found, layer.query)).min() > 0

    @pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
    def test_half_precision_sums_in_float32(self, precision):
        found = AttentionPooling(dtype=precision)(np.full((1, 4000, 1), 30, np.float32), np.array([4000]))
        assert found.dtype == precision.removeprefix("mixed_")
        np.testing.assert_allclose(float(found[0, 0]), 30, rtol=1e-2)


class TestLayerMean:
    def test_layers_are_weighed_by_the_softmax_of_their_numbers(self):
        layer = LayerMean()
        features = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
        layer.build((2, 3, 5, 4))
        layer.scores.assign(np.log([1, 2, 5]))  # weights of 1/8, 2/8 and 5/8
        np.testing.assert_allclose(layer.layer_weights(), [0.125, 0.25, 0.625], rtol=1e-6)
        expected = np.einsum("bltd,l->btd", features.astype(np.float64), [0.125, 0.25, 0.625])
        np.testing.assert_allclose(layer(features), expected, atol=1e-6)

    def test_it_begins_as_the_mean_and_one_layer_is_itself(self):
        features = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
        np.testing.assert_allclose(LayerMean()(features), features.mean(axis=1), atol=1e-6)
        np.testing.assert_allclose(LayerMean()(features[:, :1]), features[:, 0], atol=1e-6)
