"""Ten stratified folds over utterances: what the paper's text describes (Sec. 4.3)."""

from collections import Counter

import numpy as np

from tfcr.errors import TfcrError
from tfcr.protocols.drawing import leave_one_part_out
from tfcr.protocols.labelled import Labelled

MEANING = "10 stratified folds over utterances, 8:1:1; training and test share speakers and scripts"
SHARES_SPEAKERS = True
FOLDS = 10  # "10-fold cross validation" (Sec. 4.3)


def num_folds(utterances: Labelled) -> int:
    """Ten, if every emotion has as many utterances."""
    label, least = min(Counter(utterances.labels).items(), key=lambda count: count[1])
    if least < FOLDS:
        rarest = repr(utterances.emotions[label]) if utterances.emotions else "one"
        raise TfcrError(f"protocol 'random' needs {FOLDS} utterances of every emotion; {rarest} has {least}")
    return FOLDS


def draw(fold: int, utterances: Labelled, fold_seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Stratified by emotion."""
    from sklearn.model_selection import StratifiedKFold

    labels = np.asarray(utterances.labels)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=fold_seed)
    return leave_one_part_out(fold, folds.split(np.zeros(len(labels)), labels), len(labels))
