"""Two systems on the same test parts: what each gets right, and how they differ.

Differences are after minus before, fractions from -1 to 1.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tfcr.errors import TfcrError
from tfcr.objectives.confusions import mean_recall
from tfcr.runs import Predictions
from tfcr.statistics.agreement import MIN_SPEAKERS, Agreement, Cell, complete_seeds
from tfcr.statistics.clusters import Interval, bootstrap_interval, dialogues, joined, sign_flip_test, t_interval
from tfcr.statistics.matrices import F1_MEASURES, Estimate, bootstrap_intervals, cluster_matrices, exchange_tests
from tfcr.statistics.utterances import McNemar, mcnemar_of_counts


@dataclass(frozen=True)
class Pooled:
    """One system over the test utterances of all its folds together, each averaged over its fold's seeds.

    Attributes:
        utterances: tested.
        wa, ua: over utterances and over the classes that occur.
        cluster, clusters: what was resampled for the intervals, and how many there are.
        wa_interval, ua_interval: 95 % cluster bootstrap; None under `MIN_CLUSTERS`.
        macro_f1, weighted_f1: of the confusion matrix in which each utterance counts once, divided among its fold's
            seeds, with intervals likewise.
    """

    utterances: int
    wa: float
    ua: float
    cluster: str
    clusters: int
    wa_interval: Interval | None
    ua_interval: Interval | None
    macro_f1: Estimate
    weighted_f1: Estimate


@dataclass(frozen=True)
class SeedDifference:
    """One seed's trained models, on all test utterances of the folds that both systems have with this seed.

    Attributes:
        seed: of training.
        folds: whose models are compared.
        utterances: tested.
        wa, ua, macro_f1, weighted_f1: differences.
        mcnemar: conditional on these trained models: it says nothing of what another seed would give.
    """

    seed: int
    folds: tuple[int, ...]
    utterances: int
    wa: float
    ua: float
    macro_f1: float
    weighted_f1: float
    mcnemar: McNemar


@dataclass(frozen=True, kw_only=True)
class Comparison(Agreement):
    """After minus before on the folds and seeds both have; `effect` and what belongs to it are of WA.

    Attributes:
        utterances: tested.
        wa, ua: differences over utterances and over the classes that occur.
        cluster, clusters: what was resampled for the next two, and how many there are.
        wa_interval, ua_interval: 95 % cluster bootstrap; None under `MIN_CLUSTERS`.
        ua_p: that UA is equal, by exchanging the systems within speakers; None under `MIN_SPEAKERS`.
        macro_f1, weighted_f1: differences, with intervals and p likewise.
        by_seed: each seed's trained models.
        seed_deviation: sample standard deviation of the WA differences of the seeds that have every fold; None with
            one such seed.
    """

    utterances: int
    wa: float
    ua: float
    cluster: str
    clusters: int
    wa_interval: Interval | None
    ua_interval: Interval | None
    ua_p: float | None
    macro_f1: Estimate
    weighted_f1: Estimate
    by_seed: tuple[SeedDifference, ...]
    seed_deviation: float | None


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
    said = _said_of_folds(folds.values())
    right = said[np.arange(len(said)), tested.label]
    clusters = dialogues(tested)
    matrices = cluster_matrices(tested.label, said, clusters.names)
    intervals = bootstrap_intervals(F1_MEASURES, matrices)
    f1 = {name: Estimate(float(f1(matrices.sum(axis=0))), intervals[name]) for name, f1 in F1_MEASURES.items()}
    return Pooled(
        utterances=len(right),
        wa=float(right.mean()),
        ua=_mean_over_classes(right, tested.label),
        cluster=clusters.kind,
        clusters=clusters.count,
        wa_interval=bootstrap_interval(right, clusters.names),
        ua_interval=bootstrap_interval(right, clusters.names, tested.label),
        **f1,
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
    said = [_said_of_folds([[system[c] for c in of_fold] for of_fold in folds.values()]) for system in (before, after)]
    by_speaker = _mean_by(tested.speaker, difference)
    speakers = np.array(list(by_speaker.values()))
    testable = len(speakers) >= MIN_SPEAKERS
    clusters = dialogues(tested)
    p = _exchange_tests(tested, said) if testable else {}
    by_seed = tuple(
        _seed_difference(seed, [cell for cell in cells if cell[1] == seed], change, before, after)
        for seed in sorted({seed for _, seed in cells})
    )
    complete = complete_seeds(cells)
    seeds = np.array([each.wa for each in by_seed if each.seed in complete])
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
        ua_p=p.get("ua"),
        **_f1_differences(tested.label, said, clusters.names, p),
        by_seed=by_seed,
        seed_deviation=float(seeds.std(ddof=1)) if len(seeds) > 1 else None,
        seed_interval=t_interval(seeds),
    )


def _by_fold(cells: Iterable[Cell]) -> dict[int, list[Cell]]:
    """Fold → its cells, both ascending."""
    folds: dict[int, list[Cell]] = {}
    for cell in sorted(cells):
        folds.setdefault(cell[0], []).append(cell)
    return folds


def _seed_difference(
    seed: int,
    cells: list[Cell],
    change: Mapping[Cell, np.ndarray],
    before: Mapping[Cell, Predictions],
    after: Mapping[Cell, Predictions],
) -> SeedDifference:
    changes = np.concatenate([change[cell] for cell in cells])
    labels = np.concatenate([before[cell].label for cell in cells])
    matrices = [
        cluster_matrices(labels, _said_of_folds([system[cell]] for cell in cells), np.zeros(len(labels)))[0]
        for system in (before, after)
    ]
    return SeedDifference(
        seed=seed,
        folds=tuple(fold for fold, _ in cells),
        utterances=len(changes),
        wa=float(changes.mean()),
        ua=_mean_over_classes(changes, labels),
        **{name: float(measure(matrices[1]) - measure(matrices[0])) for name, measure in F1_MEASURES.items()},
        mcnemar=mcnemar_of_counts(int((changes > 0).sum()), int((changes < 0).sum())),
    )


def _f1_differences(
    labels: np.ndarray, said: list[np.ndarray], clusters: np.ndarray, p: Mapping[str, float]
) -> dict[str, Estimate]:
    """After minus before, by the measures' names."""
    before, after = (cluster_matrices(labels, each, clusters) for each in said)
    intervals = bootstrap_intervals(F1_MEASURES, after, before)
    return {
        name: Estimate(float(f1(after.sum(axis=0)) - f1(before.sum(axis=0))), intervals[name], p.get(name))
        for name, f1 in F1_MEASURES.items()
    }


def _exchange_tests(tested: Predictions, said: list[np.ndarray]) -> dict[str, float]:
    """The p of UA, `ua`, and of the F1s, over speakers."""
    before, after = (cluster_matrices(tested.label, each, tested.speaker) for each in said)
    return exchange_tests({"ua": mean_recall, **F1_MEASURES}, before, after)


def _said_of_folds(folds: Iterable[list[Predictions]]) -> np.ndarray:
    """What the runs of each fold predict, fold after fold: float64 [utterances, classes], shares of a fold's seeds."""
    return np.concatenate([np.mean([_said(run) for run in runs], axis=0) for runs in folds])


def _said(predictions: Predictions) -> np.ndarray:
    return np.eye(predictions.logits.shape[1])[predictions.logits.argmax(axis=1)]


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
