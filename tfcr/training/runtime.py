"""What has to be settled before TensorFlow computes anything: Keras's settings, threads, determinism, devices."""

import keras
import tensorflow as tf

from tfcr import keras_settings
from tfcr.devices import share_gpus
from tfcr.errors import TfcrError


def configure(threads: int, op_threads: int = 1) -> None:
    """Fixes the threads, and the order of every sum. Once per process, before the first tensor.

    Args:
        threads: how many operations run at a time; it changes no bit.
        op_threads: how many threads an operation is split over.

    Raises:
        TfcrError: TensorFlow already runs with another number of threads, Keras runs on
            another backend, or it is set to cut trainings short.
    """
    keras_settings.choose_backend()
    _pin_keras()
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


def _pin_keras() -> None:
    """Sets what is in `keras.config` as Keras comes; the process may be a program of somebody's own."""
    for name, limit in (("epochs", keras.config.max_epochs()), ("steps_per_epoch", keras.config.max_steps_per_epoch())):
        if limit is not None:
            raise TfcrError(
                f"keras.config.max_{name}() is {limit}, with which Keras cuts trainings short; set it to None"
            )
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.config.set_epsilon(1e-7)


def policy(precision: str) -> keras.DTypePolicy:
    """The dtype policy of Keras for a `precision` of the configuration."""
    return keras.DTypePolicy(precision)


def _set_intra(threads: int) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(threads)


def _set_inter(threads: int) -> None:
    tf.config.threading.set_inter_op_parallelism_threads(threads)
