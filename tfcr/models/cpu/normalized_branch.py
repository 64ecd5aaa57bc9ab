"""Two blocks of convolution, batch normalisation, max-pooling and ReLU over pictures of one channel, for CPUs.

A training step of Keras's layers writes the first convolution of a batch, sixty-four times as large as its pictures,
and a dozen tensors of that size after it. Here none is ever there as a whole:

* The statistics of the first convolution follow from the mean and the covariance of the picture's 4 x 4 patches, since
  it is linear in them. Normalising is then part of its kernel and its bias.
* Both convolutions run over a few examples at a time, whose tensors stay in a processor's cache, and only the second
  one's output is kept. For the gradient the first is computed again, an eighth of the work.
* The first convolution is one product of matrices for each of the four places of a pooling window. So pooling is a
  maximum of four tensors, and the gradient of a window goes to one of them.
* What is added to a convolution that is normalised by the batch changes nothing: the biases, whose gradient is zero.
"""

import keras
import tensorflow as tf

from tfcr.models.cpu import has_cpu_kernels
from tfcr.models.cpu.conv_block import sum_of_channels

SIZE = 4  # of a kernel, in both directions
PIECE = 4  # examples that are computed at a time
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
        convolved = two_convolutions(pictures, kernel, bias, tf.convert_to_tensor(blocks[1][0].kernel))
        return self.get_layer("one_vector_a_step")(_normalized(convolved, *blocks[1]))


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


def _normalized(convolved, convolution, normalization):
    """What a convolution without its bias becomes: normalised by the batch, pooled, and without what is below zero."""
    size = tf.cast(tf.size(convolved) // convolved.shape[3], convolved.dtype)
    mean = sum_of_channels(convolved) / size
    variance = sum_of_channels(tf.math.squared_difference(convolved, mean)) / size
    _move(normalization, mean + convolution.bias, variance)
    gamma, beta = tf.convert_to_tensor(normalization.gamma), _offset(convolution, normalization)
    return normalized_pool(convolved, gamma, beta, mean, variance, normalization.epsilon)


def _offset(convolution, normalization):
    """What is added after normalising; the mean takes a convolution's bias away again, so that its gradient is zero."""
    return tf.convert_to_tensor(normalization.beta) + 0 * tf.convert_to_tensor(convolution.bias)


def _move(normalization, mean, variance):
    """Moves a layer's moving statistics towards those of a batch."""
    for weight, found in ((normalization.moving_mean, mean), (normalization.moving_variance, variance)):
        kept = normalization.momentum
        weight.assign(kept * weight + (1 - kept) * tf.cast(found, weight.dtype))


def two_convolutions(
    pictures: tf.Tensor, first_kernel: tf.Tensor, first_bias: tf.Tensor, second_kernel: tf.Tensor
) -> tf.Tensor:
    """A convolution with a bias, 2 x 2 max-pooling, ReLU, a border of one zero, and a convolution without a bias.

    Args:
        pictures: [batch, height, width, 1], with their border. They have no gradient.
        first_kernel: [16, channels], a column for each 4 x 4 kernel.
        first_bias: [channels].
        second_kernel: [4, 4, channels, filters].

    Returns:
        [batch, steps, bins, filters].
    """
    pieces = -(-tf.shape(pictures)[0] // PIECE)

    def piece(tensor, number):
        return tensor[number * PIECE : (number + 1) * PIECE]

    @tf.custom_gradient
    def run(first_kernel, first_bias, second_kernel):
        def step(number, store):
            hidden = _pool_of(_windows(piece(pictures, number)), first_kernel, first_bias, pictures.shape)[0]
            convolved = tf.nn.conv2d(tf.pad(hidden, _border(1)), second_kernel, 1, "VALID")
            return number + 1, store.write(number, convolved)

        shape = (None, *(_convolved(_pooled(size) + 2) for size in pictures.shape[1:3]), second_kernel.shape[3])
        store = tf.TensorArray(pictures.dtype, pieces, element_shape=shape, infer_shape=False)
        _, store = tf.while_loop(lambda number, _: number < pieces, step, (0, store), parallel_iterations=2)

        def gradient(upstream):
            def step(number, by_first, by_bias, by_second):
                windows, some = _windows(piece(pictures, number)), piece(upstream, number)
                hidden, values = _pool_of(windows, first_kernel, first_bias, pictures.shape)
                bordered = tf.pad(hidden, _border(1))
                by_kernel = tf.raw_ops.Conv2DBackpropFilter(
                    input=bordered, filter_sizes=second_kernel.shape, out_backprop=some, **_VALID
                )
                by_hidden = tf.raw_ops.Conv2DBackpropInput(
                    input_sizes=tf.shape(bordered), filter=second_kernel, out_backprop=some, **_VALID
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
            return gradients

        return store.concat(), gradient

    return run(first_kernel, first_bias, second_kernel)


def normalized_pool(
    convolved: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor, epsilon: float
) -> tf.Tensor:
    """Batch normalisation, 2 x 2 max-pooling and ReLU.

    Args:
        convolved: [batch, height, width, channels].
        gamma, beta: [channels], after normalising.
        mean, variance: [channels], of `convolved`; the gradient of `convolved` is that through both, too.
        epsilon: is added to the variance.

    Returns:
        [batch, height // 2, width // 2, channels].
    """

    @tf.custom_gradient
    def run(convolved, gamma, beta):
        deviation = tf.math.rsqrt(variance + epsilon)
        scale = gamma * deviation
        sign = tf.where(scale < 0, -tf.ones_like(scale), tf.ones_like(scale))  # the largest becomes the smallest
        top = tf.nn.max_pool2d(convolved * sign, 2, 2, "VALID")
        normalized = (top * sign - mean) * deviation
        output = tf.nn.relu(normalized * gamma + beta)

        def gradient(upstream):
            upstream = tf.raw_ops.ReluGrad(gradients=upstream, features=output)
            by_beta, by_gamma = sum_of_channels(upstream), sum_of_channels(upstream * normalized)
            routed = tf.raw_ops.MaxPoolGrad(
                orig_input=convolved * sign, orig_output=top, grad=upstream * scale, **_POOL
            )
            size = tf.cast(tf.size(convolved) // convolved.shape[3], convolved.dtype)
            slope = scale * deviation * by_gamma / size
            return routed - (convolved * slope + (scale * by_beta / size - slope * mean)), by_gamma, by_beta

        return output, gradient

    return run(tf.convert_to_tensor(convolved), gamma, beta)


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
