"""The published skip split: every fifth utterance tests. Fold 0 is Table 1's test set, the others shift it."""

import numpy as np

from tfcr.protocols.labelled import Labelled

MEANING = (
    "every fifth utterance by id is tested; on IEMOCAP's four classes fold 0 is the published split; "
    "training and test share speakers and scripts"
)
SHARES_SPEAKERS = True
TEST_EVERY = 5  # the authors' code: every 5th utterance tests,
VALIDATE_EVERY = 10  # and of the others every 10th validates
FOLDS = TEST_EVERY


def num_folds(utterances: Labelled) -> int:
    """Five."""
    return FOLDS


def draw(fold: int, utterances: Labelled, fold_seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Nothing is drawn: ids decide."""
    count = len(utterances.ids)
    test = np.arange(count) % TEST_EVERY == fold
    validation = np.zeros(count, bool)
    validation[np.flatnonzero(~test)[::VALIDATE_EVERY]] = True
    return test, validation
