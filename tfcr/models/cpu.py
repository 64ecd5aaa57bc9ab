"""Where tfcr's own functions for CPUs run in place of Keras's layers."""

from tfcr.models.kernels import kernels


def has_cpu_kernels() -> bool:
    """Whether they do: see `tfcr.models.kernels`."""
    return kernels() == "cpu"
