"""Where tfcr's own functions for CPUs run in place of Keras's layers."""

import keras
import tensorflow as tf


def has_cpu_kernels() -> bool:
    """Whether they do: on TensorFlow without a GPU, for which Keras and cuDNN have faster ones."""
    return keras.backend.backend() == "tensorflow" and not tf.config.list_physical_devices("GPU")
