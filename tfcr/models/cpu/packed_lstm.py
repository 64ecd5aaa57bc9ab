"""An LSTM that runs over real steps alone, for CPUs.

Keras's LSTM runs every step of a batch over every row, and its gradient adds up one outer product a step. Here each
step runs over the rows that still go on; what knows no order (the inputs' product with the kernel, and the gradients of
the weights) is one product over all real steps of the batch. Where sequences may be long it is one over some steps at a
time, so that little has to be in memory at once beside what the way back needs.
"""

import keras
import tensorflow as tf

from tfcr.models.cpu.block_lstm import FEW_ROWS, block_lstm
from tfcr.models.cpu.packing import RunsPacked, loop, over_real_steps, place_before, product, step_store
from tfcr.models.kernels import kernels, only_answers
from tfcr.models.xla.looped_lstm import looped_lstm

_PIECE = 32  # steps at a time, where sequences may be long


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

    in_pieces = False  # as `packed_lstm` has it

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
            return packed_lstm(inputs, *self._weights(), rows, self.in_pieces)

        return over_real_steps(sequences, mask, run, self.units, self.go_backwards)


@keras.saving.register_keras_serializable("tfcr")
class LSTM(PackedLSTM):
    """`PackedLSTM` for sequences that may be long, run over some steps at a time.

    It has the name of Keras's, which a file of weights calls its layers by: the networks that have it had Keras's when
    their first weights were saved.
    """

    in_pieces = True


def packed_lstm(
    inputs: tf.Tensor,
    kernel: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    bias: tf.Tensor,
    rows: tf.Tensor,
    in_pieces: bool = False,
) -> tf.Tensor:
    """The outputs of an LSTM over packed steps, from zero states.

    Args:
        inputs: [real steps, features], packed.
        kernel, recurrent_kernel, bias: Keras's, with the gates input, forget, candidate and output.
        rows: int32 [steps], how many rows run each step; it never grows.
        in_pieces: whether what knows no order is made of `_PIECE` steps at a time, which takes less memory. Of more
            steps, outputs and gradients may then have other last bits (of bfloat16, where products are of it).

    Returns:
        [real steps, units], packed, in float64 for float64 and else in float32: products of matrices alone are of
        bfloat16, and of float16 not even those.
    """
    exact = tf.float64 if inputs.dtype == tf.float64 else tf.float32
    units = recurrent_kernel.shape[0]
    steps = tf.maximum(tf.math.count_nonzero(rows, dtype=tf.int32), 1)  # a step over no row, rather than none
    rows = rows[:steps]

    def run(inputs, kernel, recurrent_kernel, bias):
        def forwards(first, last, inputs, states, stores):
            """Steps from `first` to before `last`, whose inputs are given: the states and the stores behind them."""
            projected = product(inputs, kernel, exact) + tf.cast(bias, exact)
            projected = step_store(exact, 4 * units, last - first).split(projected, rows[first:last])

            def step(number, states, stores):
                count = rows[number]
                output, state = states
                gates = projected.read(number - first) + product(output[:count], recurrent_kernel, exact)
                opened = tf.sigmoid(gates)
                i, f, _, o = tf.split(opened, 4, axis=1)
                candidate = tf.tanh(gates[:, 2 * units : 3 * units])
                state = f * state[:count] + i * candidate
                output = o * tf.tanh(state)
                of_gates = [tf.concat([i, f, candidate, o], axis=1)] if in_pieces else [opened, candidate]
                kept = *of_gates, state, output
                stores = [each.write(number, x) for each, x in zip(stores, kept, strict=True)]
                return number + 1, (output, state), stores

            return loop(lambda number: number < last, step, first, states, stores)

        nothing = tf.zeros((rows[0], units), exact)
        widths = (4 * units, *([] if in_pieces else [units]), units, units)
        begin = (nothing, nothing), [step_store(exact, width, steps) for width in widths]
        _, stores = _in_pieces(forwards, rows, inputs, *begin) if in_pieces else forwards(0, steps, inputs, *begin)
        outputs = stores[-1].concat()

        def gradient(upstream):
            way_back = _WayBack(inputs, kernel, recurrent_kernel, outputs, rows, stores[:-1], upstream)
            by_inputs, by_kernel, by_recurrent, by_bias = way_back.in_pieces() if in_pieces else way_back.at_once()
            return (
                tf.cast(by_inputs, inputs.dtype),
                tf.cast(by_kernel, kernel.dtype),
                tf.cast(by_recurrent, recurrent_kernel.dtype),
                tf.cast(by_bias, bias.dtype),
            )

        return outputs, gradient

    if only_answers():  # a SavedModel would warn of a gradient that it does not hold
        return run(inputs, kernel, recurrent_kernel, bias)[0]
    return tf.custom_gradient(run)(inputs, kernel, recurrent_kernel, bias)


def _in_pieces(forwards, rows, inputs, states, stores):
    """What `forwards` makes of all steps, called with `_PIECE` of them at a time."""
    pieces, bounds = _pieces_of(rows)

    def piece(number, states, stores):
        first, last, start, end = bounds(number)
        return number + 1, *forwards(first, last, inputs[start:end], states, stores)

    return loop(lambda number: number < pieces, piece, 0, states, stores, ahead=1)


def _pieces_of(rows):
    """How many pieces there are, and a function of a piece's number.

    It gives the piece's first step and the one behind its last, and where each of the two begins in what is packed.
    """
    steps, starts = tf.size(rows), tf.cumsum(tf.concat([[0], rows], axis=0))

    def bounds(number):
        first, last = number * _PIECE, tf.minimum((number + 1) * _PIECE, steps)
        return first, last, starts[first], starts[last]

    return -(-steps // _PIECE), bounds


class _WayBack:
    """The gradients by inputs, kernel, recurrent kernel and bias, from that by the outputs, `upstream`.

    Args:
        stores: of every step the opened gates, the candidate and the state; or, in less memory, the gates with the
            candidate in its place, and the state.
    """

    def __init__(self, inputs, kernel, recurrent_kernel, outputs, rows, stores, upstream):
        self.inputs, self.outputs, self.upstream, self.rows, self.stores = inputs, outputs, upstream, rows, stores
        self.kernel, self.turned = kernel, _swap_forget_and_candidate(recurrent_kernel)
        self.exact, self.units = upstream.dtype, recurrent_kernel.shape[0]
        none = tf.zeros((0, self.units), self.exact)
        self.behind = none, none  # the last step: by the output and the state

    def at_once(self):
        """Of all steps together."""
        _, gates = self._gates(0, tf.size(self.rows), self.upstream, self.behind)
        before = tf.gather(self.outputs, place_before(self.rows))
        return self._of_gates(gates, self.inputs, before, gates[self.rows[0] :])

    def in_pieces(self):
        """Of `_PIECE` steps at a time, from the last to the first."""
        (pieces, bounds), places = _pieces_of(self.rows), place_before(self.rows)

        def piece(number, by_states, found):
            first, last, start, end = bounds(number)
            by_states, gates = self._gates(first, last, self.upstream[start:end], by_states)
            begun = tf.maximum(start, self.rows[0])  # the first step has nothing before it
            before = tf.gather(self.outputs, places[begun - self.rows[0] : end - self.rows[0]])
            by_inputs, *others = self._of_gates(gates, self.inputs[start:end], before, gates[begun - start :])
            sums = [total + more for total, more in zip(found[1:], others, strict=True)]
            return number - 1, by_states, [found[0].write(number, by_inputs), *sums]

        width, of_gates = self.kernel.shape[0], 4 * self.units
        shapes = (width, of_gates), (self.units, of_gates), (of_gates,)
        begin = [step_store(self.exact, width, pieces), *(tf.zeros(shape, self.exact) for shape in shapes)]
        _, (by_inputs, *sums) = loop(lambda number: number >= 0, piece, pieces - 1, self.behind, begin, ahead=1)
        return by_inputs.concat(), *(tf.ensure_shape(total, shape) for total, shape in zip(sums, shapes, strict=True))

    def _of_gates(self, gates, inputs, before, behind):
        """The gradients from that by the gates of some steps; `behind` is that of the steps with outputs `before`."""
        return (
            product(gates, self.kernel, self.exact, transpose_b=True),
            product(inputs, gates, self.exact, transpose_a=True),
            product(before, behind, self.exact, transpose_a=True),
            tf.reduce_sum(gates, axis=0),
        )

    def _gates(self, first, last, upstream, by_states):
        """The gradients by output and state before `first`, and by the gates of steps from there to before `last`.

        Args:
            upstream: by the outputs of these steps, packed.
            by_states: by output and state before `last`.

        Returns:
            The former, and [real steps, 4 units], packed, by the gates before their functions.
        """
        exact, units, rows = self.exact, self.units, self.rows
        upstream = step_store(exact, units, last - first).split(upstream, rows[first:last])

        def step(number, by_states, store):
            by_output, by_state = by_states
            ending = [[0, rows[number] - tf.shape(by_output)[0]], [0, 0]]  # the rows whose last step this is
            by_output = upstream.read(number - first) + tf.pad(by_output, ending)
            opened, *beside, state = (each.read(number) for each in self.stores)
            before = self.stores[-1].read(tf.maximum(number - 1, 0))[: rows[number]] * tf.cast(number > 0, exact)
            i, f, in_its_place, o = tf.split(opened, 4, axis=1)
            [candidate] = beside or [in_its_place]
            by_state, by_gates = _cell_gradient(by_output, tf.pad(by_state, ending), before, i, f, candidate, o, state)
            by_output = product(by_gates, self.turned, exact, transpose_b=True)
            return number - 1, (by_output, by_state), store.write(number - first, by_gates)

        store = step_store(exact, 4 * units, last - first)
        by_states, store = loop(lambda number: number >= first, step, last - 1, by_states, store)
        return by_states, _swap_forget_and_candidate(store.concat())


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
