"""Keras's own settings, which people keep for other projects: none may change a result here.

They stand in `keras.json` and in variables `KERAS_…`. What can be pinned is; the rest is refused. What a program sets
in `keras.config`, `tfcr.training.runtime` pins. No TensorFlow.
"""

import contextlib
import os
import sys
from collections.abc import Iterator

from tfcr.errors import TfcrError

_CUTS_SHORT = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH")
_SET_HERE = ("KERAS_HOME", "KERAS_BACKEND", "KERAS_NNX_ENABLED")


@contextlib.contextmanager
def variables_kept() -> Iterator[None]:
    """Within the block, and in the processes that it starts, Keras's variables may be set; then they are as before."""
    before = {name: os.environ.get(name) for name in _SET_HERE}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


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
