"""A look at a GPU's kernels before a training trusts them: whether gradients of recurrent layers are right there.

A loss may be right while a gradient is not, and then a training fails only after hours, or learns nothing. So every
kind of recurrent layer of a network computes one gradient of a small batch, once as the training will and once in
float32 on the processor.
"""

import keras
import numpy as np
import tensorflow as tf

from tfcr.errors import TfcrError
from tfcr.models.keras_internals import layers_within

LEAST_COSINE = {"float32": 0.999, "float16": 0.99, "bfloat16": 0.96}  # to float32 on a CPU; TF32 counts as float32
MOST_RATIO = 1.1  # of the norms, either way
_BATCH, _STEPS = 8, 12
_COUNTS = (12, 1, 5, 12, 3, 9, 7, 2)  # real steps of each


def check_recurrent_layers(network: keras.Model) -> str:
    """Compares the gradients of a network's recurrent layers, and says in a line what it found.

    Raises:
        TfcrError: one is wrong.
    """
    found = {}
    for layer in layers_within(network):
        if isinstance(layer, keras.layers.LSTM | keras.layers.GRU):
            kind = type(layer), layer.compute_dtype
            if kind not in found:
                found[kind] = _compare(layer)
    for (kind, dtype), (cosine, ratio) in found.items():
        if not (cosine >= LEAST_COSINE[dtype] and 1 / MOST_RATIO <= ratio <= MOST_RATIO):
            raise TfcrError(
                f"the gradient of {kind.__name__} in {dtype} is wrong on this GPU: its cosine to that of float32 on "
                f"the CPU is {cosine:.3f} and its norm {ratio:.3g} times as large; expected at least "
                f"{LEAST_COSINE[dtype]} and about 1; train in another precision, or another version of TensorFlow or "
                "cuDNN"
            )
    if not found:
        return "no recurrent layer to check on the GPU"
    seen = (f"{kind.__name__} in {dtype} (cosine {cosine:.4f})" for (kind, dtype), (cosine, _) in found.items())
    return f"gradients on the GPU are those of float32 on the CPU: {', '.join(seen)}"


def _compare(layer: keras.layers.Layer) -> tuple[float, float]:
    """The cosine of a layer's gradient to that of float32 on the processor, and how many times as large it is."""
    random = np.random.default_rng(0)
    sequences = random.normal(0, 1, (_BATCH, _STEPS, layer.cell.kernel.shape[0])).astype(np.float32)
    upstream = random.normal(0, 1, (_BATCH, _STEPS, layer.units)).astype(np.float32)
    found = gradient(_copy(layer, sequences.shape), sequences, upstream)
    with tf.device("CPU:0"):
        exact = _copy(layer, sequences.shape, dtype="float32", use_cudnn=False)
        expected = gradient(exact, sequences, upstream)
    norms = [float(np.linalg.norm(each)) for each in (found, expected)]
    return float(found @ expected / np.prod(norms)), norms[0] / norms[1]


def _copy(layer: keras.layers.Layer, shape: tuple[int, ...], **settings) -> keras.layers.Layer:
    """A layer of the same kind and weights, on one device whatever the strategy; it gives every output."""
    config = {**layer.get_config(), "use_cudnn": layer.use_cudnn, "return_sequences": True}
    copy = type(layer).from_config({**config, **settings})
    copy.build(shape)
    copy.set_weights(layer.get_weights())
    return copy


def gradient(layer: keras.layers.Layer, sequences: np.ndarray, upstream: np.ndarray) -> np.ndarray:
    """The gradient of a layer's weights, one after the other: float64 [weights]. In a graph, as a training computes it.

    Args:
        sequences: float32 [batch, steps, features], of `_COUNTS` real steps.
        upstream: float32 [batch, steps, units], the gradient by the outputs.
    """

    @tf.function(autograph=False)
    def compute(sequences, upstream):
        mask = tf.sequence_mask(_COUNTS, _STEPS)
        with tf.GradientTape() as tape:
            outputs = layer(tf.cast(sequences, layer.compute_dtype), mask=mask)
            total = tf.reduce_sum(tf.cast(outputs, tf.float32) * tf.where(mask[:, :, None], upstream, 0.0))
        return tape.gradient(total, layer.trainable_variables)

    parts = compute(tf.constant(sequences), tf.constant(upstream))
    return np.concatenate([part.numpy().astype(np.float64).ravel() for part in parts])
