"""What is faster on CPUs than Keras's layers, with the same weights: convolution, LSTM, a batch in two halves.

Each is a layer or model that does as Keras does wherever `has_cpu_kernels` says no. They import no other room but
`xla`, whose functions take their place where that compiles.
"""

from tfcr.models.kernels import kernels


def has_cpu_kernels() -> bool:
    """Whether they do: see `tfcr.models.kernels`."""
    return kernels() == "cpu"
