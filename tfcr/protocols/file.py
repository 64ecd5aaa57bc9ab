"""The parts or the folds that a file says (`--split FILE.csv`)."""

import numpy as np

from tfcr.errors import UsageError
from tfcr.protocols.labelled import Labelled
from tfcr.protocols.parts import NO_PART, PARTS, TEST, VALIDATION

MEANING = "the parts or folds that a file says (--split); whether they share speakers is the file's matter"
SHARES_SPEAKERS = True  # that may be; a run says whether it is so


def num_folds(utterances: Labelled) -> int:
    """One of parts, or as many as the file has."""
    said = set(utterances.listed) - {NO_PART}
    if not said:
        raise UsageError("protocol 'file' needs a file that says the parts or the folds: --split FILE.csv")
    return 1 if said <= set(PARTS) else len(said)


def draw(fold: int, utterances: Labelled, fold_seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nothing is drawn. Of folds one tests, and the next one validates. What the file leaves out stays out."""
    said, folds = np.asarray(utterances.listed), num_folds(utterances)
    test, validation = (TEST, VALIDATION) if folds == 1 else (str(fold), str((fold + 1) % folds))
    return said == test, said == validation, said == NO_PART
