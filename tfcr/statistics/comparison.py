"""What a comparison of two systems shows: intervals and tests over clusters, and two systems on the same test parts.

Differences are after minus before, fractions from -1 to 1. No TensorFlow. `docs/conclusions.md` says why these.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from tfcr.errors import TfcrError
from tfcr.runs import Predictions

Cell = tuple[int, int]  # fold, seed

CONFIDENCE = 0.95
LEVEL = 0.05  # of significance
MIN_SPEAKERS = 8  # for a test over speakers; fewer are only described
MIN_SEEDS = 5  # for a conclusion about systems and not only about trained models

_MOST_EXACT = 20  # clusters; 2^20 flips
_CHUNK = 2_000_000  # random numbers in memory at a time
_TIE = 1e-9  # sums this close, relative to the sum of sizes, are equal
_DIALOGUE_IDS = (
    re.compile(r"(?P<dialogue>Ses0[1-5][FM]_\w+)_[FM]\d{3}"),  # IEMOCAP: Ses01F_impro01_F000
    re.compile(r"(?P<dialogue>(?:train|dev|test)_dia\d+)_utt\d+"),  # MELD: train_dia0_utt0
)


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


class McNemar(NamedTuple):
    """Two trained models on the same utterances: right only after, right only before, and the exact two-sided p."""

    gained: int
    lost: int
    p: float


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


@dataclass(frozen=True)
class Pooled:
    """One system over the test utterances of all its folds together, each averaged over its fold's seeds.

    Attributes:
        utterances: tested.
        wa, ua: over utterances and over the classes that occur.
        cluster, clusters: what was resampled for the intervals, and how many there are.
        wa_interval, ua_interval: 95 % cluster bootstrap; None with one cluster.
    """

    utterances: int
    wa: float
    ua: float
    cluster: str
    clusters: int
    wa_interval: Interval | None
    ua_interval: Interval | None


@dataclass(frozen=True)
class SeedDifference:
    """One seed's trained models, on all test utterances of the folds that both systems have with this seed.

    Attributes:
        seed: of training.
        folds: whose models are compared.
        utterances: tested.
        wa, ua: differences.
        mcnemar: conditional on these trained models: it says nothing of what another seed would give.
    """

    seed: int
    folds: tuple[int, ...]
    utterances: int
    wa: float
    ua: float
    mcnemar: McNemar


@dataclass(frozen=True)
class Comparison:
    """After minus before on the folds and seeds both have.

    Attributes:
        cells: (fold, seed), sorted.
        utterances: tested; each counts once, averaged over its fold's seeds.
        by_speaker: every speaker's mean difference.
        effect: the primary estimate, the mean of `by_speaker`: all speakers weigh the same.
        interval: 95 % t interval of `effect` over speakers; None under `MIN_SPEAKERS`.
        p: sign-flip test over speakers; None under `MIN_SPEAKERS`.
        wa, ua: differences over utterances and over the classes that occur.
        cluster, clusters: what was resampled for the next two, and how many there are.
        wa_interval, ua_interval: 95 % cluster bootstrap; None with one cluster.
        by_seed: each seed's trained models.
        seed_deviation: sample standard deviation of the WA differences of the seeds that have every fold; None with
            one such seed.
        seed_interval: 95 % t interval of the mean of those differences; None with one such seed.
    """

    cells: tuple[Cell, ...]
    utterances: int
    by_speaker: Mapping[str, float]
    effect: float
    interval: Interval | None
    p: float | None
    wa: float
    ua: float
    cluster: str
    clusters: int
    wa_interval: Interval | None
    ua_interval: Interval | None
    by_seed: tuple[SeedDifference, ...]
    seed_deviation: float | None
    seed_interval: Interval | None

    @property
    def folds(self) -> tuple[int, ...]:
        """The folds, ascending."""
        return tuple(sorted({fold for fold, _ in self.cells}))

    @property
    def seeds(self) -> int:
        """The number of seeds that have every fold."""
        return len(_complete(self.by_seed, self.folds))

    @property
    def is_descriptive(self) -> bool:
        """Whether there are too few speakers for a test."""
        return len(self.by_speaker) < MIN_SPEAKERS

    @property
    def has_few_seeds(self) -> bool:
        """Whether there are too few seeds to say anything of the systems behind the trained models."""
        return self.seeds < MIN_SEEDS


# Over clusters


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

    Returns:
        None for fewer than two clusters.
    """
    names, cluster = np.unique(clusters, return_inverse=True)
    if len(names) < 2:
        return None
    stratum = np.zeros(len(values), np.int64) if labels is None else np.unique(labels, return_inverse=True)[1]
    totals = np.zeros((len(names), stratum.max() + 1))
    sizes = np.zeros_like(totals)
    np.add.at(totals, (cluster, stratum), values)
    np.add.at(sizes, (cluster, stratum), 1)
    random = np.random.default_rng(seed)
    means = []
    for rows in _chunks(repetitions, len(names)):
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


# Over utterances, as if they were independent


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
    return _mcnemar(int((after & ~before).sum()), int((before & ~after).sum()))


def mcnemar_from_margins(net: int, changed: int) -> float:
    """The exact p of McNemar's test, if `changed` utterances changed sides and `net` more were gained than lost.

    Raises:
        ValueError: no such counts: `net` is gained - lost, `changed` is gained + lost.
    """
    if changed < abs(net) or (changed - net) % 2:
        raise ValueError(f"changed must be at least |net| and odd or even as it is; received {net=}, {changed=}")
    return _mcnemar((changed + net) // 2, (changed - net) // 2).p


def most_changes_for_significance(net: int, total: int, level: float = LEVEL) -> int | None:
    """The largest number of utterances that can have changed sides with p below `level`; None if there is none.

    Args:
        net: gained - lost.
        total: utterances.
        level: of significance.
    """
    significant = [changed for changed in range(abs(net), total + 1, 2) if mcnemar_from_margins(net, changed) < level]
    return max(significant, default=None)


# Of systems


def pool(cells: Mapping[Cell, Predictions]) -> Pooled:
    """WA and UA of one system over the test utterances of all its folds.

    Raises:
        TfcrError: there are no predictions, or two seeds tested different utterances in a fold.
    """
    if not cells:
        raise TfcrError("there are no predictions to pool; expected those of at least one fold")
    folds = {fold: [cells[cell] for cell in of_fold] for fold, of_fold in _by_fold(cells).items()}
    for fold, runs in folds.items():
        _check_same_utterances(fold, runs)
    tested = joined([runs[0] for runs in folds.values()])
    right = np.concatenate([np.mean([_right(run) for run in runs], axis=0) for runs in folds.values()])
    clusters = dialogues(tested)
    return Pooled(
        utterances=len(right),
        wa=float(right.mean()),
        ua=_mean_over_classes(right, tested.label),
        cluster=clusters.kind,
        clusters=clusters.count,
        wa_interval=bootstrap_interval(right, clusters.names),
        ua_interval=bootstrap_interval(right, clusters.names, tested.label),
    )


def compare(before: Mapping[Cell, Predictions], after: Mapping[Cell, Predictions]) -> Comparison:
    """Two systems on the folds and seeds both have.

    Args:
        before, after: predictions by (fold, seed).

    Raises:
        TfcrError: they share no fold and seed, or tested different utterances in a fold.
    """
    cells = sorted(before.keys() & after.keys())
    if not cells:
        raise TfcrError("the two systems share no fold and seed; expected at least one; train both on the same folds")
    folds = _by_fold(cells)
    for fold, of_fold in folds.items():
        _check_same_utterances(fold, [system[cell] for cell in of_fold for system in (before, after)])
    tested = joined([before[of_fold[0]] for of_fold in folds.values()])

    change = {cell: _right(after[cell]).astype(np.int8) - _right(before[cell]).astype(np.int8) for cell in cells}
    difference = np.concatenate([np.mean([change[cell] for cell in of_fold], axis=0) for of_fold in folds.values()])
    by_speaker = _mean_by(tested.speaker, difference)
    speakers = np.array(list(by_speaker.values()))
    testable = len(speakers) >= MIN_SPEAKERS
    clusters = dialogues(tested)
    by_seed = tuple(
        _seed_difference(seed, [cell for cell in cells if cell[1] == seed], change, before)
        for seed in sorted({seed for _, seed in cells})
    )
    seeds = np.array([each.wa for each in _complete(by_seed, tuple(folds))])
    return Comparison(
        cells=tuple(cells),
        utterances=len(difference),
        by_speaker=by_speaker,
        effect=float(speakers.mean()),
        interval=t_interval(speakers) if testable else None,
        p=sign_flip_test(speakers) if testable else None,
        wa=float(difference.mean()),
        ua=_mean_over_classes(difference, tested.label),
        cluster=clusters.kind,
        clusters=clusters.count,
        wa_interval=bootstrap_interval(difference, clusters.names),
        ua_interval=bootstrap_interval(difference, clusters.names, tested.label),
        by_seed=by_seed,
        seed_deviation=float(seeds.std(ddof=1)) if len(seeds) > 1 else None,
        seed_interval=t_interval(seeds),
    )


def conclusion(
    comparison: Comparison,
    before: str = "the first system",
    after: str = "the second system",
    speakers_were_heard: bool = False,
) -> str:
    """What the comparison shows, in two or three plain sentences.

    A difference counts as shown if the sign-flip test over speakers has p below 5 % and the t interval over seeds lies
    on the same side of zero.

    Args:
        before, after: the systems' names within a sentence.
        speakers_were_heard: whether training heard the test speakers (protocols `random`, `authors` and `script`).
    """
    speakers, seeds = len(comparison.by_speaker), comparison.seeds
    finding = f"{after} is right {_more_often(comparison.effect)} {before}"
    seed = "seed" if len(comparison.by_seed) == seeds else "complete seed"  # others lack a fold
    over = f"{_counted(speakers, 'speaker')} and {_counted(seeds, seed)}"
    if comparison.is_descriptive:
        needed = f"{MIN_SPEAKERS} speakers" + (f" and {MIN_SEEDS} seeds" if comparison.has_few_seeds else "")
        sentences = [f"Over {over}, {finding}.", f"This is a description: a conclusion needs at least {needed}."]
    else:
        assert comparison.interval is not None and comparison.p is not None
        measured = f"(95 % t interval {_points(comparison.interval)}, sign-flip p {_p_value(comparison.p)})"
        sentences = [f"Over {over}, {finding} {measured}: {_verdict(comparison)}"]
        if comparison.has_few_seeds:
            sentences.append(f"A conclusion about the systems needs at least {MIN_SEEDS} seeds.")
    if speakers_were_heard:
        sentences.append("Training heard these speakers, so nothing follows for new ones.")
    return " ".join(sentences)


def _verdict(comparison: Comparison) -> str:
    assert comparison.p is not None
    if comparison.has_few_seeds and comparison.p >= LEVEL:
        return "no difference between these trained models is shown, and training them again could change that."
    if comparison.has_few_seeds:
        return "this holds for these trained models, and training them again could change it."
    if comparison.p >= LEVEL:
        return "no difference is shown, which does not show that the two are equal."
    assert comparison.seed_interval is not None
    low, high = comparison.seed_interval
    if (low if comparison.effect > 0 else -high) > 0:
        return "a difference is shown."
    return (
        f"the speakers agree, but the seeds leave room for none (95 % t interval over seeds "
        f"{_points(comparison.seed_interval)}): no difference between the systems is shown."
    )


def _all_flips(values: np.ndarray) -> np.ndarray:
    """The sums over all signs of all values but the first: the others are their mirror images."""
    sums = values[:1]
    for value in values[1:]:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _random_flips(values: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng(seed)
    for rows in _chunks(draws, len(values)):
        yield (2.0 * random.integers(0, 2, (rows, len(values)), dtype=np.int8) - 1) @ values


def _chunks(rows: int, width: int) -> Iterator[int]:
    """Rows in portions that memory holds."""
    portion = max(1, _CHUNK // width)
    for start in range(0, rows, portion):
        yield min(portion, rows - start)


def _mcnemar(gained: int, lost: int) -> McNemar:
    # Under equality each change is a gain or a loss with even odds: twice the smaller tail.
    return McNemar(gained, lost, min(1.0, 2 * float(stats.binom.cdf(min(gained, lost), gained + lost, 0.5))))


def _by_fold(cells: Iterable[Cell]) -> dict[int, list[Cell]]:
    """Fold → its cells, both ascending."""
    folds: dict[int, list[Cell]] = {}
    for cell in sorted(cells):
        folds.setdefault(cell[0], []).append(cell)
    return folds


def _complete(by_seed: tuple[SeedDifference, ...], folds: tuple[int, ...]) -> list[SeedDifference]:
    return [each for each in by_seed if each.folds == folds]


def _seed_difference(
    seed: int, cells: list[Cell], change: Mapping[Cell, np.ndarray], tested: Mapping[Cell, Predictions]
) -> SeedDifference:
    changes = np.concatenate([change[cell] for cell in cells])
    labels = np.concatenate([tested[cell].label for cell in cells])
    return SeedDifference(
        seed=seed,
        folds=tuple(fold for fold, _ in cells),
        utterances=len(changes),
        wa=float(changes.mean()),
        ua=_mean_over_classes(changes, labels),
        mcnemar=_mcnemar(int((changes > 0).sum()), int((changes < 0).sum())),
    )


def _right(predictions: Predictions) -> np.ndarray:
    return predictions.logits.argmax(axis=1) == predictions.label


def _mean_by(groups: np.ndarray, values: np.ndarray) -> dict:
    names, index = np.unique(groups, return_inverse=True)
    means = np.bincount(index, weights=values) / np.bincount(index)
    return dict(zip(names.tolist(), means.tolist(), strict=True))


def _mean_over_classes(values: np.ndarray, labels: np.ndarray) -> float:
    """The mean of the classes' means: UA of what is right, and UA's difference of differences."""
    return float(np.mean(list(_mean_by(labels, values).values())))


def _check_same_utterances(fold: int, predictions: list[Predictions]) -> None:
    first = predictions[0]
    for other in predictions[1:]:
        if not np.array_equal(first.id, other.id) or not np.array_equal(first.label, other.label):
            raise TfcrError(
                f"fold {fold}: expected the same test utterances and labels in every run, and they differ "
                f"({len(first.id)} and {len(other.id)} utterances); compare runs of one dataset, protocol and fold seed"
            )


def _counted(count: int, name: str) -> str:
    return f"{count} {name}" + ("" if count == 1 else "s")


def _more_often(effect: float) -> str:
    points = f"{abs(100 * effect):.1f}"
    if points == "0.0":
        return "as often as"
    return f"{points} percentage points {'more' if effect > 0 else 'less'} often than"


def _points(interval: Interval) -> str:
    low, high = (f"{100 * end:.1f}".replace("-0.0", "0.0").replace("-", "−") for end in interval)
    return f"{low} to {high}"


def _p_value(p: float) -> str:
    if p < 0.001:
        return "< 0.001"
    return f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"
