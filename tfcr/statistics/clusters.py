"""Intervals and tests over clusters, which are dialogues or speakers: utterances of one are not independent."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from tfcr.runs import Predictions

CONFIDENCE = 0.95
MIN_CLUSTERS = 8  # for an interval: fewer, drawn anew, are the same few, and it would be far too narrow
_MOST_EXACT = 20  # clusters; 2^20 flips
_CHUNK = 2_000_000  # numbers in memory at a time
_TIE = 1e-9  # sums this close, relative to the sum of sizes, are equal
_DIALOGUE_IDS = (
    re.compile(r"(?P<dialogue>Ses0[1-5][FM]_\w+)_[FM]\d{3}"),  # IEMOCAP: Ses01F_impro01_F000
    re.compile(r"(?P<dialogue>(?:train|dev|test)_dia\d+)_utt\d+"),  # MELD: train_dia0_utt0
)


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Clusters:
    """The cluster of every utterance.

    Attributes:
        kind: what a cluster is: "dialogue" or "speaker".
        names: str [utterances].
    """

    kind: str
    names: np.ndarray

    @property
    def count(self) -> int:
        """How many there are."""
        return len(np.unique(self.names))


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p corrected for their number (Holm 1979): that any of them errs is as rare as for a single one."""
    corrected, most, count = [0.0] * len(p_values), 0.0, len(p_values)
    for rank, place in enumerate(sorted(range(count), key=p_values.__getitem__)):
        most = max(most, min(1.0, (count - rank) * p_values[place]))
        corrected[place] = most
    return corrected


def sign_flip_test(differences: np.ndarray, draws: int = 99_999, seed: int = 0) -> float:
    """Two-sided p that the mean difference is zero, if each cluster's sign could as well be the other (Fisher 1935).

    All 2^n flips up to 20 clusters that differ; above, p = (k + 1) / (m + 1) of m random flips (Phipson and Smyth
    2010). A cluster without a difference changes no flip.

    Args:
        differences: float [clusters], finite.
        draws: m.
        seed: of the random flips.
    """
    differences = np.asarray(differences, np.float64)
    if not np.isfinite(differences).all():
        raise ValueError(f"differences must be finite; received {differences}")
    sizes = np.abs(differences[differences != 0])
    if not len(sizes):
        return 1.0
    signed = differences[differences != 0] / sizes.max()
    least_extreme = np.abs(signed.sum()) - _TIE * np.abs(signed).sum()
    if len(signed) <= _MOST_EXACT:
        return float(np.mean(np.abs(_all_flips(signed)) >= least_extreme))
    extreme = sum(int((np.abs(sums) >= least_extreme).sum()) for sums in _random_flips(signed, draws, seed))
    return (extreme + 1) / (draws + 1)


def t_interval(differences: np.ndarray, confidence: float = CONFIDENCE) -> Interval | None:
    """Student's interval of the mean over clusters; None for fewer than two.

    Args:
        differences: float [clusters].
        confidence: between 0 and 1.
    """
    count = len(differences)
    if count < 2:
        return None
    half = stats.t.ppf((1 + confidence) / 2, count - 1) * np.std(differences, ddof=1) / math.sqrt(count)
    return Interval(float(np.mean(differences) - half), float(np.mean(differences) + half))


def bootstrap_interval(
    values: np.ndarray,
    clusters: np.ndarray,
    labels: np.ndarray | None = None,
    confidence: float = CONFIDENCE,
    repetitions: int = 10_000,
    seed: int = 0,
    least: int = MIN_CLUSTERS,
) -> Interval | None:
    """Percentile interval of a mean, with whole clusters drawn anew (Davison and Hinkley 1997, Sec. 3.8; Sec. 5.3).

    Args:
        values: float [utterances].
        clusters: any type [utterances]; utterances of equal value are drawn together.
        labels: int [utterances]; if given, the mean is over the means of the classes that occur in the draw. Of
            `values` that are 1 if right and 0 if not, that is UA.
        confidence: between 0 and 1.
        repetitions: of the draw.
        seed: of the draws.
        least: the number of clusters under which there is no interval.

    Returns:
        None for fewer clusters than `least`.
    """
    names, cluster = np.unique(clusters, return_inverse=True)
    if len(names) < least:
        return None
    stratum = np.zeros(len(values), np.int64) if labels is None else np.unique(labels, return_inverse=True)[1]
    totals = np.zeros((len(names), stratum.max() + 1))
    sizes = np.zeros_like(totals)
    np.add.at(totals, (cluster, stratum), values)
    np.add.at(sizes, (cluster, stratum), 1)
    random = np.random.default_rng(seed)
    means = []
    for rows in chunks(repetitions, len(names)):
        drawn = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=rows).astype(np.float64)
        drawn_sizes = drawn @ sizes
        class_means = np.divide(
            drawn @ totals, drawn_sizes, out=np.full_like(drawn_sizes, np.nan), where=drawn_sizes > 0
        )
        means.append(np.nanmean(class_means, axis=1))
    low, high = np.quantile(np.concatenate(means), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def dialogues(predictions: Predictions) -> Clusters:
    """The dialogue of every utterance, where all ids tell it as those of IEMOCAP or MELD do; else its speaker.

    A speaker holds all of a speaker's dialogues, so the interval becomes too wide sooner than too narrow. Session and
    script together are no substitute: in most corpora a script is a sentence.
    """
    for pattern in _DIALOGUE_IDS:
        matches = [pattern.fullmatch(str(id)) for id in predictions.id]
        if matches and all(matches):
            return Clusters("dialogue", np.array([match["dialogue"] for match in matches if match]))
    return Clusters("speaker", predictions.speaker)


def joined(parts: list[Predictions]) -> Predictions:
    """The test parts of several folds, one after the other, without what their models embed."""
    names = ("id", "speaker", "session", "script", "label", "logits")
    return Predictions(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _all_flips(values: np.ndarray) -> np.ndarray:
    """The sums over all signs of all values but the first: the others are their mirror images."""
    sums = values[:1]
    for value in values[1:]:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _random_flips(values: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng(seed)
    for rows in chunks(draws, len(values)):
        yield (2.0 * random.integers(0, 2, (rows, len(values)), dtype=np.int8) - 1) @ values


def chunks(rows: int, width: int) -> Iterator[int]:
    """Rows in portions that memory holds."""
    portion = max(1, _CHUNK // width)
    for start in range(0, rows, portion):
        yield min(portion, rows - start)
