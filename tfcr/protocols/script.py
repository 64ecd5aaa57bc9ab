"""Five folds that share no script: what is tested says other words than what trains."""

import numpy as np

from tfcr.errors import TfcrError
from tfcr.protocols.drawing import count_groups, leave_one_part_out
from tfcr.protocols.labelled import Labelled

MEANING = "5 folds, no script in two parts; training and test share speakers"
SHARES_SPEAKERS = True
FOLDS = 5


def num_folds(utterances: Labelled) -> int:
    """Five, if there are as many scripts."""
    count_groups(utterances.scripts, "script", FOLDS)
    return FOLDS


def draw(fold: int, utterances: Labelled, fold_seed: int) -> tuple[np.ndarray, np.ndarray]:
    """No script in two parts, emotions as even as the scripts allow."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels = np.asarray(utterances.labels)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=fold_seed)
    try:
        parts = folds.split(np.zeros(len(labels)), labels, np.asarray(utterances.scripts))
        return leave_one_part_out(fold, parts, len(labels))
    except ValueError as error:
        raise TfcrError(f"protocol 'script' cannot divide this corpus: {error}") from None
