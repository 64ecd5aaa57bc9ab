"""An LSTM over some steps at a time is the one over all of them at once."""

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("tensorflow")

FEATURES, UNITS = 7, 5
LENGTHS = [[1], [5, 3], [32, 32], [33, 2], [200, 130, 64, 63, 1], [96] * 3, [129, 128]]


def rows_of(lengths):
    """How many rows run each step, and steps behind the last over none."""
    return np.array([sum(length > step for length in lengths) for step in range(max(lengths) + 3)], np.int32)


def ran(lengths, dtype, in_pieces):
    """The outputs, and the gradients by inputs and weights of a function that weighs all outputs differently."""
    import tensorflow as tf

    from tfcr.models.cpu.packed_lstm import packed_lstm

    random = np.random.default_rng(sum(lengths))
    shapes = [(sum(lengths), FEATURES), (FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,)]
    arguments = [tf.constant(random.normal(0, 0.4, shape), dtype) for shape in shapes]
    weights = tf.constant(random.normal(size=(sum(lengths), UNITS)), dtype)

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            outputs = packed_lstm(*arguments, tf.constant(rows_of(lengths)), in_pieces)
            total = tf.reduce_sum(outputs * tf.cast(weights, outputs.dtype))
        return [outputs, *tape.gradient(total, arguments)]

    return [each.numpy() for each in run()]


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_some_steps_at_a_time_give_the_outputs_and_gradients_of_all_at_once(lengths):
    together, apart = (ran(lengths, "float64", in_pieces) for in_pieces in (False, True))
    for expected, found in zip(together, apart, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("lengths", [[1], [30, 7, 7, 2, 1], [32, 32]], ids=str)
def test_one_piece_has_the_bits_of_all_at_once(lengths):
    for expected, found in zip(*(ran(lengths, "float32", in_pieces) for in_pieces in (False, True)), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.02), ("float16", 0.002)])
def test_several_pieces_are_close_in_every_precision(dtype, tolerance):
    lengths = [150, 149, 70, 2]
    for expected, found in zip(*(ran(lengths, dtype, in_pieces) for in_pieces in (False, True)), strict=True):
        expected, found = expected.astype(np.float32), found.astype(np.float32)
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize(
    ("counts", "go_backwards"), [([70, 33, 5], False), ([64, 0, 64], False), ([0, 0], False), ([75, 75], True)], ids=str
)
def test_long_sequences_have_the_outputs_and_gradients_of_keras(monkeypatch, counts, go_backwards):
    import keras
    import tensorflow as tf

    from tfcr.models.cpu import packed_lstm
    from tfcr.models.cpu.packed_lstm import LSTM

    ran_in_pieces = []
    in_pieces = packed_lstm._in_pieces
    monkeypatch.setattr(packed_lstm, "_in_pieces", lambda *given: ran_in_pieces.append(True) or in_pieces(*given))
    steps = 75
    keras.utils.set_random_seed(1)
    layers = [
        kind(UNITS, return_sequences=True, zero_output_for_mask=True, go_backwards=go_backwards, **options)
        for kind, options in ((LSTM, {}), (keras.layers.LSTM, {"use_cudnn": False}))
    ]
    sequences = np.random.default_rng(0).normal(size=(len(counts), steps, FEATURES)).astype(np.float32)
    weights = np.random.default_rng(1).normal(size=(len(counts), steps, UNITS)).astype(np.float32)
    mask = np.arange(steps) < np.array(counts)[:, None]
    for layer in layers:
        layer.build(sequences.shape)
    layers[1].set_weights(layers[0].get_weights())
    found = []
    for layer in layers:

        @tf.function(input_signature=[tf.TensorSpec((None, None, FEATURES)), tf.TensorSpec((None, None), tf.bool)])
        def run(sequences, mask, layer=layer):
            with tf.GradientTape() as tape:
                tape.watch(sequences)
                outputs = layer(sequences, mask=mask, training=True)
                total = tf.reduce_sum(outputs * tf.cast(weights, outputs.dtype))
            return [outputs, *tape.gradient(total, [sequences, *(each.value for each in layer.trainable_variables)])]

        found.append([each.numpy() for each in run(sequences, mask)])
    assert layers[0].is_fast and len(ran_in_pieces) == 1
    for ours, keras_ in zip(*found, strict=True):
        np.testing.assert_allclose(ours, keras_, rtol=0, atol=1e-5 * max(1, np.abs(keras_).max()))


def test_one_piece_waits_for_the_other_so_that_little_is_in_memory_at_once():
    import tensorflow as tf

    from tfcr.models.cpu.packed_lstm import LSTM

    layer = LSTM(UNITS, return_sequences=True)
    layer.build((None, None, FEATURES))

    @tf.function(input_signature=[tf.TensorSpec((None, None, FEATURES))])
    def run(sequences):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(layer(sequences, training=True))
        return tape.gradient(total, layer.trainable_weights[0].value)

    nodes = run.get_concrete_function().graph.as_graph_def().node
    loops = [node.attr["parallel_iterations"].i for node in nodes if node.op in ("While", "StatelessWhile")]
    assert loops == [1, 1]  # over pieces, forwards and back; those over a piece's steps are within


def test_the_papers_own_lstm_runs_at_once(monkeypatch):
    from tfcr.models.cpu import packed_lstm

    monkeypatch.setattr(packed_lstm, "_in_pieces", lambda *given: pytest.fail("it ran in pieces"))
    layer = packed_lstm.PackedLSTM(UNITS, return_sequences=True)
    assert layer(np.ones((2, 75, FEATURES), np.float32), training=True).shape == (2, 75, UNITS)
    assert layer.is_fast
