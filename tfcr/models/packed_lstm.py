"""An LSTM that runs over real steps alone, for CPUs.

Keras's LSTM runs every step of a batch over every row, and its gradient adds up one outer product a step. Here rows are
sorted by their length, so that each step runs over the rows that still go on; what knows no order (the inputs' product
with the kernel, and the gradients of the weights) is one product over all real steps of the batch.
"""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("tfcr")
class PackedLSTM(keras.layers.LSTM):
    """Keras's LSTM, run over real steps alone where `is_fast` says so; elsewhere it is Keras's LSTM.

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
        cell = self.cell
        return (
            self.use_cudnn == "auto"
            and keras.backend.backend() == "tensorflow"
            and not tf.config.list_physical_devices("GPU")
            and (cell.activation, cell.recurrent_activation) == (keras.activations.tanh, keras.activations.sigmoid)
            and cell.use_bias
            and self.return_sequences
            and self.zero_output_for_mask
            and not (self.return_state or self.go_backwards or self.stateful or self.unroll)
            and not (self.dropout or self.recurrent_dropout)
        )

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if not self.is_fast or initial_state is not None:
            return super().call(sequences, initial_state=initial_state, mask=mask, training=training)
        batch, steps = tf.shape(sequences)[0], tf.shape(sequences)[1]
        counts = tf.fill((batch,), steps) if mask is None else tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        places, rows = packing(counts, steps)
        weights = (
            tf.convert_to_tensor(each) for each in (self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias)
        )
        outputs = packed_lstm(tf.gather_nd(sequences, places), *weights, rows)
        outputs = tf.scatter_nd(places, tf.cast(outputs, self.compute_dtype), (batch, steps, self.units))
        return tf.ensure_shape(outputs, (*sequences.shape[:2], self.units))


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
        [real steps, units], packed, in float64 for float64 and else in float32: in half precision are the products of
        matrices alone.
    """
    exact = tf.float64 if inputs.dtype == tf.float64 else tf.float32
    units = recurrent_kernel.shape[0]
    steps = tf.maximum(tf.math.count_nonzero(rows, dtype=tf.int32), 1)  # a step over no row, rather than none
    starts = tf.cumsum(rows, exclusive=True)

    @tf.custom_gradient
    def run(inputs, kernel, recurrent_kernel, bias):
        projected = _product(inputs, kernel, exact) + tf.cast(bias, exact)

        def step(number, output, state, stores):
            real = slice(starts[number], starts[number] + rows[number])
            previous_output, previous_state = output[: rows[number]], state[: rows[number]]
            gates = projected[real] + _product(previous_output, recurrent_kernel, exact)
            i, f, c, o = tf.split(gates, 4, axis=1)
            i, f, c, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(c), tf.sigmoid(o)
            state = f * previous_state + i * c
            squashed = tf.tanh(state)
            output = o * squashed
            kept = (previous_output, previous_state, i, f, c, o, state, squashed, output)
            return number + 1, output, state, [each.write(number, x) for each, x in zip(stores, kept, strict=True)]

        zeros = tf.zeros((tf.reduce_sum(rows[:1]), units), exact)
        *_, stores = tf.while_loop(
            lambda number, *_: number < steps,
            step,
            (0, zeros, zeros, [_store(exact, steps, units) for _ in range(9)]),
            shape_invariants=_invariants(units, [tf.TensorShape(None)] * 9),
            parallel_iterations=1,
        )

        def gradient(upstream):
            gates = _gates_gradient(upstream, recurrent_kernel, rows, starts, steps, stores)
            return (
                tf.cast(_product(gates, kernel, exact, transpose_b=True), inputs.dtype),
                tf.cast(_product(inputs, gates, exact, transpose_a=True), kernel.dtype),
                tf.cast(_product(stores[0].concat(), gates, exact, transpose_a=True), recurrent_kernel.dtype),
                tf.cast(tf.reduce_sum(gates, axis=0), bias.dtype),
            )

        return stores[-1].concat(), gradient

    return run(inputs, kernel, recurrent_kernel, bias)


def _gates_gradient(upstream, recurrent_kernel, rows, starts, steps, stores):
    """The gradient by the gates before their functions: [real steps, 4 units], packed, from that by the outputs."""
    exact, units = upstream.dtype, recurrent_kernel.shape[0]
    turned = _swap_forget_and_candidate(recurrent_kernel)

    def step(number, by_output, by_state, store):
        starting = [[0, rows[number] - tf.shape(by_output)[0]], [0, 0]]  # the rows whose last step this is
        by_output = upstream[starts[number] : starts[number] + rows[number]] + tf.pad(by_output, starting)
        kept = (each.read(number) for each in stores[:-1])
        by_state, by_gates = _cell_gradient(by_output, tf.pad(by_state, starting), *kept)
        by_output = _product(by_gates, turned, exact, transpose_b=True)
        return number - 1, by_output, by_state, store.write(number, by_gates)

    none = tf.zeros((0, units), exact)
    *_, store = tf.while_loop(
        lambda number, *_: number >= 0,
        step,
        (steps - 1, none, none, _store(exact, steps, 4 * units)),
        shape_invariants=_invariants(units, tf.TensorShape(None)),
        parallel_iterations=1,
    )
    return _swap_forget_and_candidate(store.concat())


def _cell_gradient(by_output, by_state, previous_output, previous_state, i, f, c, o, state, squashed):
    """The gradients of one step by its previous state, and by its gates input, candidate, forget and output."""
    if by_output.dtype == tf.float32:  # one kernel instead of twenty; it looks at the shapes of what it does not need
        units = by_output.shape[1]
        nothing, no_kernel = tf.zeros((units,)), tf.zeros((units + 1, 4 * units))
        by_previous, by_gates, *_ = tf.raw_ops.LSTMBlockCellGrad(
            x=previous_output[:, :1], cs_prev=previous_state, h_prev=previous_output, w=no_kernel,
            wci=nothing, wcf=nothing, wco=nothing, b=tf.zeros((4 * units,)), i=i, cs=state, f=f, o=o, ci=c, co=squashed,
            cs_grad=by_state, h_grad=by_output, use_peephole=False,
        )  # fmt: skip
        return by_previous, by_gates
    by_state = by_state + by_output * o * (1 - squashed**2)
    by_gates = (
        by_state * c * i * (1 - i),
        by_state * i * (1 - c**2),
        by_state * previous_state * f * (1 - f),
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


def _store(dtype, steps, units):
    return tf.TensorArray(dtype, steps, element_shape=(None, units), infer_shape=False, clear_after_read=False)


def _invariants(units, stores):
    return tf.TensorShape([]), tf.TensorShape([None, units]), tf.TensorShape([None, units]), stores
