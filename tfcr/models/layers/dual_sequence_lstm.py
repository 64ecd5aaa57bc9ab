"""The dual-sequence LSTM: one state over two aligned sequences (Wang et al. 2020)."""

import keras
import tensorflow as tf
from keras import ops

# Those of their code's batch normalisation, here and elsewhere in their network
MOMENTUM = 0.9  # of the moving statistics, per training step
EPSILON = 1e-5  # added to a variance


@keras.saving.register_keras_serializable("tfcr")
class DualSequenceLSTM(keras.layers.Layer):
    """An LSTM over a pair of sequences (x, y) of equally many steps, which are fixed.

        f, i1, o, i2 = BN_t(sigmoid(W [x; y; h] + b))
        c = f c + i1 tanh(W1 [x; h] + b1) + i2 tanh(W2 [y; h] + b2)
        h = o tanh(c)

    BN_t normalises each gate by the batch at step t, with moving statistics of each step's own for evaluation; scale
    (0.1 at the start) and offset are those of all steps. That it stands after the sigmoid, so that gates can leave the
    range from 0 to 1, is what their code does.

    Args:
        units: of the state.

    Call arguments:
        x: [batch, steps, x units].
        y: [batch, steps, y units].

    Returns:
        [batch, steps, units], every h.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"Argument `units` must be an integer of at least 1. Received: {units=}")
        self.units = units

    def build(self, x_shape, y_shape):
        if x_shape[1] is None or x_shape[1] != y_shape[1]:
            raise ValueError(
                "Arguments `x` and `y` must have equally many steps, and a fixed number of them. "
                f"Received: x.shape={tuple(x_shape)}, y.shape={tuple(y_shape)}"
            )
        self.steps, self.x_units, y_units = x_shape[1], x_shape[2], y_shape[2]
        both, gates = self.x_units + y_units, 4 * self.units
        self.gate_kernel = self.add_weight(name="gate_kernel", shape=(both + self.units, gates))
        self.gate_bias = self.add_weight(name="gate_bias", shape=(gates,), initializer="zeros")
        self.x_kernel = self.add_weight(name="x_kernel", shape=(self.x_units + self.units, self.units))
        self.x_bias = self.add_weight(name="x_bias", shape=(self.units,), initializer="zeros")
        self.y_kernel = self.add_weight(name="y_kernel", shape=(y_units + self.units, self.units))
        self.y_bias = self.add_weight(name="y_bias", shape=(self.units,), initializer="zeros")
        tenth = keras.initializers.Constant(0.1)  # autocast=False: a batch is normalised in full precision
        self.scale = self.add_weight(name="scale", shape=(gates,), initializer=tenth, autocast=False)
        self.offset = self.add_weight(name="offset", shape=(gates,), initializer="zeros", autocast=False)
        per_step = {"shape": (self.steps, gates), "trainable": False, "autocast": False}
        self.moving_mean = self.add_weight(name="moving_mean", initializer="zeros", **per_step)
        self.moving_variance = self.add_weight(name="moving_variance", initializer="ones", **per_step)

    def call(self, x, y, training=False):
        # What needs no state is multiplied for all steps at once; the loop has one product left.
        x_units, both, gates = self.x_units, self.gate_kernel.shape[0] - self.units, 4 * self.units
        kernels = [self.gate_kernel, self.x_kernel, self.y_kernel]
        gate_kernel, x_kernel, y_kernel = (ops.cast(kernel, self.compute_dtype) for kernel in kernels)
        of_x = _product(x, ops.concatenate([gate_kernel[:x_units], x_kernel[:x_units]], axis=1))
        of_y = _product(y, ops.concatenate([gate_kernel[x_units:both], y_kernel[: both - x_units]], axis=1))
        ready = ops.concatenate(
            [
                of_x[:, :, :gates] + of_y[:, :, :gates] + self.gate_bias,
                of_x[:, :, gates:] + self.x_bias,
                of_y[:, :, gates:] + self.y_bias,
            ],
            axis=2,
        )
        recurrent = ops.concatenate([gate_kernel[both:], x_kernel[x_units:], y_kernel[both - x_units :]], axis=1)
        states = ops.zeros((2, ops.shape(x)[0], self.units), dtype=self.compute_dtype)
        moments = ops.zeros_like(self.moving_mean[0])
        h, _, means, variances = tf.scan(
            lambda before, at_step: self._step(before[0], before[1], recurrent, *at_step, training),
            (ops.transpose(ready, (1, 0, 2)), self.moving_mean, self.moving_variance),
            (states[0], states[1], moments, moments),
        )
        if training:
            self.moving_mean.assign(MOMENTUM * self.moving_mean + (1 - MOMENTUM) * means)
            self.moving_variance.assign(MOMENTUM * self.moving_variance + (1 - MOMENTUM) * variances)
        return ops.transpose(h, (1, 0, 2))

    def _step(self, h, c, recurrent, ready, mean, variance, training):
        """h and c after a step, and the mean and the variance of its gates: those given, or the batch's in training."""
        summed = ready + ops.matmul(h, recurrent)
        gates, candidates = ops.sigmoid(summed[:, : 4 * self.units]), ops.tanh(summed[:, 4 * self.units :])
        gates = ops.cast(gates, self.variable_dtype)  # half precision holds no sums over a batch
        if training:
            mean, variance = ops.moments(gates, axes=[0])
        gates = (gates - mean) * ops.rsqrt(variance + EPSILON) * self.scale + self.offset
        forget, x_input, output, y_input = ops.split(ops.cast(gates, self.compute_dtype), 4, axis=1)
        x_candidate, y_candidate = ops.split(candidates, 2, axis=1)
        c = forget * c + x_input * x_candidate + y_input * y_candidate
        return output * ops.tanh(c), c, mean, variance

    def compute_output_shape(self, x_shape, y_shape):
        return (*x_shape[:2], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def _product(sequences, kernel):
    """[batch, steps, units] times [units, columns], as a product of two matrices.

    Of one product for each example, the gradient by the kernel would be as many matrices of its size, to be added up.
    """
    rows = ops.reshape(sequences, (-1, sequences.shape[2]))
    return ops.reshape(ops.matmul(rows, kernel), (-1, sequences.shape[1], kernel.shape[1]))
