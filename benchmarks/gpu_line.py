"""What the lines of `benchmarks/gpu` share: how they start, and how they answer."""

import inspect
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable, Mapping

from gpu_table import END, RIGHT, WRONG

ON_CPU = {"CUDA_VISIBLE_DEVICES": "-1"}  # an environment in which TensorFlow sees no GPU
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


def tensorflow(tf32: bool = False):
    """TensorFlow as a training has it, on two threads; without TF32, which rounds what is compared."""
    from tfcr.cli.tensorflow import import_quietly

    import_quietly()
    import tensorflow as tf

    from tfcr.training import runtime

    runtime.configure(2)
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    return tf


def on_gpu() -> bool:
    from tfcr.devices import gpus

    return bool(gpus())


def seconds_left() -> float:
    """How long this line may still take; by then it says what it has, and that this is not all."""
    return float(os.environ.get(END, "inf")) - time.monotonic()


def so_far(verdict: str, said: str) -> None:
    """An answer that counts if the line is ended before it says another."""
    print(json.dumps({"verdict": verdict, "said": said}), flush=True)


def judged(is_right: bool, said: str) -> tuple[str, str]:
    """The answer of a line that can be wrong."""
    return RIGHT if is_right else WRONG, said


def main(functions: Mapping[str, Callable]) -> None:
    """Does the line that the command line names, and prints its answer as the last line."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    name, folder, tiny = sys.argv[1], pathlib.Path(sys.argv[2]), "--tiny" in sys.argv
    function = functions[name]
    taken = {"folder": folder, "tiny": tiny, "rest": sys.argv[3:]}
    so_far(*function(**{name: taken[name] for name in inspect.signature(function).parameters}))
