"""Initial weights as PyTorch draws them by default, which the authors' code leaves in place; Keras's by `keras`.

PyTorch draws the kernel and the bias of a linear or convolutional layer from U(-k, k) with k = 1 / sqrt(inputs of a
unit), and everything of an LSTM with k = 1 / sqrt(units).
"""

import math

import keras


def linear_initializers(scheme: str, inputs: int) -> dict:
    """Arguments for a layer whose units have so many inputs: a dense one, or a convolution over kernel x channels."""
    if scheme == "keras":
        return {}
    return {"kernel_initializer": _uniform(inputs), "bias_initializer": _uniform(inputs)}


def linear_weights(layer: keras.layers.Layer, name: str, inputs: int, units: int, scheme: str) -> tuple:
    """Adds `<name>_kernel` [inputs, units] and `<name>_bias` [units] to a layer."""
    drawn = linear_initializers(scheme, inputs)
    kernel = drawn.get("kernel_initializer", "glorot_uniform")
    bias = drawn.get("bias_initializer", "zeros")
    return (
        layer.add_weight(name=f"{name}_kernel", shape=(inputs, units), initializer=kernel),
        layer.add_weight(name=f"{name}_bias", shape=(units,), initializer=bias),
    )


def lstm_initializers(scheme: str, units: int) -> dict:
    """Arguments for an LSTM. PyTorch adds two biases, each drawn on its own; Keras has their sum."""
    if scheme == "keras":
        return {}
    return {
        "kernel_initializer": _uniform(units),
        "recurrent_initializer": _uniform(units),
        "bias_initializer": SumOfUniforms(1 / math.sqrt(units)),
        "unit_forget_bias": False,
    }


def _uniform(inputs: int) -> keras.initializers.Initializer:
    limit = 1 / math.sqrt(inputs)
    return keras.initializers.RandomUniform(-limit, limit)


@keras.saving.register_keras_serializable("tfcr")
class SumOfUniforms(keras.initializers.Initializer):
    """The sum of two draws from U(-limit, limit)."""

    def __init__(self, limit):
        self.limit = limit
        self.parts = [keras.initializers.RandomUniform(-limit, limit) for _ in range(2)]

    def __call__(self, shape, dtype=None):
        first, second = (part(shape, dtype=dtype) for part in self.parts)
        return first + second

    def get_config(self):
        return {"limit": self.limit}
