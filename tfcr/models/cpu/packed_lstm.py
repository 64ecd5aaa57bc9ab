"""An LSTM that runs over real steps alone, for CPUs.

Keras's LSTM runs every step of a batch over every row, and its gradient adds up one outer product a step. Here rows are
sorted by their length, so that each step runs over the rows that still go on; what knows no order (the inputs' product
with the kernel, and the gradients of the weights) is one product over all real steps of the batch.
"""

import keras
import tensorflow as tf

from tfcr.models.cpu import has_cpu_kernels
from tfcr.models.cpu.block_lstm import FEW_ROWS, block_lstm
from tfcr.models.kernels import cudnn_of, kernels, only_answers
from tfcr.models.xla.looped_lstm import looped_lstm


@keras.saving.register_keras_serializable("tfcr")
class PackedLSTM(keras.layers.LSTM):
    """Keras's LSTM, run over real steps alone where `is_fast` says so; elsewhere it is Keras's LSTM.

    Where XLA compiles, it runs as `looped_lstm`, and in what only answers as `block_lstm` where rows are few. In
    bfloat16 it never runs as cuDNN's, whose gradient is wrong there.

    Weights, arguments and configuration are those of `keras.layers.LSTM`. Sequences are right-padded, and outputs after
    the last real step are zeros.

    Call arguments:
        sequences: [batch, steps, features].
        mask: bool [batch, steps], True for the real steps, which come first; None where all are real.

    Returns:
        [batch, steps, units]. Only the last real output without `return_sequences`, as Keras's LSTM has it.
    """

    def __init__(self, units, zero_output_for_mask=True, **kwargs):
        super().__init__(units, zero_output_for_mask=zero_output_for_mask, **kwargs)

    @property
    def is_fast(self) -> bool:
        """Whether this layer runs packed: on a CPU, as an LSTM of the usual kind, and free to choose its kernel.

        With a GPU the cuDNN kernel is faster. `use_cudnn=False` asks for what any runtime has, as an export does.
        """
        return has_cpu_kernels() and self._is_free

    @property
    def _is_free(self) -> bool:
        return self.use_cudnn == "auto" and self._is_usual

    @property
    def _is_usual(self) -> bool:
        cell = self.cell
        return (
            (cell.activation, cell.recurrent_activation) == (keras.activations.tanh, keras.activations.sigmoid)
            and cell.use_bias
            and self.return_sequences
            and self.zero_output_for_mask
            and not (self.return_state or self.go_backwards or self.stateful or self.unroll)
            and not (self.dropout or self.recurrent_dropout)
        )

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if only_answers() and self._is_usual and initial_state is None and self.compute_dtype == "float32":
            few = tf.shape(sequences)[0] <= FEW_ROWS
            return tf.cond(
                few, lambda: block_lstm(sequences, *self._weights(), mask), lambda: self._packed(sequences, mask)
            )
        is_free = self._is_free and initial_state is None
        if is_free and kernels() == "xla":
            return looped_lstm(sequences, *self._weights(), mask)
        if not (is_free and self.is_fast):
            return self._as_keras(sequences, initial_state=initial_state, mask=mask, training=training)
        return self._packed(sequences, mask)

    def _packed(self, sequences, mask):
        batch, steps = tf.shape(sequences)[0], tf.shape(sequences)[1]
        counts = tf.fill((batch,), steps) if mask is None else tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        places, rows = packing(counts, steps)
        outputs = packed_lstm(tf.gather_nd(sequences, places), *self._weights(), rows)
        outputs = tf.scatter_nd(places, tf.cast(outputs, self.compute_dtype), (batch, steps, self.units))
        return tf.ensure_shape(outputs, (*sequences.shape[:2], self.units))

    def _weights(self):
        cell = self.cell
        return [tf.convert_to_tensor(each) for each in (cell.kernel, cell.recurrent_kernel, cell.bias)]

    def _as_keras(self, *arguments, **named):
        """Keras's LSTM, without cuDNN where that is wrong."""
        asked, self.use_cudnn = self.use_cudnn, cudnn_of(self.use_cudnn, self.dtype_policy)
        try:
            return super().call(*arguments, **named)
        finally:
            self.use_cudnn = asked

    def get_config(self):
        return {**super().get_config(), "use_cudnn": self.use_cudnn}


def packing(counts: tf.Tensor, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The order in which the real steps of right-padded sequences are packed: by step, and the longest sequence first.

    Args:
        counts: int32 [batch], how many steps of each are real.
        steps: int32 [], how many there are.

    Returns:
        int32 [real steps, 2], the row and the step of each; and int32 [steps], how many rows run each step.
    """
    order = tf.argsort(counts, direction="DESCENDING", stable=True)
    running = tf.range(steps)[:, None] < tf.gather(counts, order)[None, :]
    places = tf.cast(tf.where(running), tf.int32)
    return tf.stack([tf.gather(order, places[:, 1]), places[:, 0]], axis=1), tf.reduce_sum(
        tf.cast(running, tf.int32), 1
    )


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

    @tf.custom_gradient
    def run(inputs, kernel, recurrent_kernel, bias):
        projected = _product(inputs, kernel, exact) + tf.cast(bias, exact)
        projected = _store(exact, 4 * units, steps).split(projected, rows)

        def step(number, output, state, stores):
            count = rows[number]
            gates = projected.read(number) + _product(output[:count], recurrent_kernel, exact)
            opened = tf.sigmoid(gates)
            i, f, _, o = tf.split(opened, 4, axis=1)
            candidate = tf.tanh(gates[:, 2 * units : 3 * units])
            state = f * state[:count] + i * candidate
            output = o * tf.tanh(state)
            kept = opened, candidate, state, output
            return number + 1, output, state, [each.write(number, x) for each, x in zip(stores, kept, strict=True)]

        start = tf.zeros((rows[0], units), exact)
        stores = [_store(exact, width, steps) for width in (4 * units, units, units, units)]
        *_, stores = _loop(lambda number: number < steps, step, 0, start, start, stores)

        def gradient(upstream):
            gates = _gates_gradient(upstream, recurrent_kernel, rows, stores[:-1])
            before = tf.gather(stores[-1].concat(), _place_before(rows))
            return (
                tf.cast(_product(gates, kernel, exact, transpose_b=True), inputs.dtype),
                tf.cast(_product(inputs, gates, exact, transpose_a=True), kernel.dtype),
                tf.cast(_product(before, gates[rows[0] :], exact, transpose_a=True), recurrent_kernel.dtype),
                tf.cast(tf.reduce_sum(gates, axis=0), bias.dtype),
            )

        return stores[-1].concat(), gradient

    return run(inputs, kernel, recurrent_kernel, bias)


def _place_before(rows):
    """Where the outputs stand that the second step and later ones begin with: int32 [real steps - rows[0]]."""
    starts = tf.cumsum(rows, exclusive=True)
    step = tf.repeat(tf.range(1, tf.size(rows)), rows[1:])
    return tf.range(rows[0], rows[0] + tf.size(step)) - tf.gather(starts, step) + tf.gather(starts, step - 1)


def _gates_gradient(upstream, recurrent_kernel, rows, stores):
    """The gradient by the gates before their functions: [real steps, 4 units], packed, from that by the outputs."""
    exact, units, steps = upstream.dtype, recurrent_kernel.shape[0], tf.size(rows)
    turned = _swap_forget_and_candidate(recurrent_kernel)
    upstream = _store(exact, units, steps).split(upstream, rows)

    def step(number, by_output, by_state, store):
        ending = [[0, rows[number] - tf.shape(by_output)[0]], [0, 0]]  # the rows whose last step this is
        by_output = upstream.read(number) + tf.pad(by_output, ending)
        opened, candidate, state = (each.read(number) for each in stores)
        before = stores[-1].read(tf.maximum(number - 1, 0))[: rows[number]] * tf.cast(number > 0, exact)
        i, f, _, o = tf.split(opened, 4, axis=1)
        by_state, by_gates = _cell_gradient(by_output, tf.pad(by_state, ending), before, i, f, candidate, o, state)
        by_output = _product(by_gates, turned, exact, transpose_b=True)
        return number - 1, by_output, by_state, store.write(number, by_gates)

    none = tf.zeros((0, units), exact)
    *_, store = _loop(lambda number: number >= 0, step, steps - 1, none, none, _store(exact, 4 * units, steps))
    return _swap_forget_and_candidate(store.concat())


def _loop(goes_on, step, number, output, state, stores):
    """`step` while `goes_on`, with ever other numbers of rows."""
    rows = tf.TensorShape([None, output.shape[1]])
    unknown = keras.tree.map_structure(lambda store: tf.TensorShape(None), stores)
    return tf.while_loop(
        lambda number, *_: goes_on(number),
        step,
        (number, output, state, stores),
        shape_invariants=(tf.TensorShape([]), rows, rows, unknown),
    )


def _store(dtype, width, size):
    """Room for one matrix [rows, width] a step."""
    return tf.TensorArray(dtype, size, element_shape=(None, width), infer_shape=False, clear_after_read=False)


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
    """Keras's order of gates to that of TensorFlow's kernel, or back."""
    i, f, c, o = tf.split(gates, 4, axis=-1)
    return tf.concat([i, c, f, o], axis=-1)


def _product(a, b, exact, **transposed):
    """The product of two matrices in the narrower of their types, as `exact`."""
    narrow = tf.bfloat16 if tf.bfloat16 in (a.dtype, b.dtype) else exact
    return tf.cast(tf.matmul(tf.cast(a, narrow), tf.cast(b, narrow), **transposed), exact)
