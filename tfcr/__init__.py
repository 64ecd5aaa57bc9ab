"""Contrastive regularization for multimodal emotion recognition (Qian and Han, 2021).

`ContrastiveModel` is imported from here, everything else from its own file; each package says what it holds. `import
tfcr` loads no TensorFlow; it asks for oneDNN's kernels where TensorFlow is imported after it.
"""

import importlib

from tfcr.onednn import ask_for_onednn

__version__ = "0.3.0"

ask_for_onednn()

_LAZY = {"ContrastiveModel": "tfcr.models.contrastive"}  # what needs TensorFlow is loaded when it is asked for


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tfcr.keras_settings import choose_backend

    choose_backend()
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
