"""What several protocols draw with: groups are counted, left out one by one, or dealt to numbered parts."""

from collections.abc import Iterable, Sequence

import numpy as np

from tfcr.errors import TfcrError


def count_groups(groups: Sequence[str], kind: str, least: int, protocol: str | None = None) -> int:
    """How many different groups there are.

    Args:
        groups: that of every utterance.
        kind: what a group is: `speaker`, `session` or `script`.
        least: how many the protocol needs.
        protocol: its name, if it is not called after the groups.

    Raises:
        TfcrError: fewer than `least`, or an utterance without one.
    """
    named, protocol = set(groups), protocol or kind
    if "" in named:
        raise TfcrError(f"protocol {protocol!r} needs a {kind} for every utterance, and this corpus lacks them")
    if len(named) < least:
        raise TfcrError(f"protocol {protocol!r} needs at least {least} {kind}s; this corpus has {len(named)}")
    return len(named)


def leave_one_out(fold: int, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One group tests, the next one validates: two masks over the utterances."""
    names = np.unique(groups)
    return groups == names[fold], groups == names[(fold + 1) % len(names)]


def leave_one_part_out(fold: int, folds: Iterable[tuple[np.ndarray, np.ndarray]], count: int):
    """One part tests, the next one validates: two masks over the utterances.

    Args:
        folds: pairs of which the second holds the positions of a part, as scikit-learn's splitters give them.
        count: of the utterances.
    """
    parts = np.empty(count, np.int64)
    number = 0
    for _, positions in folds:
        parts[positions] = number
        number += 1
    return parts == fold, parts == (fold + 1) % number
