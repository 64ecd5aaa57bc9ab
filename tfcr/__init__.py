"""Contrastive regularization for multimodal emotion recognition (Qian and Han, 2021)."""

import importlib

__version__ = "0.2.0"

_LAZY = {"ContrastiveModel": "tfcr.models.contrastive"}  # what needs TensorFlow is loaded when it is asked for


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tfcr.keras_settings import choose_backend

    choose_backend()
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
