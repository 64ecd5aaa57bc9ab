"""What the runs of a condition measured. Fractions from 0 to 1 throughout; formatting is the page's and tables' job."""

import math
import re
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tfcr import published
from tfcr.errors import TfcrError
from tfcr.report.conditions import Cell, Group, differing
from tfcr.runs import Predictions, Run

_IEMOCAP_ID = re.compile(r"Ses0[1-5][FM]_(?P<style>impro|script)")
_STYLES = {"impro": "improvised", "script": "scripted"}


@dataclass(frozen=True)
class Spread:
    """A mean over folds, seeds averaged within each fold first.

    Attributes:
        mean: over folds.
        deviation: sample standard deviation over folds; None with one fold.
        seed_deviation: sample standard deviation over the seeds of a fold (root mean square over folds); None where no
            fold has two seeds.
    """

    mean: float
    deviation: float | None
    seed_deviation: float | None


@dataclass(frozen=True)
class Style:
    """WA and UA of improvised or scripted speech, pooled over test predictions."""

    name: str
    wa: float
    ua: float
    predictions: int


@dataclass(frozen=True)
class Conflict:
    """How often argmax s_a and argmax s_t part (Eq. 2-4), pooled over test predictions.

    Attributes:
        predictions, conflicts: counts.
        wa_agree, wa_conflict: accuracy of the fused prediction where they agree and where not; None without such.
        audio_right, text_right, neither_right: shares of the conflicts; None without conflicts.
    """

    predictions: int
    conflicts: int
    wa_agree: float | None
    wa_conflict: float | None
    audio_right: float | None
    text_right: float | None
    neither_right: float | None

    @property
    def rate(self) -> float:
        """The share of conflicts."""
        return self.conflicts / self.predictions


@dataclass(frozen=True)
class Result:
    """A condition's row of Table 1 and all that belongs to it.

    Attributes:
        confusion: int64 [classes, classes], rows true, summed over the test predictions of all runs.
        recall: per class, pooled; None for a class that no test set holds.
        folds_with_absent: folds whose test part lacks at least one class: their UA is over fewer classes.
    """

    group: Group
    wa: Spread
    ua: Spread
    pooled_wa: float
    pooled_ua: float
    conflict_rate: Spread | None
    conflict_rate_centred: Spread | None
    wa_audio: Spread | None
    wa_text: Spread | None
    confusion: np.ndarray
    recall: Mapping[str, float | None]
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


@dataclass(frozen=True)
class Difference:
    """Proposed minus baseline, on the cells both have.

    Attributes:
        wa, ua: mean differences over folds, seeds averaged within each fold first.
        gained: predictions right in proposed only; `lost` right in baseline only.
        confounds: configuration fields other than alpha in which the two differ.
    """

    baseline: Group
    proposed: Group
    cells: list[Cell]
    wa: float
    ua: float
    gained: int
    lost: int
    predictions: int
    confounds: list[str]


def measure(group: Group) -> Result:
    """Everything Table 1, the figures and the analyses say of a condition.

    Raises:
        TfcrError: a run's metrics.json and predictions.h5 contradict each other.
    """
    confusions = {cell: _confusion(run) for cell, run in group.runs.items()}
    confusion = sum(confusions.values())
    recall = _recall(confusion)
    return Result(
        group=group,
        wa=_over_folds({cell: accuracy(counts) for cell, counts in confusions.items()}),
        ua=_over_folds({cell: unweighted_accuracy(counts) for cell, counts in confusions.items()}),
        pooled_wa=accuracy(confusion),
        pooled_ua=unweighted_accuracy(confusion),
        conflict_rate=_recorded(group, "conflict_rate"),
        conflict_rate_centred=_recorded(group, "conflict_rate_centred"),
        wa_audio=_recorded(group, "wa_audio"),
        wa_text=_recorded(group, "wa_text"),
        confusion=confusion,
        recall=dict(zip(group.emotions, recall, strict=True)),
        folds_with_absent=sorted({fold for (fold, _), counts in confusions.items() if (counts.sum(axis=1) == 0).any()}),
        conflict=_conflict(group),
        styles=_styles(group),
    )


def accuracy(confusion: np.ndarray) -> float:
    """WA: accuracy over utterances."""
    return float(np.trace(confusion) / confusion.sum())


def unweighted_accuracy(confusion: np.ndarray) -> float:
    """UA: mean recall over the classes that occur (Han et al. 2014)."""
    return statistics.fmean(value for value in _recall(confusion) if value is not None)


def compare(baseline: Group, proposed: Group) -> Difference | None:
    """Proposed minus baseline on the folds and seeds both have; None if they share none.

    Raises:
        TfcrError: two runs of the same fold tested different utterances.
    """
    cells = sorted(baseline.runs.keys() & proposed.runs.keys())
    if not cells:
        return None
    wa, ua, gained, lost, predictions = {}, {}, 0, 0, 0
    for cell in cells:
        before, after = baseline.runs[cell], proposed.runs[cell]
        _check_same_utterances(before, after)
        right_before, right_after = _right(before.predictions), _right(after.predictions)
        wa[cell] = accuracy(_confusion(after)) - accuracy(_confusion(before))
        ua[cell] = unweighted_accuracy(_confusion(after)) - unweighted_accuracy(_confusion(before))
        gained += int((right_after & ~right_before).sum())
        lost += int((right_before & ~right_after).sum())
        predictions += len(right_before)
    pairs = [[baseline.runs[cell], proposed.runs[cell]] for cell in cells]
    confounds = {name for pair in pairs for name in differing(pair, ignoring={"alpha", "run", "data", "threads"})}
    return Difference(
        baseline=baseline,
        proposed=proposed,
        cells=cells,
        wa=_over_folds(wa).mean,
        ua=_over_folds(ua).mean,
        gained=gained,
        lost=lost,
        predictions=predictions,
        confounds=sorted(confounds),
    )


def compare_all(groups: list[Group]) -> list[Difference]:
    """Each condition with a contrastive term against the same system without one."""
    baselines = {group.condition.setting: group for group in groups if group.condition.alpha == 0}
    differences = []
    for group in groups:
        baseline = baselines.get(group.condition.setting)
        if group.condition.alpha > 0 and baseline:
            difference = compare(baseline, group)
            if difference:
                differences.append(difference)
    return differences


def _confusion(run: Run) -> np.ndarray:
    """Rows true, columns predicted, from the predictions; they must agree with what metrics.json recorded."""
    classes = len(run.emotions)
    label, logits = run.predictions.label, run.predictions.logits
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


def _recorded(group: Group, name: str) -> Spread | None:
    """A figure of metrics.json over folds; None where the system does not define it."""
    values = {cell: run.metrics["test"].get(name) for cell, run in group.runs.items()}
    return None if any(value is None for value in values.values()) else _over_folds(values)


def _over_folds(values: Mapping[Cell, float]) -> Spread:
    by_fold: dict[int, list[float]] = {}
    for (fold, _), value in values.items():
        by_fold.setdefault(fold, []).append(value)
    means = [statistics.fmean(seeds) for seeds in by_fold.values()]
    variances = [statistics.variance(seeds) for seeds in by_fold.values() if len(seeds) > 1]
    return Spread(
        mean=statistics.fmean(means),
        deviation=statistics.stdev(means) if len(means) > 1 else None,
        seed_deviation=math.sqrt(statistics.fmean(variances)) if variances else None,
    )


def _right(predictions: Predictions) -> np.ndarray:
    return predictions.logits.argmax(axis=1) == predictions.label


def _check_same_utterances(one: Run, other: Run) -> None:
    same_ids = np.array_equal(one.predictions.id, other.predictions.id)
    if not same_ids or not np.array_equal(one.predictions.label, other.predictions.label):
        raise TfcrError(
            f"{one.folder} and {other.folder} name the same dataset and fold but tested different utterances; "
            "`tfcr evaluate` writes their predictions anew"
        )


def _conflict(group: Group) -> Conflict | None:
    predictions = [run.predictions for run in group.runs.values()]
    if any(each.audio_logits is None or each.text_logits is None for each in predictions):
        return None
    label = np.concatenate([each.label for each in predictions])
    right = np.concatenate([_right(each) for each in predictions])
    audio = np.concatenate([each.audio_logits.argmax(axis=1) for each in predictions])
    text = np.concatenate([each.text_logits.argmax(axis=1) for each in predictions])
    parted = audio != text
    return Conflict(
        predictions=len(label),
        conflicts=int(parted.sum()),
        wa_agree=_share(right[~parted]),
        wa_conflict=_share(right[parted]),
        audio_right=_share((audio == label)[parted]),
        text_right=_share((text == label)[parted]),
        neither_right=_share(((audio != label) & (text != label))[parted]),
    )


def _share(flags: np.ndarray) -> float | None:
    return float(flags.mean()) if len(flags) else None


def _styles(group: Group) -> list[Style]:
    """Improvised and scripted speech apart, for IEMOCAP, whose ids say which is which."""
    confusions: dict[str, np.ndarray] = {}
    classes = len(group.emotions)
    for run in group.runs.values():
        predictions = run.predictions
        matches = [_IEMOCAP_ID.match(name) for name in predictions.id]
        if not all(matches):
            return []
        styles = np.array([match["style"] for match in matches])
        for style in _STYLES:
            chosen = styles == style
            counts = confusions.setdefault(style, np.zeros((classes, classes), dtype=np.int64))
            np.add.at(counts, (predictions.label[chosen], predictions.logits[chosen].argmax(axis=1)), 1)
    return [
        Style(_STYLES[style], accuracy(counts), unweighted_accuracy(counts), int(counts.sum()))
        for style, counts in confusions.items()
        if counts.any()
    ]
