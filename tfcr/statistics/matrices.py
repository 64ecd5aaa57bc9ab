"""Intervals and tests of measures that are no means over utterances, such as F1, by each cluster's confusion matrix.

A measure takes float [..., classes, classes], rows true, columns predicted, and returns float [...]; see
`tfcr.objectives.confusions`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from tfcr.objectives.confusions import macro_f1, weighted_f1
from tfcr.statistics.clusters import CONFIDENCE, MIN_CLUSTERS, Interval, chunks

Measure = Callable[[np.ndarray], np.ndarray]

F1_MEASURES: Mapping[str, Measure] = {"macro_f1": macro_f1, "weighted_f1": weighted_f1}
_MOST_EXACT = 16  # clusters; 2^16 exchanges
_TIE = 1e-12  # differences this close are equal


class Estimate(NamedTuple):
    """A measure, or a difference of two, with its interval and its p where there are any."""

    value: float
    interval: Interval | None
    p: float | None = None


def cluster_matrices(labels: np.ndarray, said: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Every cluster's confusion matrix, float64 [clusters, classes, classes], in the order of their sorted names.

    Args:
        labels: int64 [utterances].
        said: float [utterances, classes], how much of an utterance was predicted as each class: 1 in all.
        clusters: any type [utterances].
    """
    names, cluster = np.unique(clusters, return_inverse=True)
    classes = said.shape[1]
    matrices = np.zeros((len(names), classes, classes))
    np.add.at(matrices, (cluster, labels), said)
    return matrices


def bootstrap_intervals(
    measures: Mapping[str, Measure],
    matrices: np.ndarray,
    before: np.ndarray | None = None,
    confidence: float = CONFIDENCE,
    repetitions: int = 10_000,
    seed: int = 0,
    least: int = MIN_CLUSTERS,
) -> dict[str, Interval | None]:
    """Percentile intervals of measures, with whole clusters drawn anew; `tfcr.statistics.bootstrap_interval` has means.

    Args:
        matrices: of `cluster_matrices`.
        before: those of another system on the same utterances, whose measures on the same draws are subtracted.
        least: the number of clusters under which there is no interval.

    Returns:
        By the measures' names; None for fewer clusters than `least`.
    """
    if len(matrices) < least:
        return dict.fromkeys(measures)
    found: dict[str, list[np.ndarray]] = {name: [] for name in measures}
    random = np.random.default_rng(seed)
    for rows in chunks(repetitions, len(matrices) + matrices[0].size):
        drawn = random.multinomial(len(matrices), np.full(len(matrices), 1 / len(matrices)), size=rows).astype(float)
        after = _sums(drawn, matrices)
        earlier = None if before is None else _sums(drawn, before)
        for name, measure in measures.items():
            found[name].append(measure(after) if earlier is None else measure(after) - measure(earlier))
    limits = [(1 - confidence) / 2, (1 + confidence) / 2]
    return {name: Interval(*np.quantile(np.concatenate(some), limits).tolist()) for name, some in found.items()}


def exchange_tests(
    measures: Mapping[str, Measure], before: np.ndarray, after: np.ndarray, draws: int = 99_999, seed: int = 0
) -> dict[str, float]:
    """Two-sided p that measures of two systems are equal, if in each cluster one could as well have been the other.

    Approximate randomisation (Noreen 1989; Yeh 2000): all 2^n exchanges up to 16 clusters; above,
    p = (k + 1) / (m + 1) of m random ones. For WA it is the sign-flip test of the clusters' sums.

    Args:
        before, after: of `cluster_matrices`, on the same utterances.
        draws: m.
        seed: of the random exchanges.
    """
    exact = len(before) <= _MOST_EXACT
    middle, half = (before + after).sum(axis=0) / 2, (after - before) / 2
    counts = dict.fromkeys(measures, 0)
    total = 0
    for signs in _all_signs(len(before)) if exact else _random_signs(len(before), draws, seed, before[0].size):
        change = _sums(signs, half)
        total += len(signs)
        for name, measure in measures.items():
            least_extreme = abs(measure(after.sum(axis=0)) - measure(before.sum(axis=0))) - _TIE
            counts[name] += int((np.abs(measure(middle + change) - measure(middle - change)) >= least_extreme).sum())
    return {name: count / total if exact else (count + 1) / (total + 1) for name, count in counts.items()}


def _sums(weights: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """The weighted sums of the clusters' matrices, float64 [draws, classes, classes]; `weights` [draws, clusters]."""
    return (weights @ matrices.reshape(len(matrices), -1)).reshape(-1, *matrices.shape[1:])


def _all_signs(clusters: int) -> Iterator[np.ndarray]:
    numbers = np.arange(2**clusters)[:, None]
    yield 2.0 * ((numbers >> np.arange(clusters)) & 1) - 1


def _random_signs(clusters: int, draws: int, seed: int, cells: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng(seed)
    for rows in chunks(draws, clusters + cells):
        yield 2.0 * random.integers(0, 2, (rows, clusters), dtype=np.int8) - 1
