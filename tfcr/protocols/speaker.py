"""Leave one speaker out."""

import numpy as np

from tfcr.protocols.drawing import count_groups, leave_one_out
from tfcr.protocols.labelled import Labelled

MEANING = "each fold tests one speaker, whom training has not heard"
SHARES_SPEAKERS = False


def num_folds(utterances: Labelled) -> int:
    """One for every speaker, of whom there must be three."""
    return count_groups(utterances.speakers, "speaker", 3)


def draw(fold: int, utterances: Labelled, fold_seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One speaker tests; the partner of the same session validates, or the next speaker where there are no sessions.

    Of several in a session, the next one does: else one would validate nearly all folds.
    """
    speakers, sessions = np.asarray(utterances.speakers), np.asarray(utterances.sessions)
    test, following = leave_one_out(fold, speakers)
    together = np.unique(speakers[np.isin(sessions, sessions[test])])
    if "" in sessions[test] or len(together) == 1:
        return test, following
    _, partner = leave_one_out(int(np.searchsorted(together, speakers[test][0])), together)
    return test, np.isin(speakers, together[partner])
