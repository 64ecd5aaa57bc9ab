"""Recall, precision and F1 from confusion matrices, of one or of the thousands that a bootstrap draws. No TensorFlow.

`metrics.json` has scikit-learn's F1, which takes one at a time; a test proves them equal. Matrices are float or int
[..., classes, classes], rows true, columns predicted.
"""

import numpy as np


def recalls(matrices: np.ndarray) -> np.ndarray:
    """Recall of every class, float64 [..., classes]; NaN for one that does not occur."""
    return _share(_right(matrices), matrices.sum(axis=-1))


def precisions(matrices: np.ndarray) -> np.ndarray:
    """Precision of every class, float64 [..., classes]; NaN for one that is never predicted."""
    return _share(_right(matrices), matrices.sum(axis=-2))


def f1s(matrices: np.ndarray) -> np.ndarray:
    """F1 of every class, float64 [..., classes]; NaN for one that does not occur, 0 for one that is never right."""
    true, predicted = matrices.sum(axis=-1), matrices.sum(axis=-2)
    return _share(2 * _right(matrices), np.where(true > 0, true + predicted, 0))


def mean_recall(matrices: np.ndarray) -> np.ndarray:
    """UA: the mean recall over the classes that occur, float64 [...]."""
    return np.nanmean(recalls(matrices), axis=-1)


def macro_f1(matrices: np.ndarray) -> np.ndarray:
    """The mean F1 over the classes that occur, float64 [...]."""
    return np.nanmean(f1s(matrices), axis=-1)


def weighted_f1(matrices: np.ndarray) -> np.ndarray:
    """The mean F1 over utterances, each with that of its true class, float64 [...]."""
    true = matrices.sum(axis=-1)
    return np.nansum(true * f1s(matrices), axis=-1) / true.sum(axis=-1)


def _right(matrices: np.ndarray) -> np.ndarray:
    return np.diagonal(matrices, axis1=-2, axis2=-1)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
