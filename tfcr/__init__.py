"""Contrastive regularization for multimodal emotion recognition (Qian and Han, 2021)."""

__version__ = "0.1.0"
