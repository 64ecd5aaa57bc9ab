"""What has to be settled before TensorFlow computes anything: threads, determinism, devices."""

import keras
import tensorflow as tf

from tfcr.devices import share_gpus
from tfcr.errors import TfcrError


def configure(threads: int, op_threads: int = 1) -> None:
    """Fixes the threads, and the order of every sum. Once per process, before the first tensor.

    Args:
        threads: how many operations run at a time; it changes no bit.
        op_threads: how many threads an operation is split over.

    Raises:
        TfcrError: TensorFlow already runs with another number of threads, or Keras does not run on TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise TfcrError(f"Keras runs on {keras.backend.backend()}; expected TensorFlow; unset KERAS_BACKEND")
    threading = tf.config.threading
    for name, wanted, get, put in (
        ("op_threads", op_threads, threading.get_intra_op_parallelism_threads, _set_intra),
        ("threads", threads, threading.get_inter_op_parallelism_threads, _set_inter),
    ):
        if get() != wanted:
            try:
                put(wanted)
            except RuntimeError:
                raise TfcrError(
                    f"this process already runs with {get()} {name}; {wanted} need a process of their own"
                ) from None
    share_gpus()
    tf.config.experimental.enable_op_determinism()


def policy(precision: str) -> keras.DTypePolicy:
    """Keras's policy of a `precision` of the configuration."""
    return keras.DTypePolicy(precision)


def _set_intra(threads: int) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(threads)


def _set_inter(threads: int) -> None:
    tf.config.threading.set_inter_op_parallelism_threads(threads)
