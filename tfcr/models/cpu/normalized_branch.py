"""Two blocks of convolution, batch normalisation, max-pooling and ReLU over pictures of one channel, for CPUs.

A training step of Keras's layers writes the first convolution of a batch, sixty-four times as large as its pictures,
and a dozen tensors of that size after it. Here none is ever there as a whole:

* The statistics of the first convolution follow from the mean and the covariance of the picture's 4 x 4 patches, since
  it is linear in them. Normalising is then part of its kernel and its bias.
* Everything runs over a few examples at a time, whose tensors stay in a processor's cache. Of these the second
  convolution's output is kept, before and after pooling, in its pieces; for the gradient the first is computed again,
  an eighth of the work.
* The first convolution is one product of matrices for each of the four places of a pooling window. So pooling is a
  maximum of four tensors, and the gradient of a window goes to one of them.
* What is added to a convolution that is normalised by the batch changes nothing: the biases, whose gradient is zero.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfcr.models.cpu import has_cpu_kernels
from tfcr.models.cpu.conv_block import sum_of_channels

SIZE = 4  # of a kernel, in both directions
PIECE = 2  # examples that are computed at a time
_VALID = {"strides": [1, 1, 1, 1], "padding": "VALID"}
_POOL = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}


@keras.saving.register_keras_serializable("tfcr")
class NormalizedBranch(keras.Model):
    """A functional model of two such blocks, which trains on a CPU without the tensors between its layers.

    Its layers have these names: `standardization` and `one_channel`, which make pictures [batch, height, width, 1];
    for either block `conv_<block>`, of 4 x 4 after a border of one zero, and `batch_normalization_<block>`, before a
    2 x 2 max-pooling with stride 2 and a ReLU; and `one_vector_a_step`, which takes what the second block gives.
    """

    @property
    def is_fast(self) -> bool:
        """Whether a training step runs without them: on a CPU, in the precision of the weights, and nothing frozen."""
        first = self.get_layer("conv_0")
        trains = all(self.get_layer(f"batch_normalization_{n}").trainable for n in range(2))
        return has_cpu_kernels() and first.compute_dtype == first.variable_dtype and trains

    def call(self, inputs, training=None, mask=None):
        if not (training and self.is_fast):
            return super().call(inputs, training=training, mask=mask)
        pictures = self.get_layer("one_channel")(self.get_layer("standardization")(inputs))
        pictures = tf.stop_gradient(tf.pad(pictures, _border(1)))  # by them there is none, rather than a part of it
        blocks = [(self.get_layer(f"conv_{n}"), self.get_layer(f"batch_normalization_{n}")) for n in range(2)]
        kernel, bias = _folded(*blocks[0], *patch_moments(pictures))
        second, normalization = blocks[1]
        output, mean, variance = two_blocks(
            pictures,
            (kernel, bias, tf.convert_to_tensor(second.kernel)),
            (tf.convert_to_tensor(normalization.gamma), _offset(second, normalization)),
            normalization.epsilon,
        )
        _move(normalization, mean + second.bias, variance)
        return self.get_layer("one_vector_a_step")(output)


# by which files of weights call it, as they do the functional model of Keras whose place it takes
NormalizedBranch.__name__ = "Functional"


def patch_moments(pictures: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Of all 4 x 4 patches of pictures [batch, height, width, 1] the mean [16] and the covariance [16, 16], float64."""
    centre = tf.reduce_mean(pictures)  # products of what lies far from zero would leave no digit for the covariance

    def step(start, total, products):
        patches = _patches(pictures[start : start + PIECE]) - centre
        ones = tf.ones_like(patches[:, :1])
        total += tf.cast(tf.matmul(ones, patches, transpose_a=True), tf.float64)
        products += tf.cast(tf.matmul(patches, patches, transpose_a=True), tf.float64)
        return start + PIECE, total, products

    batch, height, width, _ = (tf.shape(pictures)[0], *pictures.shape[1:])
    zeros = [tf.zeros((rows, SIZE * SIZE), tf.float64) for rows in (1, SIZE * SIZE)]
    _, total, products = tf.while_loop(lambda start, *_: start < batch, step, (0, *zeros), parallel_iterations=2)
    count = tf.cast(batch * (height - SIZE + 1) * (width - SIZE + 1), tf.float64)
    mean = total[0] / count
    return mean + tf.cast(centre, tf.float64), products / count - mean[:, None] * mean[None, :]


def _folded(convolution, normalization, mean, covariance):
    """Kernel [16, filters] and bias [filters] of a convolution of one channel that is normalised by the batch.

    Args:
        mean, covariance: of the patches that it convolves.
    """
    kernel = tf.cast(tf.reshape(convolution.kernel, (SIZE * SIZE, -1)), tf.float64)
    of_kernel = tf.linalg.matvec(kernel, mean, transpose_a=True)
    variance = tf.reduce_sum(kernel * tf.matmul(covariance, kernel), axis=0)
    _move(normalization, of_kernel + tf.cast(convolution.bias, tf.float64), variance)
    gamma = tf.cast(tf.convert_to_tensor(normalization.gamma), tf.float64)
    scale = gamma * tf.math.rsqrt(variance + normalization.epsilon)
    exact = convolution.kernel.dtype
    return tf.cast(kernel * scale, exact), _offset(convolution, normalization) - tf.cast(of_kernel * scale, exact)


def _offset(convolution, normalization):
    """What is added after normalising; the mean takes a convolution's bias away again, so that its gradient is zero."""
    return tf.convert_to_tensor(normalization.beta) + 0 * tf.convert_to_tensor(convolution.bias)


def _move(normalization, mean, variance):
    """Moves a layer's moving statistics towards those of a batch."""
    for weight, found in ((normalization.moving_mean, mean), (normalization.moving_variance, variance)):
        kept = normalization.momentum
        weight.assign(kept * weight + (1 - kept) * tf.cast(found, weight.dtype))


def two_blocks(
    pictures: tf.Tensor, convolutions: Sequence[tf.Tensor], scaling: Sequence[tf.Tensor], epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """A convolution with a bias, 2 x 2 max-pooling and ReLU; a border of one zero, a convolution without a bias, batch
    normalisation by what it gives, 2 x 2 max-pooling and ReLU.

    Args:
        pictures: [batch, height, width, 1], with their border. They have no gradient.
        convolutions: the first one's kernel [16, channels], a column for each 4 x 4 kernel, and its bias [channels];
            the second one's kernel [4, 4, channels, filters].
        scaling: gamma and beta [filters], after normalising.
        epsilon: is added to the variance.

    Returns:
        [batch, steps, bins, filters]; and of what was normalised the mean and the variance [filters], without gradient.
    """
    pieces = -(-tf.shape(pictures)[0] // PIECE)

    def piece(tensor, number):
        return tensor[number * PIECE : (number + 1) * PIECE]

    @tf.custom_gradient
    def run(first_kernel, first_bias, second_kernel, gamma, beta):
        sign = tf.where(gamma < 0, -tf.ones_like(gamma), tf.ones_like(gamma))  # by it the largest becomes the smallest

        def step(number, kept, pooled, moments):
            hidden = _pool_of(_windows(piece(pictures, number)), first_kernel, first_bias, pictures.shape)[0]
            convolved = tf.nn.conv2d(tf.pad(hidden, _border(1)), second_kernel, **_VALID)
            top = tf.nn.max_pool2d(convolved * sign, 2, 2, "VALID")
            return number + 1, kept.write(number, convolved), pooled.write(number, top), _joined(moments, convolved)

        height, width = (_convolved(_pooled(size) + 2) for size in pictures.shape[1:3])
        filters = second_kernel.shape[3]
        stores = [
            tf.TensorArray(
                *(pictures.dtype, pieces), element_shape=(None, *sizes, filters), infer_shape=False,
                clear_after_read=False,
            )
            for sizes in ((height, width), (height // 2, width // 2))
        ]  # fmt: skip
        of_none = (tf.zeros((), tf.float64), *(tf.zeros(filters, tf.float64) for _ in range(2)))
        _, kept, pooled, (count, mean, squares) = tf.while_loop(
            lambda number, *_: number < pieces, step, (0, *stores, of_none), parallel_iterations=2
        )
        count, mean, variance = (tf.cast(value, gamma.dtype) for value in (count, mean, squares / count))
        deviation = tf.math.rsqrt(variance + epsilon)
        scale = gamma * deviation

        def normalize(top):
            """Of what was pooled: what it is normalised, and what the ReLU gives of that."""
            normalized = (top * sign - mean) * deviation
            return normalized, tf.nn.relu(normalized * gamma + beta)

        output = normalize(pooled.concat())[1]

        def gradient(upstream, *_):
            def of_pooled(number):
                """A piece of what was pooled, as it is and normalised, and the gradient of it before the ReLU."""
                top = pooled.read(number)
                normalized, passed = normalize(top)
                return top, normalized, tf.raw_ops.ReluGrad(gradients=piece(upstream, number), features=passed)

            def step_of_sums(number, by_beta, by_gamma):
                _, normalized, some = of_pooled(number)
                return number + 1, by_beta + sum_of_channels(some), by_gamma + sum_of_channels(some * normalized)

            nothing = tf.zeros_like(gamma), tf.zeros_like(beta)
            _, by_beta, by_gamma = tf.while_loop(
                lambda number, *_: number < pieces, step_of_sums, (0, *nothing), parallel_iterations=2
            )
            slope = scale * deviation * by_gamma / count
            offset = scale * by_beta / count - slope * mean

            def step(number, by_first, by_bias, by_second):
                convolved = kept.read(number)
                top, _, some = of_pooled(number)
                by_largest = tf.raw_ops.MaxPoolGrad(
                    orig_input=convolved * sign, orig_output=top, grad=some * scale, **_POOL
                )
                by_convolved = by_largest - (convolved * slope + offset)
                windows = _windows(piece(pictures, number))
                hidden, values = _pool_of(windows, first_kernel, first_bias, pictures.shape)
                bordered = tf.pad(hidden, _border(1))
                by_kernel = tf.raw_ops.Conv2DBackpropFilter(
                    input=bordered, filter_sizes=second_kernel.shape, out_backprop=by_convolved, **_VALID
                )
                by_hidden = tf.raw_ops.Conv2DBackpropInput(
                    input_sizes=tf.shape(bordered), filter=second_kernel, out_backprop=by_convolved, **_VALID
                )[:, 1:-1, 1:-1]
                by_hidden = tf.raw_ops.ReluGrad(gradients=by_hidden, features=hidden)
                by_hidden = tf.reshape(by_hidden, (-1, hidden.shape[3]))
                routed = _route(by_hidden, values)
                products = [tf.matmul(a, b, transpose_a=True) for a, b in zip(windows, routed, strict=True)]
                ones = tf.ones_like(by_hidden[:, :1])
                return (
                    number + 1,
                    by_first + tf.add_n(products),
                    by_bias + tf.matmul(ones, by_hidden, transpose_a=True)[0],
                    by_second + by_kernel,
                )

            zeros = [tf.zeros_like(weight) for weight in (first_kernel, first_bias, second_kernel)]
            _, *gradients = tf.while_loop(lambda number, *_: number < pieces, step, (0, *zeros), parallel_iterations=2)
            return *gradients, by_gamma, by_beta

        return (output, mean, variance), gradient

    output, mean, variance = run(*convolutions, *scaling)
    return output, tf.stop_gradient(mean), tf.stop_gradient(variance)


def _joined(moments, convolved):
    """Of some values of each channel and more of them, [..., filters]: how many, their mean, and the sum of squares of
    their distances from it, float64 (Chan, Golub and LeVeque, 1983).
    """
    count, mean, squares = moments
    more = tf.cast(tf.size(convolved) // convolved.shape[3], tf.float64)
    of_these = sum_of_channels(convolved) / tf.cast(more, convolved.dtype)
    around = sum_of_channels(tf.math.squared_difference(convolved, of_these))
    apart, total = tf.cast(of_these, tf.float64) - mean, count + more
    squares += tf.cast(around, tf.float64) + apart**2 * (count * more / total)
    return total, mean + apart * (more / total), squares


def _patches(pictures):
    """All 4 x 4 patches of pictures of one channel: [batch * height * width, 16]."""
    return tf.reshape(tf.nn.conv2d(pictures, _one_of_each(pictures.dtype), 1, "VALID"), (-1, SIZE * SIZE))


def _windows(pictures):
    """For each of the four places of a pooling window, the patches under it: [batch * height * width, 16] of each."""
    height, width = (2 * _pooled(size) + SIZE - 2 for size in pictures.shape[1:3])
    return [
        tf.reshape(
            tf.nn.conv2d(
                pictures[:, row : row + height, column : column + width], _one_of_each(pictures.dtype), 2, "VALID"
            ),
            (-1, SIZE * SIZE),
        )
        for row in range(2)
        for column in range(2)
    ]


def _one_of_each(dtype):
    """A kernel with which a convolution gives the 16 numbers of a patch as they are."""
    return tf.reshape(tf.eye(SIZE * SIZE, dtype=dtype), (SIZE, SIZE, 1, SIZE * SIZE))


def _pool_of(windows, kernel, bias, shape):
    """The pooled convolution after bias and ReLU, [batch, height, width, channels], and its values at all four places.

    Args:
        windows: patches, of each place.
        shape: of the pictures.
    """
    values = [tf.matmul(patches, kernel) for patches in windows]
    top = tf.maximum(tf.maximum(values[0], values[1]), tf.maximum(values[2], values[3]))
    hidden = tf.nn.relu(top + bias)
    return tf.reshape(hidden, (-1, *(_pooled(size) for size in shape[1:3]), kernel.shape[1])), values


def _route(upstream, values):
    """The gradient of the largest of four values by each of them: of equal ones the first has it."""
    top = tf.maximum(tf.maximum(values[0], values[1]), tf.maximum(values[2], values[3]))
    routed, left = [], upstream
    for value in values[:-1]:
        routed.append(tf.where(tf.equal(value, top), left, tf.zeros_like(left)))
        left -= routed[-1]
    return [*routed, left]


def _border(zeros):
    return [[0, 0], [zeros, zeros], [zeros, zeros], [0, 0]]


def _convolved(size):
    """How many places a kernel has in so many."""
    return size - SIZE + 1


def _pooled(size):
    """How many are left of them after pooling; an odd last one is left out."""
    return _convolved(size) // 2
