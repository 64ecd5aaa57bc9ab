"""Which features of a pretrained model are taken: its layer, over time or averaged, in which windows."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tfcr.errors import UsageError

LAYERS = ("last", "mean", "all")
Pool = Literal["none", "mean"]
Precision = Literal["float32", "half"]


@dataclass(frozen=True)
class Settings:
    """How a model is asked.

    Attributes:
        layer: `last` (what the encoder gives), a number (of its hidden states, 0 for what enters the first layer),
            `mean` of all hidden states, or `all` of them.
        pool: `mean` over time, or `none`.
        window: seconds of a recording at a time.
        overlap: seconds that two windows share.
        batch_size: windows or transcripts that are computed at once; it decides no more than the last bits.
        precision: `float32` or `half`; None for half on a GPU.
    """

    layer: str | int = "last"
    pool: Pool = "none"
    window: int = 30
    overlap: int = 4
    batch_size: int = 8
    precision: Precision | None = None

    def __post_init__(self) -> None:
        if self.layer not in LAYERS and not (isinstance(self.layer, int) and self.layer >= 0):
            raise UsageError(f"layer must be a number from 0 or one of {', '.join(LAYERS)}; received {self.layer!r}")
        if self.overlap >= self.window:
            raise UsageError(f"overlap must be less than window, {self.window} s; received {self.overlap} s")

    def shaped(self, features: np.ndarray) -> np.ndarray:
        """Features [layers, time, dim] as they are written.

        Returns:
            float32 [time, dim], [dim] pooled; of all layers [layers, time, dim], [layers, 1, dim] pooled.
        """
        if self.pool == "mean":
            features = features.mean(axis=1, keepdims=True, dtype=np.float64)
        features = features.astype(np.float32)
        if self.layer == "all":
            return features
        return features[0, 0] if self.pool == "mean" else features[0]
