"""The GPUs of this process: which it may use, and that it shares their memory with other processes.

TensorFlow takes all memory of every GPU that it sees, and a kernel that another process then launches there fails and
ends that process. So whatever here makes TensorFlow compute calls one of these first.
"""

import contextlib

import tensorflow as tf


def gpus() -> list[tf.config.PhysicalDevice]:
    """The GPUs that this process may use; none after `leave_gpus`."""
    return tf.config.get_visible_devices("GPU")


def share_gpus() -> None:
    """Has this process take a GPU's memory as it needs it, rather than all of it. Before the first tensor."""
    for gpu in gpus():
        # TensorFlow has begun, so it is decided already; or the user has limited the memory, which is as good
        with contextlib.suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)


def leave_gpus() -> None:
    """Has this process compute on the processor alone; a GPU is neither used nor touched. Before the first tensor.

    Where TensorFlow has begun on a GPU already, it goes on there.
    """
    if gpus():
        with contextlib.suppress(RuntimeError):
            tf.config.set_visible_devices([], "GPU")
