"""A block of the CNN: convolution, max-pooling and ReLU, in less time on CPUs.

Three things cost time there and need not. Eight channels fill half of a vector register: here a kernel of 3 x 4 makes
two neighbouring columns at once, sixteen channels whose bytes lie as those of eight do. Bias and ReLU go into the
convolution, for which TensorFlow has one kernel. And the gradients of both are those of the pooled output, a quarter as
large: each reaches one place, where the ReLU lets it through or not.
"""

import keras
import tensorflow as tf
from keras import ops

from tfcr.models.cpu import has_cpu_kernels
from tfcr.models.kernels import kernels
from tfcr.models.xla.pooling import max_pool

_FIXED = (  # what a `Conv2D` has to choose and this has not
    *("kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups", "activation", "use_bias"),
)
_SAME = {"strides": [1, 1, 2, 1], "padding": "SAME"}  # two columns a step; a column of zeros goes before and after
_POOL = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}


@keras.saving.register_keras_serializable("tfcr")
class ConvBlock(keras.layers.Conv2D):
    """3x3 convolution with padding 1, 2x2 max-pooling with stride 2, and ReLU (Sec. 4.3).

    Weights are those of `keras.layers.Conv2D`. Where `is_fast` says so it makes two columns at once, and
    trains as `conv_block`; elsewhere it runs as Keras's layers would.

    Args:
        filters: output channels.

    Call arguments:
        pictures: [batch, height, width, channels], height and width even.

    Returns:
        [batch, height / 2, width / 2, filters].
    """

    def __init__(self, filters, **kwargs):
        refused = [name for name in _FIXED if name in kwargs]
        if refused:
            raise TypeError(f"ConvBlock takes no {', '.join(refused)}: the paper's are built in")
        super().__init__(filters, 3, padding="same", data_format="channels_last", **kwargs)

    def build(self, pictures_shape):
        if not all(size and size % 2 == 0 for size in pictures_shape[1:3]):
            raise ValueError(
                "Argument `pictures` must have a height and a width that are known and even. "
                f"Received: pictures of the shape {tuple(pictures_shape)}"
            )
        super().build(pictures_shape)

    @property
    def is_fast(self) -> bool:
        """Whether it makes two columns at once: on a CPU; on a GPU cuDNN's kernels are faster."""
        return has_cpu_kernels()

    def call(self, pictures, training=False):
        if self.is_fast:
            run = conv_block if training else _convolve_and_pool
            return run(pictures, tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.bias))
        if training and kernels() == "xla":
            return ops.relu(max_pool(super().call(pictures)))
        return ops.relu(ops.max_pool(super().call(pictures), 2, 2, data_format="channels_last"))

    def compute_output_shape(self, pictures_shape):
        batch, height, width, _ = pictures_shape
        return batch, height // 2, width // 2, self.filters

    def get_config(self):
        return {name: value for name, value in super().get_config().items() if name not in _FIXED}


def conv_block(pictures: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """The same as `ConvBlock`, of its arguments.

    Args:
        pictures: [batch, height, width, channels], height and width even and known.
        kernel: [3, 3, channels, filters].
        bias: [filters].
    """

    @tf.custom_gradient
    def run(pictures, kernel, bias):
        convolved = _convolve(pictures, kernel, bias)
        output = tf.nn.max_pool2d(convolved, 2, 2, "VALID")

        def gradient(upstream):
            upstream = tf.raw_ops.ReluGrad(gradients=upstream, features=output)
            routed = tf.raw_ops.MaxPoolGrad(orig_input=convolved, orig_output=output, grad=upstream, **_POOL)
            turned = tf.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))
            return _convolve(routed, turned), _kernel_gradient(pictures, routed), sum_of_channels(upstream)

        return output, gradient

    return run(pictures, kernel, bias)


def _convolve_and_pool(pictures, kernel, bias):
    return tf.nn.max_pool2d(_convolve(pictures, kernel, bias), 2, 2, "VALID")


def _convolve(pictures, kernel, bias=None):
    """Convolution with padding 1, and with a bias a ReLU: [batch, height, width, channels] → [..., filters]."""
    _, height, width, _ = pictures.shape
    first, second = ([0, 0], [0, 1], [0, 0], [0, 0]), ([0, 0], [1, 0], [0, 0], [0, 0])
    columns = tf.nn.conv2d(pictures, tf.concat([tf.pad(kernel, first), tf.pad(kernel, second)], axis=3), **_SAME)
    if bias is not None:
        columns = tf.nn.relu(tf.nn.bias_add(columns, tf.concat([bias, bias], axis=0)))
    return tf.reshape(columns, (-1, height, width, kernel.shape[3]))


def _kernel_gradient(pictures, upstream):
    """The gradient of `_convolve` by the kernel: [3, 3, channels, filters]."""
    _, height, width, channels = pictures.shape
    filters = upstream.shape[3]
    columns = tf.reshape(upstream, (-1, height, width // 2, 2 * filters))
    both = tf.raw_ops.Conv2DBackpropFilter(
        input=pictures, filter_sizes=(3, 4, channels, 2 * filters), out_backprop=columns, **_SAME
    )
    # not by +, which TensorFlow merges with the sum over pieces of a batch, in an order of its own
    return tf.reduce_sum(tf.stack([both[:, :3, :, :filters], both[:, 1:, :, filters:]]), axis=0)


def sum_of_channels(upstream):
    """[filters], the sum over everything else. As a product, which half precision has a kernel for."""
    filters, width = upstream.shape[3], upstream.shape[2]
    lines = tf.reshape(upstream, (-1, width * filters))
    line = tf.matmul(tf.ones_like(lines[:, :1]), lines, transpose_a=True)
    return tf.reduce_sum(tf.reshape(line, (width, filters)), axis=0)
