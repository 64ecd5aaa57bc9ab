"""Importing TensorFlow without the lines it prints about the machine, and without what it imports in vain."""

import contextlib
import os
import sys
from collections.abc import Iterator

from tfcr import keras_settings

_IN_VAIN = ("matplotlib", "pandas", "sklearn")  # Keras imports them where they are installed: a third of its time


def import_quietly(on_gpus: bool = True) -> None:
    """Imports TensorFlow and Keras; their start-up remarks go nowhere, an error during the import is shown.

    Keras then knows no data frames, figures or scikit-learn, which nothing here gives it or asks of it, and none of the
    settings that the user keeps for it. Of a GPU, TensorFlow takes as much memory as it needs.

    Args:
        on_gpus: whether TensorFlow may use GPUs at all; False for what is as fast on a CPU.

    Raises:
        TfcrError: see `tfcr.keras_settings.before_import`.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keras_settings.before_import()
    if "tensorflow" not in sys.modules:
        _import()
    from tfcr.devices import leave_gpus, share_gpus

    (share_gpus if on_gpus else leave_gpus)()


def _import() -> None:
    sys.stderr.flush()
    try:
        stderr = os.dup(2)
    except OSError:  # no error stream to keep quiet
        stderr = None
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        if stderr is not None:
            os.dup2(nowhere, 2)
        with _absent(_IN_VAIN):
            import tensorflow

        tensorflow.get_logger().setLevel("ERROR")  # several trainings in one process are no reason to warn of retracing
    finally:
        if stderr is not None:
            os.dup2(stderr, 2)
            os.close(stderr)
        os.close(nowhere)


@contextlib.contextmanager
def _absent(packages: tuple[str, ...]) -> Iterator[None]:
    """Within the block, packages that were not imported before look as if they were not installed."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
