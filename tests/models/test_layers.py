"""Keras's own checks of a layer, run on every layer of the package.

They cover construction, get_config and from_config, build by shapes, symbolic against eager calls, float16 and counts
of weights. `run_training_check` passes one input and so cannot train a layer of two; Keras leaves it out for its own
(MultiHeadAttention), and `test_contrastive_model.py` trains them all.
"""

import keras
import numpy as np
import pytest
from keras.src import testing  # the public package has no `testing`

from tfcr.models.audio_encoder import audio_encoder
from tfcr.models.linear_fusion import LinearFusion
from tfcr.models.network import SegmentMean
from tfcr.models.pair_discriminator import PairDiscriminator
from tfcr.models.standardization import Standardization
from tfcr.models.step_mask import StepMask
from tfcr.models.text_encoder import LastStateAttention
from tfcr.models.trim_padding import TrimPadding

# Keras warns of the softmax over one step, which is 1 as it should be
pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis 1:UserWarning")

COMMON = {"run_training_check": False, "expected_num_seed_generators": 0, "expected_num_losses": 0}


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
    lambda **kwargs: LinearFusion(4, **kwargs),
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


@pytest.mark.parametrize(("counts", "length"), [([0, 0], 1), ([0, 1], 1), ([2, 3], 3), ([5, 0], 5), ([9, 2], 5)])
def test_trim_padding_keeps_the_longest_sequence_and_at_least_one_step(counts, length):
    sequences = np.arange(2 * 5 * 3, dtype=np.float32).reshape(2, 5, 3)
    np.testing.assert_array_equal(TrimPadding()(sequences, np.array(counts)), sequences[:, :length])


def test_step_mask_keeps_one_step_of_an_empty_sequence():
    mask = StepMask()(np.zeros((4, 3, 2)), np.array([0, 1, 2, 7]))
    np.testing.assert_array_equal(mask, [[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]])
