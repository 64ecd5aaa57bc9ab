"""Which kernels a network trains by: tfcr's for CPUs, Keras's, or those that XLA compiles."""

import contextlib
import contextvars
import os
import warnings
from collections.abc import Iterator
from typing import Literal

import keras

from tfcr.devices import gpus
from tfcr.errors import TfcrError
from tfcr.models.keras_internals import layers_within

KERNELS = "TFCR_KERNELS"  # environment variable: one of the three, in place of the one that fits the device
Kernels = Literal["cpu", "keras", "xla"]
_KNOWN = ("cpu", "keras", "xla")
_answers = contextvars.ContextVar("answers", default=False)
_portable = contextvars.ContextVar("portable", default=False)


def kernels() -> Kernels:
    """`cpu` without a GPU, for which Keras and cuDNN have faster ones, and with one `keras`; or what `KERNELS` says.

    - `cpu`: `tfcr.models.cpu`.
    - `keras`: Keras's layers, which are cuDNN's on a GPU.
    - `xla`: `tfcr.models.xla`, by which XLA compiles a whole step.

    Raises:
        TfcrError: the variable says something else.
    """
    if _portable.get():
        return "keras"
    chosen = os.environ.get(KERNELS)
    if chosen is None:
        return "cpu" if keras.backend.backend() == "tensorflow" and not gpus() else "keras"
    if chosen not in _KNOWN:
        raise TfcrError(f"{KERNELS} must be one of {', '.join(_KNOWN)}; received {chosen!r}")
    return chosen


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Graphs that are made within only answer: no gradient is asked of them, and any runtime may run them."""
    with _set(_answers):
        yield


@contextlib.contextmanager
def portable() -> Iterator[None]:
    """Graphs that are made within are of Keras's layers, for runtimes that are not TensorFlow."""
    with _set(_portable):
        yield


@contextlib.contextmanager
def _set(variable: contextvars.ContextVar[bool]) -> Iterator[None]:
    before = variable.set(True)
    try:
        yield
    finally:
        variable.reset(before)


def only_answers() -> bool:
    """Whether a graph is being made within `answering`."""
    return _answers.get()


def compiles(network: keras.Model) -> bool:
    """Whether XLA compiles the training step of a network: asked for, and every input's shape is known but the batch's.

    Of sequences as long as the longest of a batch, every length would be compiled anew.
    """
    return kernels() == "xla" and all(None not in tensor.shape[1:] for tensor in network.inputs)


def cudnn_of(use_cudnn: bool | str, dtype: keras.DTypePolicy | str | None) -> bool | str:
    """`use_cudnn` of a recurrent layer of Keras; False in bfloat16, in which the gradient of cuDNN's LSTM is wrong."""
    return False if keras.dtype_policies.get(dtype).compute_dtype == "bfloat16" else use_cudnn


def warn_of_cudnn(network: keras.Model) -> None:
    """Warns of the recurrent layers of Keras in anyone's network that train by cuDNN in bfloat16."""
    for layer in layers_within(network) if gpus() else ():
        asks = getattr(layer, "use_cudnn", False)
        if not hasattr(layer, "is_fast") and asks and cudnn_of(asks, layer.dtype_policy) is False:
            warnings.warn(
                f"{layer.name} is a {type(layer).__name__} in bfloat16, in which cuDNN's gradient is wrong; give it "
                "use_cudnn=False, take tfcr.models.cpu.packed_lstm.PackedLSTM, or train in float16",
                stacklevel=3,
            )
