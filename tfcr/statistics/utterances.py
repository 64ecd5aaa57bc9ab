"""Intervals and tests over utterances, as if they were independent."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from tfcr.statistics.clusters import CONFIDENCE, Interval

LEVEL = 0.05  # of significance


class McNemar(NamedTuple):
    """Two trained models on the same utterances: right only after, right only before, and the exact two-sided p."""

    gained: int
    lost: int
    p: float


def wilson_interval(right: int, total: int, confidence: float = CONFIDENCE) -> Interval:
    """The score interval of a share (Wilson 1927), as if utterances were independent: too narrow where they are not."""
    interval = stats.binomtest(right, total).proportion_ci(confidence, method="wilson")
    return Interval(float(interval.low), float(interval.high))


def mcnemar(before: np.ndarray, after: np.ndarray) -> McNemar:
    """Exact test that two trained models are right equally often (McNemar 1947).

    Args:
        before, after: bool [utterances], whether each is right on the same utterances.
    """
    before, after = np.asarray(before, bool), np.asarray(after, bool)
    return mcnemar_of_counts(int((after & ~before).sum()), int((before & ~after).sum()))


def mcnemar_from_margins(net: int, changed: int) -> float:
    """The exact p of McNemar's test, if `changed` utterances changed sides and `net` more were gained than lost.

    Raises:
        ValueError: no such counts: `net` is gained - lost, `changed` is gained + lost.
    """
    if changed < abs(net) or (changed - net) % 2:
        raise ValueError(f"changed must be at least |net| and odd or even as it is; received {net=}, {changed=}")
    return mcnemar_of_counts((changed + net) // 2, (changed - net) // 2).p


def most_changes_for_significance(net: int, total: int, level: float = LEVEL) -> int | None:
    """The largest number of utterances that can have changed sides with p below `level`; None if there is none.

    Args:
        net: gained - lost.
        total: utterances.
        level: of significance.
    """
    significant = [changed for changed in range(abs(net), total + 1, 2) if mcnemar_from_margins(net, changed) < level]
    return max(significant, default=None)


def mcnemar_of_counts(gained: int, lost: int) -> McNemar:
    # Under equality each change is a gain or a loss with even odds: twice the smaller tail.
    return McNemar(gained, lost, min(1.0, 2 * float(stats.binom.cdf(min(gained, lost), gained + lost, 0.5))))
