"""The parts that a corpus was released with. A further test part trains nothing; `tfcr evaluate --part` tests it."""

import numpy as np

from tfcr.errors import TfcrError
from tfcr.protocols.labelled import Labelled
from tfcr.protocols.parts import PARTS, TEST, VALIDATION

MEANING = "the parts that the corpus was released with; whether they share speakers is the corpus's matter"
SHARES_SPEAKERS = True  # that may be; a run says whether it is so
FOLDS = 1


def num_folds(utterances: Labelled) -> int:
    """One, if the corpus has the three parts."""
    if not any(utterances.parts):
        raise TfcrError(
            "protocol 'official' needs the parts that a corpus was released with, as MELD, MSP-Podcast or a manifest's "
            "column 'part' have them; this dataset has none; --split FILE.csv says the parts"
        )
    absent = [part for part in PARTS if part not in utterances.parts]
    if absent:
        raise TfcrError(
            f"protocol 'official' needs utterances to train, to validate and to test; this corpus has no part "
            f"{' and no part '.join(absent)}; --split FILE.csv says other parts"
        )
    return FOLDS


def draw(fold: int, utterances: Labelled, fold_seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nothing is drawn: the release decides. What is in none of the three parts stays out."""
    parts = np.asarray(utterances.parts)
    return parts == TEST, parts == VALIDATION, ~np.isin(parts, PARTS)
