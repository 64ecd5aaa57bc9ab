"""What an export's LSTM answers by: the same as Keras's, for few rows by one kernel and for many by packed steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcr.models.cpu.block_lstm import FEW_ROWS
from tfcr.models.cpu.packed_lstm import PackedLSTM
from tfcr.models.kernels import answering


@pytest.fixture(scope="module")
def answered():
    """`answered(sequences, mask)`: of an LSTM in a graph that only answers, and of the same one as Keras runs it."""
    keras.utils.set_random_seed(1)
    layer = PackedLSTM(5, return_sequences=True, use_cudnn=False)
    layer.build((None, None, 3))
    layer.cell.bias.assign(np.random.default_rng(0).normal(size=20))
    signature = [tf.TensorSpec((None, None, 3)), tf.TensorSpec((None, None), tf.bool)]
    with answering():
        graph = tf.function(lambda sequences, mask: layer(sequences, mask=mask), signature).get_concrete_function()
    return (lambda *given: (graph(*given), layer(given[0], mask=given[1]))), graph


def _padded(rng, counts, steps):
    sequences = rng.normal(size=(len(counts), steps, 3)).astype(np.float32)
    mask = np.arange(steps) < np.array(counts)[:, None]
    return tf.constant(sequences), tf.constant(mask)


@pytest.mark.parametrize("rows", [1, 2, FEW_ROWS, FEW_ROWS + 1, 3 * FEW_ROWS])
def test_outputs_are_those_of_keras_and_zero_behind_the_last_word(answered, rows):
    rng = np.random.default_rng(rows)
    counts = [7, *rng.integers(0, 8, rows - 1)]
    sequences, mask = _padded(rng, counts, 7)
    found, expected = answered[0](sequences, mask)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not np.any(found.numpy()[~mask.numpy()])


@pytest.mark.parametrize("rows", [1, FEW_ROWS + 1])
def test_sequences_without_a_step_have_an_output_of_zeros(answered, rows):
    found, expected = answered[0](*_padded(np.random.default_rng(0), [0] * rows, 4))
    assert not np.any(found) and not np.any(expected)


def test_few_rows_are_one_kernel(answered):
    kernels = {node.op for function in answered[1].graph.as_graph_def().library.function for node in function.node_def}
    assert "BlockLSTMV2" in kernels
