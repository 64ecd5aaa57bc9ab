"""openSMILE in a process of its own, for one that has loaded TensorFlow: together they abort."""

import functools
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from tfcr.extraction.settings import Pool


class OpenSmileInOwnProcess:
    """As `tfcr.extraction.open_smile.OpenSmile`, whose arguments it takes; the process ends with this one."""

    modality = "audio"
    longest: int | None = None

    def __init__(self, name: str, level: str = "functionals", pool: Pool = "none"):
        self._made_by = name, level, pool
        self._process = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))  # a fork would have TensorFlow too
        self.description: dict[str, Any] = self._process.submit(_description, *self._made_by).result()

    def features(self, audio: np.ndarray) -> np.ndarray:
        return self.features_of([audio])[0]

    def features_of(self, batch: Sequence[np.ndarray]) -> list[np.ndarray]:
        return self._process.submit(_features_of, list(batch), *self._made_by).result()


@functools.cache
def _open_smile(name: str, level: str, pool: Pool):
    from tfcr.extraction.open_smile import OpenSmile

    return OpenSmile(name, level, pool)


def _description(name: str, level: str, pool: Pool) -> dict[str, Any]:
    return _open_smile(name, level, pool).description


def _features_of(batch: list[np.ndarray], name: str, level: str, pool: Pool) -> list[np.ndarray]:
    return _open_smile(name, level, pool).features_of(batch)
