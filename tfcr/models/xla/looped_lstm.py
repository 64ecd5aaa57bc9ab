"""An LSTM as one loop of fixed shapes, of which XLA makes one product of matrices and one further kernel a step.

What needs no state is multiplied for all steps at once, as in `packed_lstm`: the inputs by their kernel before the
loop, and after the loop of the gradient those of the weights. TensorFlow's own gradient of a loop would keep every
tensor of every step.
"""

import tensorflow as tf


def looped_lstm(
    inputs: tf.Tensor, kernel: tf.Tensor, recurrent_kernel: tf.Tensor, bias: tf.Tensor, mask: tf.Tensor | None = None
) -> tf.Tensor:
    """The outputs of an LSTM over right-padded sequences, from zero states; zeros after the last real step.

    Padding runs like words: it comes last, so that no real step sees what it computes.

    Args:
        inputs: [batch, steps, features].
        kernel, recurrent_kernel, bias: Keras's, with the gates input, forget, candidate and output.
        mask: bool [batch, steps], True for the real steps; None where all are real.

    Returns:
        [batch, steps, units], of the inputs' type. Products of matrices are of that type too, all else is float32, or
        float64 for float64.
    """
    exact = tf.float64 if inputs.dtype == tf.float64 else tf.float32
    by_step = tf.transpose(inputs, (1, 0, 2))
    outputs = _loop(by_step, kernel, recurrent_kernel, tf.cast(bias, exact), exact)
    outputs = tf.cast(tf.transpose(outputs, (1, 0, 2)), inputs.dtype)
    return outputs if mask is None else tf.where(mask[:, :, None], outputs, tf.zeros_like(outputs))


def _loop(inputs, kernel, recurrent_kernel, bias, exact):
    """Every h as [steps, batch, units] in `exact`, of inputs [steps, batch, features]."""

    @tf.custom_gradient
    def run(inputs, kernel, recurrent_kernel, bias):
        narrow = inputs.dtype
        (steps, batch), units = _sizes(inputs), recurrent_kernel.shape[0]
        projected = _product(inputs, kernel, narrow, exact) + bias

        def step(number, h, c, store):
            gates = projected[number] + _product(h, recurrent_kernel, narrow, exact)
            i, f, g, o = _opened(gates)
            c = f * c + i * g
            h = o * tf.tanh(c)
            return number + 1, h, c, store.write(number, tf.concat([gates, c, h], axis=1))  # at once: a kernel each

        start = tf.zeros((batch, units), exact)
        store = _store(exact, steps, inputs.shape[1], 6 * units)
        *_, store = tf.while_loop(lambda number, *_: number < steps, step, (0, start, start, store))
        gates, states, outputs = tf.split(store.stack(), [4 * units, units, units], axis=2)

        def gradient(upstream):
            by_gates = _by_gates(upstream, gates, states, recurrent_kernel, narrow)
            flat = tf.reshape(by_gates, (-1, 4 * units))
            before = tf.concat([start[None], outputs[:-1]], axis=0)
            return (
                tf.cast(_product(by_gates, kernel, narrow, exact, transpose_b=True), narrow),
                tf.cast(_product(_rows(inputs), flat, narrow, exact, transpose_a=True), kernel.dtype),
                tf.cast(_product(_rows(before), flat, narrow, exact, transpose_a=True), recurrent_kernel.dtype),
                tf.reduce_sum(flat, axis=0),
            )

        return outputs, gradient

    return run(inputs, kernel, recurrent_kernel, bias)


def _by_gates(upstream, gates, states, recurrent_kernel, narrow):
    """The gradient by the gates before their functions, [steps, batch, 4 units], from that by every h."""
    exact, units = upstream.dtype, recurrent_kernel.shape[0]
    steps, batch = _sizes(upstream)
    none = tf.zeros((batch, units), exact)
    earlier = tf.concat([none[None], states[:-1]], axis=0)

    def step(done, by_output, by_state, store):  # one counter that goes up: XLA then knows how often the loop runs
        number = steps - 1 - done
        i, f, g, o = _opened(gates[number])
        squashed = tf.tanh(states[number])
        by_output = by_output + upstream[number]
        by_state = by_state + by_output * o * (1 - squashed**2)
        by_gate = tf.concat(
            [
                by_state * g * i * (1 - i),
                by_state * earlier[number] * f * (1 - f),
                by_state * i * (1 - g**2),
                by_output * squashed * o * (1 - o),
            ],
            axis=1,
        )
        by_output = _product(by_gate, recurrent_kernel, narrow, exact, transpose_b=True)
        return done + 1, by_output, by_state * f, store.write(number, by_gate)

    store = _store(exact, steps, upstream.shape[1], 4 * units)
    *_, store = tf.while_loop(lambda done, *_: done < steps, step, (0, none, none, store))
    return store.stack()


def _opened(gates):
    """The gates input, forget, candidate and output after their functions."""
    i, f, g, o = tf.split(gates, 4, axis=1)
    return tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)


def _store(dtype, steps, batch, width):
    """Room for one matrix [batch, width] a step."""
    return tf.TensorArray(dtype, steps, element_shape=(batch, width), clear_after_read=False)


def _sizes(sequences):
    """The first two sizes, as numbers where they are known: the device is not asked for those."""
    return [known or tf.shape(sequences)[axis] for axis, known in enumerate(sequences.shape[:2])]


def _rows(sequences):
    """[steps, batch, width] as [steps * batch, width]."""
    return tf.reshape(sequences, (-1, sequences.shape[2]))


def _product(a, b, narrow, exact, **transposed):
    """The product of two matrices, or of every matrix in `a` with the one in `b`, in `narrow`, as `exact`."""
    product = tf.matmul(_flat(tf.cast(a, narrow)), tf.cast(b, narrow), **transposed)
    if len(a.shape) == 3:
        product = tf.reshape(product, (*_sizes(a), product.shape[1]))
    return tf.cast(product, exact)


def _flat(a):
    return _rows(a) if len(a.shape) == 3 else a
