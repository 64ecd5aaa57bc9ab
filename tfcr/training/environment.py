"""The machine and the settings that can change a bit of a training, as a run records them."""

import contextlib
import importlib.metadata
import os
import pathlib
import platform
import re
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from tfcr.devices import gpus
from tfcr.models.kernels import KERNELS

_DECIDE = (  # how they begin; never TF_ alone, by which Terraform's begin too, passwords among them
    *("TF_ENABLE_", "TF_DISABLE_", "TF_DETERMINISTIC_", "TF_USE_", "TF_XLA_", "TF_ONEDNN_", "TF_MKL_", "TF_CONV2D_"),
    *("TF_CUDNN_", "TF_CUBLAS_", "TF_AUTOTUNE_", "TF_MATMUL_", "XLA_", "ONEDNN_", "DNNL_", "MKL_", "OMP_NUM_THREADS"),
    *("CUDNN_", "CUBLAS_", "NVIDIA_TF32_OVERRIDE", KERNELS),
)
_CUDNN = "nvidia-cudnn-cu12", "nvidia-cudnn-cu13"
_DECIDE_NOTHING = ("TF_USE_LEGACY_KERAS",)
_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


def note(environments: list[dict], epoch: int) -> list[str]:
    """Adds this process's environment to those of a training, where it is another than the last.

    Args:
        environments: each as `here` has it, with `from_epoch`, counted from 1.
        epoch: that is trained next.

    Returns:
        What has changed since the last, in words; nothing where there was none.
    """
    last = environments[-1] if environments else None
    found = here()
    changed = [] if last is None else _changes(last, found)
    if last is None or changed:
        environments.append({"from_epoch": epoch, **found})
    return changed


def here() -> dict:
    """`versions` of packages, `cpu`, `gpus` and `variables`, of this process."""
    return {
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
            **_of_gpus(),
        },
        "cpu": _cpu(),
        "gpus": [_name(device) for device in gpus()],
        "variables": deciding(os.environ),
    }


def _of_gpus() -> dict[str, str]:
    """Of the packages with cuDNN that are installed, where there is a GPU."""
    found = {}
    for name in _CUDNN if gpus() else ():
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def deciding(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment variables of a process by which TensorFlow, and libraries under it, choose their kernels."""
    return {
        name: value
        for name, value in sorted(variables.items())
        if name.startswith(_DECIDE) and not name.startswith(_DECIDE_NOTHING)
    }


def _cpu() -> str:
    """The processor's name; where the system has none, its architecture."""
    try:
        found = _MODEL.search(pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _name(device: tf.config.PhysicalDevice) -> str:
    return tf.config.experimental.get_device_details(device).get("device_name", device.name)


def _changes(before: Mapping, now: Mapping) -> list[str]:
    before, now = _flat(before), _flat(now)
    return [
        f"{name} was {before.get(name, 'not set')}, is {now.get(name, 'not set')}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]


def _flat(environment: Mapping) -> dict[str, str]:
    return {
        **environment["versions"],
        "the CPU": environment["cpu"],
        "the GPU": ", ".join(environment["gpus"]) or "none",
        **environment["variables"],
    }
