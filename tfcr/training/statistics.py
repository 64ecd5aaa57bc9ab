"""Mean and deviation of features over real steps, in one pass and little memory."""

from collections.abc import Iterable

import numpy as np


def moments(steps: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Statistics over the real steps of some utterances: of the training part, never of another.

    Args:
        steps: of each utterance, [steps, dim].

    Returns:
        Mean and deviation, float64 [dim], in the feature's unit.
    """
    count, total, squares = 0, 0.0, 0.0
    for some in steps:
        some = some.astype(np.float64)
        count += len(some)
        total += some.sum(axis=0)
        squares += (some**2).sum(axis=0)
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, 0.0))
