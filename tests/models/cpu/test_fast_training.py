"""The faster paths of a training step against Keras's own layers, and the work that they do."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tfcr.config import Config
from tfcr.models import network as network_module
from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.cpu import conv_block as conv_block_module
from tfcr.models.cpu import packed_lstm as packed_lstm_module
from tfcr.models.cpu.conv_block import ConvBlock
from tfcr.models.cpu.packed_lstm import PackedLSTM
from tfcr.models.cpu.packing import packing
from tfcr.models.cpu.piecewise import PiecewiseModel
from tfcr.models.encoders.text_encoder import LastStateAttention
from tfcr.models.heads.linear_fusion import LinearFusion
from tfcr.models.heads.pair_discriminator import PairDiscriminator
from tfcr.models.keras_internals import layers_within
from tfcr.models.layers.standardization import Standardization
from tfcr.models.systems import system
from tfcr.objectives.info_nce import info_nce
from tfcr.objectives.negatives import negative_weights
from tfcr.schema import EMBEDDING_DIM, MAX_TOKENS, NUM_BINS, SEGMENT_FRAMES

BATCH = 32
# Keras's sum over every pixel of a batch is itself rounded by 5e-6 in float32 (the median; ours, over a quarter of
# them, by 8e-7), so that the two differ by up to 1.3e-5 of the largest entry
ROUNDED = {"conv_0/bias": 2e-5}
CANCELS = "discriminator/score_bias"  # it is added to every score alike, and Eq. 6 is of their differences


def plain_network(dtype):
    """The paper's network of Keras's layers, in the order of the text: convolution, ReLU, pooling; every step runs."""
    spectrogram = keras.Input((SEGMENT_FRAMES, NUM_BINS), name="spectrogram")
    num_frames = keras.Input((), name="num_frames", dtype="int32")
    x = Standardization(name="standardization", dtype=dtype)(spectrogram, num_frames)
    x = layers.Reshape((SEGMENT_FRAMES, NUM_BINS, 1), dtype=dtype)(x)
    for block in range(4):
        x = layers.Conv2D(8, 3, padding="same", activation="relu", name=f"conv_{block}", dtype=dtype)(x)
        x = layers.MaxPooling2D(2, 2, dtype=dtype)(x)
    audio = keras.Model([spectrogram, num_frames], layers.Flatten(dtype=dtype)(x), name=network_module.AUDIO)
    embeddings = keras.Input((MAX_TOKENS, EMBEDDING_DIM), name="embeddings")
    num_tokens = keras.Input((), name="num_tokens", dtype="int32")
    x, mask = embeddings, FirstSteps(dtype=dtype)(num_tokens)
    for layer in range(2):
        x = layers.LSTM(200, return_sequences=True, name=f"lstm_{layer}", use_cudnn=False, dtype=dtype)(x, mask=mask)
    x = LastStateAttention(name="text_embedding", dtype=dtype)(x, num_tokens)
    text = keras.Model([embeddings, num_tokens], x, name=network_module.TEXT)
    return network_module.connect(audio, text, LinearFusion(4, name=network_module.HEAD, dtype=dtype))


class FirstSteps(layers.Layer):
    """Which of 30 steps are real; the first one always."""

    def call(self, counts):
        return tf.range(MAX_TOKENS)[None, :] < tf.maximum(counts, 1)[:, None]


def model_of(network, dtype):
    return ContrastiveModel(network, alpha=0.1, dtype=dtype)


def both_models(dtype):
    """The fast model and the plain one, with the same weights."""
    keras.utils.set_random_seed(0)
    fast = model_of(system("fusion").build(Config(), 4, dtype=dtype), dtype)
    plain = model_of(plain_network(dtype), dtype)
    for layer in layers_within(fast):
        if isinstance(layer, Standardization):
            layer.set_statistics(np.full(NUM_BINS, -60.0), np.full(NUM_BINS, 20.0))
        if isinstance(layer, ConvBlock):  # biases begin at 0, where no ReLU tells one order from another
            layer.bias.assign(np.random.default_rng(0).normal(0, 0.3, layer.bias.shape))
    plain.set_weights(fast.get_weights())
    return fast, plain


def lengths_of(number, random):
    """Sentence lengths of batch `number` of 20: random ones, equal ones, and the shortest and the longest."""
    special = {16: np.full(BATCH, 30), 17: np.full(BATCH, 1), 18: np.full(BATCH, 12)}
    if number == 19:
        return np.tile([0, 1, 30, 31], BATCH // 4)
    return special.get(number, random.integers(0, 40, BATCH))


def batch(number, dtype):
    random = np.random.default_rng(number)
    num_tokens = lengths_of(number, random)
    embeddings = random.normal(0, 0.4, (BATCH, MAX_TOKENS, EMBEDDING_DIM))
    embeddings[np.arange(MAX_TOKENS)[None, :] >= num_tokens[:, None]] = 0
    # frames resemble their neighbours, as speech's do: of white noise, gradients are sums that cancel down to rounding
    spectrogram = -60 + 4 * np.cumsum(random.normal(0, 1, (BATCH, SEGMENT_FRAMES, NUM_BINS)), axis=1)
    x = {
        "spectrogram": spectrogram.astype(dtype),
        "num_frames": random.integers(1, SEGMENT_FRAMES + 1, BATCH).astype(np.int32),
        "embeddings": embeddings.astype(dtype),
        "num_tokens": num_tokens.astype(np.int32),
    }
    return x, random.integers(0, 4, BATCH)


def loss_and_gradients(model, signature=None):
    @tf.function(input_signature=signature)
    def of(x, y):
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x, y, model(x, training=True))
        return loss, tape.gradient(loss, model.trainable_variables)

    return of


def test_loss_and_every_gradient_are_those_of_keras_layers():
    fast, plain = both_models("float32")
    of_fast, of_plain = loss_and_gradients(fast), loss_and_gradients(plain)
    names = [weight.path for weight in plain.trainable_variables]
    for number in range(20):
        x, y = batch(number, np.float32)
        found, gradients = of_fast(x, y)
        expected, oracles = of_plain(x, y)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        for name, gradient, oracle in zip(names, map(np.asarray, gradients), map(np.asarray, oracles), strict=True):
            if name == CANCELS:
                assert np.abs(gradient).max() < 1e-7
                continue
            largest = np.abs(oracle).max()
            if number < 16:
                assert largest > 0, f"{name} has no gradient, so that nothing is compared"
            error = np.abs(gradient - oracle).max() / max(largest, 1e-30)
            assert error <= ROUNDED.get(name, 1e-5), (name, number)


def test_twenty_steps_of_adam_end_at_the_same_weights():
    fast, plain = both_models("float64")
    for model in (fast, plain):
        model.compile(keras.optimizers.Adam(0.001))
    steps = [tf.function(model.train_step) for model in (fast, plain)]
    start = [weight.numpy() for weight in fast.trainable_variables]
    for number in range(20):
        x, y = batch(number, np.float64)
        some = {name: array[:12] for name, array in x.items()}, y[:12]
        for step in steps:
            step(some)
    for before, weight, oracle in zip(start, fast.trainable_variables, plain.trainable_variables, strict=True):
        moved = np.abs(weight.numpy() - before).max()
        assert moved > 1e-3 or weight.path == CANCELS
        np.testing.assert_allclose(weight.numpy(), oracle.numpy(), rtol=0, atol=1e-8, err_msg=weight.path)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_the_smallest_batches_train_as_well(dtype):
    x, y = batch(0, np.float32)
    of_any_size = tf.nest.map_structure(lambda each: tf.TensorSpec((None, *each.shape[1:]), each.dtype), (x, y))
    fast, plain = both_models(dtype)
    of_fast, of_plain = (loss_and_gradients(model, of_any_size) for model in (fast, plain))
    for size in (1, 2, 3):
        some = {name: array[:size] for name, array in x.items()}, y[:size]
        (found, gradients), (expected, oracles) = of_fast(*some), of_plain(*some)
        rtol = 1e-5 if dtype == "float32" else 2e-2  # eight bits: each rounding is up to 4e-3
        np.testing.assert_allclose(found, expected, rtol=rtol, err_msg=str(size))
        for weight, gradient, oracle in zip(plain.trainable_variables, gradients, oracles, strict=True):
            one, other = tf.reshape(gradient, [-1]).numpy(), tf.reshape(oracle, [-1]).numpy()
            place = f"{weight.path}, {size}"
            if dtype == "float32":
                np.testing.assert_allclose(one, other, rtol=0, atol=2e-5 * np.abs(other).max() + 1e-8, err_msg=place)
            elif np.linalg.norm(other) > 1e-6:
                alike = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
                assert alike > 0.98, (place, alike)


class TestPackedLSTM:
    def test_packing_orders_by_step_and_the_longest_first(self):
        places, rows = packing(tf.constant([1, 0, 3]), tf.constant(4))
        # step 0 runs rows 2 and 0, steps 1 and 2 run row 2 alone, step 3 none; row 1 never
        assert places.numpy().tolist() == [[2, 0], [0, 0], [2, 1], [2, 2]]
        assert rows.numpy().tolist() == [2, 1, 1, 0]

    @pytest.mark.parametrize("counts", [[3, 0, 5, 5, 1], [5] * 5, [1] * 5, [0] * 5])
    def test_outputs_are_keras_and_zeros_after_the_last_step(self, counts):
        keras.utils.set_random_seed(0)
        packed = PackedLSTM(4, return_sequences=True)
        plain = PackedLSTM(4, return_sequences=True, use_cudnn=False)
        x, mask = keras.random.normal((5, 5, 7), seed=1), tf.sequence_mask(counts, 5)
        plain(x, mask=mask)
        packed.build(x.shape)
        packed.set_weights(plain.get_weights())
        assert packed.is_fast and not plain.is_fast
        found = packed(x, mask=mask).numpy()
        np.testing.assert_allclose(found, plain(x, mask=mask), rtol=1e-5, atol=1e-6)
        assert not found[~mask.numpy()].any()

    @pytest.mark.parametrize(
        "settings",
        [
            {"use_cudnn": False},
            {"activation": "relu"},
            {"recurrent_activation": "hard_sigmoid"},
            {"use_bias": False},
            {"return_sequences": False},
            {"return_state": True},
            {"dropout": 0.5},
            {"recurrent_dropout": 0.5},
            {"zero_output_for_mask": False},
            {"stateful": True},
        ],
        ids=lambda settings: next(iter(settings)),
    )
    def test_any_other_lstm_is_left_to_keras(self, settings):
        settings = {"return_sequences": True, "zero_output_for_mask": True} | settings
        layer, keras_layer = PackedLSTM(2, **settings), layers.LSTM(2, **settings)
        assert not layer.is_fast
        x, mask = keras.random.normal((3, 4, 5), seed=1), tf.sequence_mask([1, 2, 4], 4)
        keras_layer(x, mask=mask)
        layer.build(x.shape)
        layer.set_weights(keras_layer.get_weights())
        if keras_layer.stateful:
            keras_layer.reset_state()
        outputs = tf.nest.flatten(layer(x, mask=mask)), tf.nest.flatten(keras_layer(x, mask=mask))
        for found, expected in zip(*outputs, strict=True):
            np.testing.assert_array_equal(found, expected)

    def test_without_a_mask_every_step_is_real(self):
        packed, plain = PackedLSTM(3, return_sequences=True), layers.LSTM(3, return_sequences=True)
        x = keras.random.normal((4, 6, 5), seed=1)
        plain(x)
        packed.build(x.shape)
        packed.set_weights(plain.get_weights())
        assert packed.is_fast
        np.testing.assert_allclose(packed(x), plain(x), rtol=1e-5, atol=1e-6)

    def test_a_batch_without_a_word_has_no_gradient(self):
        layer = PackedLSTM(3, return_sequences=True)
        with tf.GradientTape() as tape:
            outputs = layer(keras.random.normal((4, 6, 5), seed=1), mask=tf.zeros((4, 6), bool))
        assert not outputs.numpy().any()
        assert all(not gradient.numpy().any() for gradient in tape.gradient(outputs, layer.trainable_variables))

    def test_on_a_gpu_cudnn_runs(self, gpu):
        assert not PackedLSTM(2, return_sequences=True).is_fast
        assert not ConvBlock(2).is_fast

    def test_a_copy_chooses_its_kernel_as_the_layer_does(self):
        for use_cudnn in ("auto", False):
            layer = PackedLSTM(2, return_sequences=True, use_cudnn=use_cudnn)
            assert PackedLSTM.from_config(layer.get_config()).is_fast == layer.is_fast == (use_cudnn == "auto")

    def test_it_runs_as_many_rows_as_there_are_words(self, monkeypatch):
        rows = []

        def counted(a, b, exact, **transposed):
            if tuple(b.shape) == (4, 16):  # the recurrent kernel, forwards and backwards
                rows.append(int(a.shape[0]))
            return product(a, b, exact, **transposed)

        product = packed_lstm_module.product
        monkeypatch.setattr(packed_lstm_module, "product", counted)
        layer = PackedLSTM(4, return_sequences=True)
        x, counts = keras.random.normal((6, 30, 8), seed=1), [30, 0, 1, 7, 7, 2]
        with tf.GradientTape() as tape:
            outputs = layer(x, mask=tf.sequence_mask(counts, 30))
        # 47 words, of which Keras would run 6 x 30 = 180; the longest has 30, so 30 products each way
        assert sum(counts) == 47
        assert (len(rows), sum(rows)) == (30, 47)
        tape.gradient(outputs, layer.trainable_variables)
        assert (len(rows), sum(rows)) == (60, 2 * 47)


class TestConvBlock:
    @pytest.mark.parametrize("shape", [(3, 8, 6, 1), (2, 4, 2, 5)])
    def test_training_and_inference_give_what_kerass_layers_give_two_columns_at_once(self, shape, monkeypatch):
        keras.utils.set_random_seed(0)
        block = ConvBlock(3, bias_initializer="random_normal")
        pictures = keras.random.normal(shape, seed=1)
        assert block.is_fast
        block.build(shape)
        expected = layers.MaxPooling2D()(tf.nn.relu(layers.Conv2D.call(block, pictures)))
        of_two, convolve = [], conv_block_module._convolve
        monkeypatch.setattr(conv_block_module, "_convolve", lambda *each: of_two.append(1) or convolve(*each))
        for training in (True, False):
            np.testing.assert_allclose(block(pictures, training=training), expected, rtol=1e-5, atol=1e-6)
        assert len(of_two) == 2
        assert block.compute_output_shape(shape) == expected.shape

    def test_of_equal_places_one_gets_the_gradient(self):
        block = ConvBlock(1, kernel_initializer="zeros", bias_initializer="ones")
        pictures = tf.ones((1, 2, 2, 1))
        block.build(pictures.shape)
        with tf.GradientTape() as tape:
            output = block(pictures, training=True)
        # all four places are 1 and one is chosen: its kernel sees four of nine pixels, and the bias counts once
        kernel, bias = tape.gradient(output, block.trainable_variables)
        assert (float(tf.reduce_sum(kernel)), float(bias[0])) == (4.0, 1.0)

    @pytest.mark.parametrize("shape", [(3, 5, 6, 1), (3, 6, 3, 1), (3, None, 6, 1)])
    def test_pictures_that_two_does_not_divide_are_refused(self, shape):
        with pytest.raises(ValueError, match="`pictures` must have a height and a width that are known and even"):
            ConvBlock(2).build(shape)

    def test_what_it_always_is_cannot_be_changed(self):
        with pytest.raises(TypeError, match="use_bias"):
            ConvBlock(2, use_bias=False)

    def test_its_configuration_makes_it_again(self):
        block = ConvBlock(3, name="conv", kernel_initializer="glorot_normal")
        again = ConvBlock.from_config(block.get_config())
        assert again.get_config() == block.get_config()
        assert (again.filters, again.name) == (3, "conv")


class TestPiecewiseModel:
    """A model over two inputs, a dictionary of them, whose layer tells how many rows it saw."""

    @pytest.fixture
    def rows(self):
        return []

    @pytest.fixture
    def model(self, rows):
        class Seen(layers.Layer):
            def call(self, x):
                rows.append(int(x.shape[0]))
                return 2 * x

            def compute_output_shape(self, shape):
                return shape

        inputs = {name: keras.Input((3,), name=name) for name in ("one", "other")}
        return PiecewiseModel(inputs, Seen()(inputs["one"]) + inputs["other"])

    @pytest.mark.parametrize(("size", "halves"), [(1, [1, 1]), (2, [1, 1]), (5, [2, 3]), (8, [4, 4])])
    def test_it_trains_in_halves_and_gives_the_same(self, model, rows, size, halves):
        x = {"one": tf.random.stateless_normal((size, 3), (0, 1)), "other": tf.ones((size, 3))}
        np.testing.assert_array_equal(model(x, training=True), 2 * x["one"] + 1)
        assert rows == halves
        np.testing.assert_array_equal(model(x), 2 * x["one"] + 1)
        assert rows == [*halves, size]

    def test_a_gpu_gets_the_whole_batch(self, model, rows, gpu):
        model({"one": tf.ones((4, 3)), "other": tf.ones((4, 3))}, training=True)
        assert rows == [4]


def test_no_tensor_of_a_step_has_the_size_of_every_pair_of_embeddings():
    discriminator = PairDiscriminator(320)
    discriminator.build((None, 512), (None, 200))

    @tf.function
    def step(audio, text, label):
        with tf.GradientTape() as tape:
            tape.watch((audio, text))
            scores = discriminator(audio, text)
            weights = negative_weights(label, tf.range(64))
            loss = tf.reduce_sum(info_nce(scores, tf.linalg.diag_part(scores), weights))
        return tape.gradient(loss, [audio, text, *(weight.value for weight in discriminator.weights)])

    graph = step.get_concrete_function(
        tf.TensorSpec((64, 512)), tf.TensorSpec((64, 200)), tf.TensorSpec((64,), tf.int32)
    ).graph
    sizes = [tensor.shape.num_elements() for operation in graph.get_operations() for tensor in operation.outputs]
    assert None not in sizes
    assert max(sizes) == 64 * 64 * 320 < 64 * 64 * 712  # the hidden layer's, not its input's
