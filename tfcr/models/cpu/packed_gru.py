"""A GRU that runs over real steps alone, for CPUs: to Keras's what `packed_lstm` is to its LSTM."""

import keras
import tensorflow as tf

from tfcr.models.cpu.packing import RunsPacked, loop, over_real_steps, place_before, product, step_store


@keras.saving.register_keras_serializable("tfcr")
class GRU(RunsPacked, keras.layers.GRU):
    """Keras's GRU, run over real steps alone where `is_fast` says so; elsewhere it is Keras's GRU.

    Weights, arguments and configuration are those of `keras.layers.GRU`, and so is the name, which a file of weights
    calls its layers by. Sequences are right-padded, and outputs of padding are zeros.

    Call arguments:
        sequences: [batch, steps, features].
        mask: bool [batch, steps], True for the real steps, which come first; None where all are real.

    Returns:
        [batch, steps, units]. Only the last real output without `return_sequences`, as Keras's GRU has it.
    """

    @property
    def _is_usual(self) -> bool:
        return self.cell.reset_after and super()._is_usual

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if initial_state is not None or not self.is_fast:
            return self._as_keras(sequences, initial_state=initial_state, mask=mask, training=training)

        def run(inputs, rows):
            return packed_gru(inputs, *self._weights(), rows)

        return over_real_steps(sequences, mask, run, self.units, self.go_backwards)


def packed_gru(
    inputs: tf.Tensor, kernel: tf.Tensor, recurrent_kernel: tf.Tensor, bias: tf.Tensor, rows: tf.Tensor
) -> tf.Tensor:
    """The outputs of a GRU over packed steps, from zero states; its reset gate acts on the product with the state.

    Args:
        inputs: [real steps, features], packed.
        kernel, recurrent_kernel: Keras's, with the gates update, reset and candidate.
        bias: [2, 3 units], of the inputs and of the state.
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
        of_inputs, of_state = tf.unstack(tf.cast(bias, exact))
        projected = product(inputs, kernel, exact) + of_inputs
        projected = step_store(exact, 3 * units, steps).split(projected, rows)

        def step(number, states, stores):
            before = states[0][: rows[number]]
            by_input = projected.read(number)
            by_state = product(before, recurrent_kernel, exact) + of_state
            opened = tf.sigmoid(by_input[:, : 2 * units] + by_state[:, : 2 * units])
            update, reset = tf.split(opened, 2, axis=1)
            proposed = by_state[:, 2 * units :]
            candidate = tf.tanh(by_input[:, 2 * units :] + reset * proposed)
            output = candidate + update * (before - candidate)
            kept = opened, proposed, candidate, output
            return number + 1, (output,), [each.write(number, x) for each, x in zip(stores, kept, strict=True)]

        start = tf.zeros((rows[0], units), exact)
        stores = [step_store(exact, width, steps) for width in (2 * units, units, units, units)]
        _, stores = loop(lambda number: number < steps, step, 0, (start,), stores)

        def gradient(upstream):
            by_input, by_proposed = _gates_gradient(upstream, recurrent_kernel, rows, stores)
            by_state = tf.concat([by_input[:, : 2 * units], by_proposed], axis=1)
            before = tf.gather(stores[-1].concat(), place_before(rows))
            by_bias = tf.stack([tf.reduce_sum(by_input, axis=0), tf.reduce_sum(by_state, axis=0)])
            return (
                tf.cast(product(by_input, kernel, exact, transpose_b=True), inputs.dtype),
                tf.cast(product(inputs, by_input, exact, transpose_a=True), kernel.dtype),
                tf.cast(product(before, by_state[rows[0] :], exact, transpose_a=True), recurrent_kernel.dtype),
                tf.cast(by_bias, bias.dtype),
            )

        return stores[-1].concat(), gradient

    return run(inputs, kernel, recurrent_kernel, bias)


def _gates_gradient(upstream, recurrent_kernel, rows, stores):
    """The gradients, packed, by the gates before their functions and by the candidate's product with the state.

    [real steps, 3 units] and [real steps, units], from that by the outputs.
    """
    exact, units, steps = upstream.dtype, recurrent_kernel.shape[0], tf.size(rows)
    upstream = step_store(exact, units, steps).split(upstream, rows)

    def step(number, states, kept):
        ending = [[0, rows[number] - tf.shape(states[0])[0]], [0, 0]]  # the rows whose last step this is
        by_output = upstream.read(number) + tf.pad(states[0], ending)
        opened, proposed, candidate = (each.read(number) for each in stores[:-1])
        update, reset = tf.split(opened, 2, axis=1)
        before = stores[-1].read(tf.maximum(number - 1, 0))[: rows[number]] * tf.cast(number > 0, exact)
        by_candidate = by_output * (1 - update) * (1 - candidate**2)
        by_update = by_output * (before - candidate) * update * (1 - update)
        by_reset = by_candidate * proposed * reset * (1 - reset)
        by_proposed = by_candidate * reset
        by_state = product(
            tf.concat([by_update, by_reset, by_proposed], axis=1), recurrent_kernel, exact, transpose_b=True
        )
        kept = [
            kept[0].write(number, tf.concat([by_update, by_reset, by_candidate], axis=1)),
            kept[1].write(number, by_proposed),
        ]
        return number - 1, (by_output * update + by_state,), kept

    kept = [step_store(exact, width, steps) for width in (3 * units, units)]
    _, kept = loop(lambda number: number >= 0, step, steps - 1, (tf.zeros((0, units), exact),), kept)
    return [each.concat() for each in kept]
