"""Leave one session out."""

import numpy as np

from tfcr.protocols.drawing import count_groups, leave_one_out
from tfcr.protocols.labelled import Labelled

MEANING = "each fold tests one session; training has heard its speakers only if they speak in other sessions too"
SHARES_SPEAKERS = False


def num_folds(utterances: Labelled) -> int:
    """One for every session, of which there must be three."""
    return count_groups(utterances.sessions, "session", 3)


def draw(fold: int, utterances: Labelled, fold_seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One session tests, the next one validates."""
    return leave_one_out(fold, np.asarray(utterances.sessions))
