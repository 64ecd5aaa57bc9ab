"""Contrastive regularization for multimodal emotion recognition (Qian and Han, 2021).

`ContrastiveModel` is imported from here, everything else from its own file; each package says what it holds. `import
tfcr` loads no TensorFlow; where that is imported after it, it has oneDNN's kernels and shares a GPU's memory.
"""

import importlib

from tfcr.tensorflow_environment import prepare_for_tensorflow

__version__ = "0.3.0"

prepare_for_tensorflow()

_LAZY = {"ContrastiveModel": "tfcr.models.contrastive"}  # what needs TensorFlow is loaded when it is asked for


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tfcr.keras_settings import choose_backend

    choose_backend()
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
