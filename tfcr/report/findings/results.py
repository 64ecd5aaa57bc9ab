"""What the runs of a condition measured. Fractions from 0 to 1 throughout; formatting is the page's and tables' job."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tfcr import published
from tfcr.errors import TfcrError
from tfcr.objectives.confusions import f1s, macro_f1, precisions, weighted_f1
from tfcr.protocols.subsets import STYLES, style_of
from tfcr.report.findings.calibration import Calibration, find_calibration
from tfcr.report.findings.conditions import Cell, Group
from tfcr.report.findings.conflicts import Conflict, find_conflicts
from tfcr.runs import Predictions, Run
from tfcr.statistics import Interval, Pooled, pool, t_interval


@dataclass(frozen=True)
class Spread:
    """A mean over folds, seeds averaged within each fold first.

    Attributes:
        mean: over folds.
        deviation: sample standard deviation over folds; None with one fold.
        seed_deviation: sample standard deviation over the seeds of a fold (root mean square over folds); None where no
            fold has two seeds.
        by_fold: fold → mean over its seeds.
    """

    mean: float
    deviation: float | None
    seed_deviation: float | None
    by_fold: Mapping[int, float] = field(repr=False)

    @property
    def interval(self) -> Interval | None:
        """95 % t interval of the mean over folds; None with one fold. Folds share training data: it is too narrow."""
        return t_interval(np.array(list(self.by_fold.values())))


@dataclass(frozen=True)
class Style:
    """WA and UA of improvised or scripted speech, pooled over test predictions."""

    name: str
    wa: float
    ua: float
    predictions: int


@dataclass(frozen=True)
class Result:
    """A condition's row of Table 1 and all that belongs to it.

    Attributes:
        macro_f1, weighted_f1: computed from each run's confusion matrix, for older runs recorded no F1.
        pooled: WA, UA and F1 over the test utterances of all folds, each a mean over its fold's seeds, with intervals.
        confusion: int64 [classes, classes], rows true, summed over the test predictions of all runs.
        recall, precision, f1: per class, of `confusion`; recall and F1 are None for a class that no test set holds,
            precision for one that is never predicted.
        ece, ece_scaled: expected calibration error of each run, before and after its temperature.
        folds_with_absent: folds whose test part lacks at least one class: their UA is over fewer classes.
    """

    group: Group
    wa: Spread
    ua: Spread
    macro_f1: Spread
    weighted_f1: Spread
    pooled: Pooled
    conflict_rate: Spread | None
    conflict_rate_centred: Spread | None
    wa_audio: Spread | None
    wa_text: Spread | None
    confusion: np.ndarray
    recall: Mapping[str, float | None]
    precision: Mapping[str, float | None]
    f1: Mapping[str, float | None]
    calibration: Calibration
    ece: Spread
    ece_scaled: Spread | None
    folds_with_absent: list[int]
    conflict: Conflict | None
    styles: list[Style]

    @property
    def absent(self) -> list[str]:
        """Classes that no test set of the condition holds."""
        return [emotion for emotion, value in self.recall.items() if value is None]

    @property
    def predictions(self) -> int:
        """Test predictions over all runs: an utterance counts once per seed."""
        return int(self.confusion.sum())

    @property
    def on_published_test_set(self) -> bool:
        """Whether the only test set is that of Table 1: its protocol and fold, with its class sizes."""
        condition = self.group.condition
        if condition.protocol != published.PROTOCOL or self.group.folds != [published.FOLD]:
            return False
        sizes = self.confusion.sum(axis=1) / len(self.group.runs)
        return dict(zip(self.group.emotions, sizes.tolist(), strict=True)) == dict(published.TEST_SIZES)


def measure(group: Group) -> Result:
    """Everything Table 1, the figures and the analyses say of a condition.

    Raises:
        TfcrError: a run's metrics.json and predictions.h5 contradict each other.
    """
    confusions = {cell: _confusion(run, group.predictions[cell]) for cell, run in group.runs.items()}
    confusion = np.sum(list(confusions.values()), axis=0)
    recall = _recall(confusion)
    calibration = find_calibration(group)
    return Result(
        group=group,
        wa=over_folds({cell: accuracy(counts) for cell, counts in confusions.items()}),
        ua=over_folds({cell: unweighted_accuracy(counts) for cell, counts in confusions.items()}),
        macro_f1=over_folds({cell: float(macro_f1(counts)) for cell, counts in confusions.items()}),
        weighted_f1=over_folds({cell: float(weighted_f1(counts)) for cell, counts in confusions.items()}),
        pooled=pool(group.predictions),
        conflict_rate=recorded(group, "conflict_rate"),
        conflict_rate_centred=recorded(group, "conflict_rate_centred"),
        wa_audio=recorded(group, "wa_audio"),
        wa_text=recorded(group, "wa_text"),
        confusion=confusion,
        recall=dict(zip(group.emotions, recall, strict=True)),
        precision=_by_class(group, precisions(confusion)),
        f1=_by_class(group, f1s(confusion)),
        calibration=calibration,
        ece=over_folds(calibration.errors),
        ece_scaled=None if calibration.errors_scaled is None else over_folds(calibration.errors_scaled),
        folds_with_absent=sorted({fold for (fold, _), counts in confusions.items() if (counts.sum(axis=1) == 0).any()}),
        conflict=find_conflicts(group),
        styles=_styles(group),
    )


def accuracy(confusion: np.ndarray) -> float:
    """WA: accuracy over utterances."""
    return float(np.trace(confusion) / confusion.sum())


def unweighted_accuracy(confusion: np.ndarray) -> float:
    """UA: mean recall over the classes that occur (Han et al. 2014)."""
    return statistics.fmean(value for value in _recall(confusion) if value is not None)


def _confusion(run: Run, predictions: Predictions) -> np.ndarray:
    """Rows true, columns predicted, from the predictions; they must agree with what metrics.json recorded."""
    classes = len(run.emotions)
    label, logits = predictions.label, predictions.logits
    if len(label) == 0 or logits.shape != (len(label), classes) or label.min() < 0 or label.max() >= classes:
        raise TfcrError(
            f"predictions.h5 of {run.folder} does not fit its {classes} emotions (labels {label.shape}, logits "
            f"{logits.shape}); `tfcr evaluate` writes it anew"
        )
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (label, logits.argmax(axis=1)), 1)
    recorded = run.metrics["test"].get("confusion")
    if recorded is not None and not np.array_equal(recorded, confusion):
        raise TfcrError(
            f"metrics.json and predictions.h5 of {run.folder} have different confusion matrices; "
            "train the run again in another folder"
        )
    return confusion


def _recall(confusion: np.ndarray) -> list[float | None]:
    return [float(row[k] / row.sum()) if row.sum() else None for k, row in enumerate(confusion)]


def _by_class(group: Group, values: np.ndarray) -> dict[str, float | None]:
    """Emotion → value; None for NaN."""
    return {name: None if np.isnan(value) else float(value) for name, value in zip(group.emotions, values, strict=True)}


def recorded(group: Group, name: str) -> Spread | None:
    """A figure of metrics.json over folds; None where the system does not define it."""
    values = {cell: run.metrics["test"].get(name) for cell, run in group.runs.items()}
    return None if any(value is None for value in values.values()) else over_folds(values)


def over_folds(values: Mapping[Cell, float]) -> Spread:
    by_fold: dict[int, list[float]] = {}
    for (fold, _), value in values.items():
        by_fold.setdefault(fold, []).append(value)
    means = {fold: statistics.fmean(seeds) for fold, seeds in by_fold.items()}
    variances = [statistics.variance(seeds) for seeds in by_fold.values() if len(seeds) > 1]
    return Spread(
        mean=statistics.fmean(means.values()),
        deviation=statistics.stdev(means.values()) if len(means) > 1 else None,
        seed_deviation=math.sqrt(statistics.fmean(variances)) if variances else None,
        by_fold=means,
    )


def _styles(group: Group) -> list[Style]:
    """Improvised and scripted speech apart, for IEMOCAP, whose ids say which is which."""
    confusions: dict[str, np.ndarray] = {}
    classes = len(group.emotions)
    for predictions in group.predictions.values():
        styles = np.array([style_of(name) or "" for name in predictions.id])
        if not styles.all():
            return []
        for style in STYLES.values():
            chosen = styles == style
            counts = confusions.setdefault(style, np.zeros((classes, classes), dtype=np.int64))
            np.add.at(counts, (predictions.label[chosen], predictions.logits[chosen].argmax(axis=1)), 1)
    return [
        Style(style, accuracy(counts), unweighted_accuracy(counts), int(counts.sum()))
        for style, counts in confusions.items()
        if counts.any()
    ]
