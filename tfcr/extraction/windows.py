"""Long recordings in windows that overlap, and where the features of one pass to those of the next."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tfcr.schema import SAMPLE_RATE


@dataclass(frozen=True)
class Window:
    """A stretch of a recording, and the part of it whose features are kept.

    Attributes:
        samples: float32 [samples] at 16 kHz.
        begin: seconds from its start; what lies before is the window's before it.
        end: seconds from its start; what lies behind is the next window's. None for the last.
    """

    samples: np.ndarray
    begin: float = 0.0
    end: float | None = None

    def kept(self, features: np.ndarray, rate: float) -> np.ndarray:
        """The window's own of its features [layers, time, dim], which come `rate` times a second."""
        end = None if self.end is None else round(self.end * rate)
        return features[:, round(self.begin * rate) : end]


def windows(blocks: Iterable[np.ndarray], seconds: int, overlap: int) -> Iterator[Window]:
    """Cuts a recording; one that is no longer than a window stays whole. Few samples are held at a time.

    Windows start at whole seconds and hand over in the middle of what they share, so that each kept feature has
    heard at least half the overlap on either side.

    Args:
        blocks: [samples] at 16 kHz, one behind the other.
        seconds: of a window.
        overlap: seconds that two neighbours share; less than a window.
    """
    length, hop = seconds * SAMPLE_RATE, (seconds - overlap) * SAMPLE_RATE
    begin = 0.0
    buffer = np.zeros(0, np.float32)
    for block in blocks:
        buffer = np.concatenate([buffer, block.astype(np.float32)])
        while len(buffer) > length:
            yield Window(buffer[:length], begin, seconds - overlap / 2)
            buffer, begin = buffer[hop:], overlap / 2
    yield Window(buffer, begin)
