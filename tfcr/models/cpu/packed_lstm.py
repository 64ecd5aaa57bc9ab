"""An LSTM that runs over real steps alone, for CPUs.

Keras's LSTM runs every step of a batch over every row, and its gradient adds up one outer product a step. Here each
step runs over the rows that still go on; what knows no order (the inputs' product with the kernel, and the gradients of
the weights) is one product over all real steps of the batch.
"""

import keras
import tensorflow as tf

from tfcr.models.cpu.block_lstm import FEW_ROWS, block_lstm
from tfcr.models.cpu.packing import RunsPacked, loop, over_real_steps, place_before, product, step_store
from tfcr.models.kernels import kernels, only_answers
from tfcr.models.xla.looped_lstm import looped_lstm


@keras.saving.register_keras_serializable("tfcr")
class PackedLSTM(RunsPacked, keras.layers.LSTM):
    """Keras's LSTM, run over real steps alone where `is_fast` says so; elsewhere it is Keras's LSTM.

    In what only answers it runs as `block_lstm` where rows are few, and where XLA compiles as `looped_lstm`, unless it
    goes backwards or over a number of steps that is not known.

    Weights, arguments and configuration are those of `keras.layers.LSTM`. Sequences are right-padded, and outputs of
    padding are zeros.

    Call arguments:
        sequences: [batch, steps, features].
        mask: bool [batch, steps], True for the real steps, which come first; None where all are real.

    Returns:
        [batch, steps, units]. Only the last real output without `return_sequences`, as Keras's LSTM has it.
    """

    def call(self, sequences, initial_state=None, mask=None, training=False):
        is_usual = self._is_usual and initial_state is None
        is_forwards = is_usual and not self.go_backwards
        if is_forwards and only_answers() and self.compute_dtype == "float32":
            few = tf.shape(sequences)[0] <= FEW_ROWS
            return tf.cond(
                few, lambda: block_lstm(sequences, *self._weights(), mask), lambda: self._packed(sequences, mask)
            )
        if is_forwards and self.use_cudnn == "auto" and kernels() == "xla" and sequences.shape[1]:
            return looped_lstm(sequences, *self._weights(), mask)
        if is_usual and self.is_fast:
            return self._packed(sequences, mask)
        return self._as_keras(sequences, initial_state=initial_state, mask=mask, training=training)

    def _packed(self, sequences, mask):
        def run(inputs, rows):
            return packed_lstm(inputs, *self._weights(), rows)

        return over_real_steps(sequences, mask, run, self.units, self.go_backwards)


@keras.saving.register_keras_serializable("tfcr")
class LSTM(PackedLSTM):
    """`PackedLSTM` by the name of Keras's, which a file of weights calls its layers by.

    It is for networks that had Keras's when their first weights were saved.
    """


def packed_lstm(
    inputs: tf.Tensor, kernel: tf.Tensor, recurrent_kernel: tf.Tensor, bias: tf.Tensor, rows: tf.Tensor
) -> tf.Tensor:
    """The outputs of an LSTM over packed steps, from zero states.

    Args:
        inputs: [real steps, features], packed.
        kernel, recurrent_kernel, bias: Keras's, with the gates input, forget, candidate and output.
        rows: int32 [steps], how many rows run each step; it never grows.

    Returns:
        [real steps, units], packed, in float64 for float64 and else in float32: products of matrices alone are of
        bfloat16, and of float16 not even those.
    """
    exact = tf.float64 if inputs.dtype == tf.float64 else tf.float32
    units = recurrent_kernel.shape[0]
    steps = tf.maximum(tf.math.count_nonzero(rows, dtype=tf.int32), 1)  # a step over no row, rather than none
    rows = rows[:steps]

    def run(inputs, kernel, recurrent_kernel, bias):
        projected = product(inputs, kernel, exact) + tf.cast(bias, exact)
        projected = step_store(exact, 4 * units, steps).split(projected, rows)

        def step(number, states, stores):
            count = rows[number]
            output, state = states
            gates = projected.read(number) + product(output[:count], recurrent_kernel, exact)
            opened = tf.sigmoid(gates)
            i, f, _, o = tf.split(opened, 4, axis=1)
            candidate = tf.tanh(gates[:, 2 * units : 3 * units])
            state = f * state[:count] + i * candidate
            output = o * tf.tanh(state)
            kept = opened, candidate, state, output
            return number + 1, (output, state), [each.write(number, x) for each, x in zip(stores, kept, strict=True)]

        start = tf.zeros((rows[0], units), exact)
        stores = [step_store(exact, width, steps) for width in (4 * units, units, units, units)]
        stores = loop(lambda number: number < steps, step, 0, (start, start), stores)

        def gradient(upstream):
            gates = _gates_gradient(upstream, recurrent_kernel, rows, stores[:-1])
            before = tf.gather(stores[-1].concat(), place_before(rows))
            return (
                tf.cast(product(gates, kernel, exact, transpose_b=True), inputs.dtype),
                tf.cast(product(inputs, gates, exact, transpose_a=True), kernel.dtype),
                tf.cast(product(before, gates[rows[0] :], exact, transpose_a=True), recurrent_kernel.dtype),
                tf.cast(tf.reduce_sum(gates, axis=0), bias.dtype),
            )

        return stores[-1].concat(), gradient

    if only_answers():  # a SavedModel would warn of a gradient that it does not hold
        return run(inputs, kernel, recurrent_kernel, bias)[0]
    return tf.custom_gradient(run)(inputs, kernel, recurrent_kernel, bias)


def _gates_gradient(upstream, recurrent_kernel, rows, stores):
    """The gradient by the gates before their functions: [real steps, 4 units], packed, from that by the outputs."""
    exact, units, steps = upstream.dtype, recurrent_kernel.shape[0], tf.size(rows)
    turned = _swap_forget_and_candidate(recurrent_kernel)
    upstream = step_store(exact, units, steps).split(upstream, rows)

    def step(number, by_states, store):
        by_output, by_state = by_states
        ending = [[0, rows[number] - tf.shape(by_output)[0]], [0, 0]]  # the rows whose last step this is
        by_output = upstream.read(number) + tf.pad(by_output, ending)
        opened, candidate, state = (each.read(number) for each in stores)
        before = stores[-1].read(tf.maximum(number - 1, 0))[: rows[number]] * tf.cast(number > 0, exact)
        i, f, _, o = tf.split(opened, 4, axis=1)
        by_state, by_gates = _cell_gradient(by_output, tf.pad(by_state, ending), before, i, f, candidate, o, state)
        by_output = product(by_gates, turned, exact, transpose_b=True)
        return number - 1, (by_output, by_state), store.write(number, by_gates)

    none = tf.zeros((0, units), exact)
    store = loop(lambda number: number >= 0, step, steps - 1, (none, none), step_store(exact, 4 * units, steps))
    return _swap_forget_and_candidate(store.concat())


def _cell_gradient(by_output, by_state, before, i, f, c, o, state):
    """The gradients of one step by the state before it, and by its gates input, candidate, forget and output."""
    squashed = tf.tanh(state)
    if by_output.dtype == tf.float32:  # one kernel instead of twenty; it looks at the shapes of what it does not need
        units = by_output.shape[1]
        nothing, no_kernel = tf.zeros((units,)), tf.zeros((units + 1, 4 * units))
        by_previous, by_gates, *_ = tf.raw_ops.LSTMBlockCellGrad(
            x=before[:, :1], cs_prev=before, h_prev=before, w=no_kernel,
            wci=nothing, wcf=nothing, wco=nothing, b=tf.zeros((4 * units,)), i=i, cs=state, f=f, o=o, ci=c, co=squashed,
            cs_grad=by_state, h_grad=by_output, use_peephole=False,
        )  # fmt: skip
        return by_previous, by_gates
    by_state = by_state + by_output * o * (1 - squashed**2)
    by_gates = (
        by_state * c * i * (1 - i),
        by_state * i * (1 - c**2),
        by_state * before * f * (1 - f),
        by_output * squashed * o * (1 - o),
    )
    return by_state * f, tf.concat(by_gates, axis=1)


def _swap_forget_and_candidate(gates):
    """Keras's order of gates, [rows, 4 units], to that of TensorFlow's kernel, or back."""
    units = gates.shape[1] // 4
    swapped = tf.gather(tf.reshape(gates, (-1, 4, units)), (0, 2, 1, 3), axis=1)
    return tf.reshape(swapped, (-1, 4 * units))
