"""Keras's own settings, which people keep for other projects: none may change a result here.

They stand in `keras.json`, in variables `KERAS_…` and in `keras.config`. What can be pinned is; the rest is refused.
"""

import os
import sys

from tfcr.errors import TfcrError

_CUTS_SHORT = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH")
_EPSILON = 1e-7  # as Keras comes


def before_import() -> None:
    """Has Keras begin as it comes, on TensorFlow; before it is imported, which TensorFlow does too.

    Raises:
        TfcrError: another backend, or a debugging limit, is asked for.
    """
    choose_backend()
    for name in _CUTS_SHORT:
        if name in os.environ:
            raise TfcrError(f"{name} is set to {os.environ[name]!r}, with which Keras cuts trainings short; unset it")
    os.environ.pop("KERAS_NNX_ENABLED", None)  # of the JAX backend alone, but its package is asked for at once
    os.environ["KERAS_HOME"] = os.devnull  # a folder without keras.json, which is not written either


def choose_backend() -> None:
    """Chooses TensorFlow where nobody has chosen another backend.

    Raises:
        TfcrError: somebody has.
    """
    if "keras" in sys.modules:
        chosen, remedy = sys.modules["keras"].config.backend(), "set KERAS_BACKEND=tensorflow before Keras is imported"
    else:
        chosen, remedy = os.environ.get("KERAS_BACKEND") or "tensorflow", "unset KERAS_BACKEND"
        os.environ["KERAS_BACKEND"] = chosen
    if chosen != "tensorflow":
        raise TfcrError(f"Keras is to run on {chosen!r}; tfcr needs its backend 'tensorflow'; {remedy}")


def pin() -> None:
    """Pins what `keras.config` has, in a process that may be a program of somebody's own.

    Raises:
        TfcrError: another backend, or a debugging limit.
    """
    choose_backend()
    import keras

    for name, limit in (("epochs", keras.config.max_epochs()), ("steps_per_epoch", keras.config.max_steps_per_epoch())):
        if limit is not None:
            raise TfcrError(
                f"keras.config.max_{name}() is {limit}, with which Keras cuts trainings short; set it to None"
            )
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.config.set_epsilon(_EPSILON)
