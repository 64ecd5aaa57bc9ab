"""Importing TensorFlow without the lines it prints about the machine."""

import os
import sys


def import_quietly() -> None:
    """Imports TensorFlow; its start-up remarks go nowhere, an error during the import is shown."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if "tensorflow" in sys.modules:
        return
    sys.stderr.flush()
    try:
        stderr = os.dup(2)
    except OSError:  # no error stream to keep quiet
        stderr = None
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        if stderr is not None:
            os.dup2(nowhere, 2)
        import tensorflow

        tensorflow.get_logger().setLevel("ERROR")  # several trainings in one process are no reason to warn of retracing
    finally:
        if stderr is not None:
            os.dup2(stderr, 2)
            os.close(stderr)
        os.close(nowhere)
