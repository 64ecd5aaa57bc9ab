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
            total = tf.reduce_sum(outputs * weights)
        return [outputs, *tape.gradient(total, arguments)]

    return [each.numpy() for each in run()]


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_some_steps_at_a_time_give_the_outputs_and_gradients_of_all_at_once(lengths):
    together, apart = (ran(lengths, "float64", in_pieces) for in_pieces in (False, True))
    for expected, found in zip(together, apart, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


def test_in_float32_the_outputs_and_the_gradients_by_inputs_have_the_same_bits():
    lengths = [150, 149, 70, 2]
    together, apart = (ran(lengths, "float32", in_pieces) for in_pieces in (False, True))
    for which in (0, 1):
        np.testing.assert_array_equal(apart[which], together[which])
    for expected, found in zip(together[2:], apart[2:], strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(("steps", "expected"), [(30, False), (128, False), (129, True), (None, True)])
def test_sequences_that_may_be_long_are_run_in_pieces(monkeypatch, steps, expected):
    import tensorflow as tf

    from tfcr.models.cpu import packed_lstm

    asked = []

    def recorded(inputs, kernel, recurrent_kernel, bias, rows, in_pieces):
        asked.append(in_pieces)
        return packed_lstm_(inputs, kernel, recurrent_kernel, bias, rows, in_pieces)

    packed_lstm_ = packed_lstm.packed_lstm
    monkeypatch.setattr(packed_lstm, "packed_lstm", recorded)
    layer = packed_lstm.PackedLSTM(UNITS, return_sequences=True)
    layer.build((None, steps, FEATURES))
    graph = tf.function(layer, input_signature=[tf.TensorSpec((None, steps, FEATURES))])
    assert graph(np.zeros((2, steps or 70, FEATURES), np.float32)).shape == (2, steps or 70, UNITS)
    assert set(asked) == {expected}
