"""What is faster on CPUs than Keras's layers, with the same weights: convolution, LSTM, a batch in two halves.

Each is a layer or model that does as Keras does wherever `has_cpu_kernels` says no. They import no other room.
"""

import keras
import tensorflow as tf


def has_cpu_kernels() -> bool:
    """Whether they do: on TensorFlow without a GPU, for which Keras and cuDNN have faster ones."""
    return keras.backend.backend() == "tensorflow" and not tf.config.list_physical_devices("GPU")
