"""The two encoders against NumPy and against the sizes that the paper gives (Sec. 3.2 and 4.3)."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tfcr.config import Config
from tfcr.models.encoders.audio_encoder import audio_encoder
from tfcr.models.encoders.text_encoder import text_encoder
from tfcr.models.heads.pair_discriminator import PairDiscriminator
from tfcr.models.systems import system
from tfcr.schema import EMBEDDING_DIM, MAX_TOKENS

LENGTHS = np.array([0, 1, 3, 30, 45])


# Keras warns of the softmax over one word, which is 1 as it should be
pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis 1:UserWarning")


@pytest.fixture(scope="module")
def network():
    return system("fusion").build(Config(), 4)


class TestThePapersSizes:
    def test_audio_encoder(self, network):
        encoder = network.get_layer("audio_encoder")
        assert encoder.output_shape == (None, 512)  # 128 / 2^4 = 8 frames x 8 bins x 8 channels
        # 3x3 kernels: one channel to 8 and 8 biases, then three times 8 channels to 8
        assert count(encoder.trainable_weights) == (3 * 3 * 1 * 8 + 8) + 3 * (3 * 3 * 8 * 8 + 8) == 1832

    def test_text_encoder(self, network):
        encoder = network.get_layer("text_encoder")
        assert encoder.output_shape == (None, 200)
        # four gates of 200, each over the input, the state before and a bias; the attention has no weights
        expected = 4 * 200 * (300 + 200 + 1) + 4 * 200 * (200 + 200 + 1)
        assert count(encoder.trainable_weights) == expected == 721_600

    def test_head_without_bias(self, network):
        assert count(network.get_layer("head").trainable_weights) == (512 + 200) * 4 == 2848

    def test_the_network_has_no_more(self, network):
        assert count(network.trainable_weights) == 1832 + 721_600 + 2848

    def test_discriminator(self):
        discriminator = PairDiscriminator(320)
        discriminator.build((None, 512), (None, 200))
        assert count(discriminator.weights) == 712 * 320 + 320 + 320 + 1 == 228_481


def count(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


class TestAudioEncoder:
    def test_pooling_before_the_relu_is_the_papers_order(self):
        keras.utils.set_random_seed(0)
        encoder = audio_encoder(conv_filters=3)
        for layer in encoder.layers:
            if layer.name.startswith("conv"):
                layer.bias.assign(np.random.default_rng(1).normal(0, 0.3, layer.bias.shape))
        textbook = keras.Sequential([keras.Input((128, 128, 1))])
        for _ in range(4):  # "3 x 3 ... padding 1, ... 2 x 2 with a 2 x 2 stride ... activation function is ReLU"
            textbook.add(layers.ZeroPadding2D(1))
            textbook.add(layers.Conv2D(3, 3, padding="valid"))
            textbook.add(layers.ReLU())
            textbook.add(layers.MaxPooling2D(2, 2))
        textbook.add(layers.Flatten())
        textbook.set_weights([weight.numpy() for weight in encoder.trainable_weights])
        spectrogram = np.random.default_rng(0).normal(0, 1, (3, 128, 128)).astype(np.float32)
        found = encoder([spectrogram, np.full(3, 128)])
        np.testing.assert_allclose(found, textbook(spectrogram[..., None]), rtol=1e-6, atol=1e-6)

    def test_a_convolution_sees_zeros_beyond_the_edge_and_beyond_the_last_frame(self):
        keras.utils.set_random_seed(0)
        encoder = audio_encoder(conv_filters=2)
        rng = np.random.default_rng(0)
        one, other = rng.normal(0, 1, (2, 1, 128, 128)).astype(np.float32)
        other[:, :50] = one[:, :50]
        np.testing.assert_array_equal(encoder([one, np.array([50])]), encoder([other, np.array([50])]))

    def test_standardisation_comes_first(self):
        keras.utils.set_random_seed(0)
        encoder = audio_encoder(conv_filters=2)
        x = np.random.default_rng(0).normal(0, 1, (2, 128, 128)).astype(np.float32)
        before = encoder([x, np.full(2, 128)])
        mean, deviation = np.linspace(-90, -30, 128), np.linspace(5, 20, 128)
        encoder.get_layer("standardization").set_statistics(mean, deviation)
        after = encoder([(x * deviation + mean).astype(np.float32), np.full(2, 128)])
        np.testing.assert_allclose(after, before, atol=1e-4)


class TestTextEncoder:
    @pytest.fixture
    def encoder(self):
        keras.utils.set_random_seed(0)
        encoder = text_encoder(lstm_units=8)
        rng = np.random.default_rng(5)
        for layer in encoder.layers:
            if layer.name.startswith("lstm"):
                layer.cell.bias.assign(rng.normal(0, 0.5, layer.cell.bias.shape))
        return encoder

    @pytest.fixture
    def words(self):
        embeddings = np.random.default_rng(0).normal(0, 0.4, (len(LENGTHS), MAX_TOKENS, EMBEDDING_DIM))
        embeddings[np.arange(MAX_TOKENS)[None, :] >= LENGTHS[:, None]] = 0
        return embeddings.astype(np.float32)

    def test_it_is_an_lstm_with_the_attention_of_its_last_state(self, encoder, words):
        found = encoder([words, LENGTHS]).numpy()
        for row, length in enumerate(LENGTHS):
            expected = numpy_encoder(encoder, words[row, : min(length, MAX_TOKENS)].astype(np.float64))
            np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-5)

    def test_one_layer_is_one_lstm(self, words):
        encoder = text_encoder(lstm_layers=1, lstm_units=5)
        found = encoder([words, LENGTHS]).numpy()
        for row, length in enumerate(LENGTHS):
            expected = numpy_encoder(encoder, words[row, : min(length, MAX_TOKENS)].astype(np.float64))
            np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-5)

    def test_garbage_in_padding_changes_nothing(self, encoder, words):
        garbage = words.copy()
        for row, length in enumerate(LENGTHS):
            garbage[row, length:] = 1e3 * np.random.default_rng(1).normal(size=garbage[row, length:].shape)
        np.testing.assert_array_equal(encoder([garbage, LENGTHS]), encoder([words, LENGTHS]))

    def test_a_row_alone_is_what_it_is_beside_longer_ones(self, encoder, words):
        together = encoder([words, LENGTHS]).numpy()
        for row in range(len(LENGTHS)):
            alone = encoder([words[row : row + 1], LENGTHS[row : row + 1]]).numpy()
            np.testing.assert_allclose(alone[0], together[row], rtol=1e-6, atol=1e-6)

    @pytest.mark.parametrize("lengths", [[0], [0, 0, 0], [0, 2, 0]])
    def test_an_empty_transcript_is_zero_with_finite_gradients(self, encoder, lengths):
        words = tf.random.stateless_normal((len(lengths), MAX_TOKENS, EMBEDDING_DIM), (0, 0))
        with tf.GradientTape() as tape:
            tape.watch(words)
            embedding = encoder([words, tf.constant(lengths)])
            total = tf.reduce_sum(embedding**2 + embedding)
        empty = np.array(lengths) == 0
        assert not embedding.numpy()[empty].any()
        assert embedding.numpy()[~empty].any() == (not empty.all())
        to_words, *to_weights = tape.gradient(total, [words, *encoder.trainable_weights])
        assert not to_words.numpy()[empty].any()
        assert all(np.isfinite(gradient).all() for gradient in to_weights)

    def test_the_same_in_a_graph(self, encoder, words):
        graph = tf.function(lambda x, n: encoder([x, n]))
        np.testing.assert_allclose(
            graph(words, LENGTHS.astype(np.int32)), encoder([words, LENGTHS]), rtol=1e-6, atol=1e-6
        )


def numpy_encoder(encoder, sequence):
    """A textbook LSTM of some layers in float64, and the attention of its last state, over one unpadded sequence."""
    cells = [layer.cell for layer in encoder.layers if layer.name.startswith("lstm")]
    units = cells[0].units
    if not len(sequence):
        return np.zeros(units)
    for cell in cells:
        kernel, recurrent, bias = (
            w.numpy().astype(np.float64) for w in (cell.kernel, cell.recurrent_kernel, cell.bias)
        )
        state, memory, outputs = np.zeros(units), np.zeros(units), []
        for x in sequence:
            i, f, candidate, o = np.split(x @ kernel + state @ recurrent + bias, 4)
            memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(candidate)
            state = sigmoid(o) * np.tanh(memory)
            outputs.append(state)
        sequence = np.array(outputs)
    scores = np.exp(sequence @ sequence[-1])
    return (scores / scores.sum()) @ sequence


def sigmoid(x):
    return 1 / (1 + np.exp(-x))
