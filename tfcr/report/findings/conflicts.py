"""Where speech and words disagree: argmax s_a against argmax s_t (Eq. 2-4), what the paper sets out to reduce.

Pooled over test predictions of all runs: an utterance counts once per seed.
"""

from dataclasses import dataclass

import numpy as np

from tfcr.objectives.metrics import both_name_an_emotion, conflicts
from tfcr.report.findings.conditions import Group
from tfcr.runs import Predictions, Run
from tfcr.statistics import Interval, bootstrap_interval, dialogues, joined


@dataclass(frozen=True)
class Disagreement:
    """Conflicts among some test predictions.

    Attributes:
        predictions, conflicts: counts.
        conflicts_centred: conflicts once each score's training mean is taken away; None where no means are recorded.
        wa_agree, wa_conflict: accuracy of the fused prediction where both agree and where they conflict; None without
            such. A prediction of which one modality says nothing is in neither.
    """

    predictions: int
    conflicts: int
    conflicts_centred: int | None
    wa_agree: float | None
    wa_conflict: float | None

    @property
    def rate(self) -> float | None:
        """The share of conflicts; None without predictions."""
        return self.conflicts / self.predictions if self.predictions else None

    @property
    def rate_centred(self) -> float | None:
        """The share of centred conflicts."""
        known = self.predictions and self.conflicts_centred is not None
        return self.conflicts_centred / self.predictions if known else None


@dataclass(frozen=True)
class Conflict:
    """The conflicts of a condition.

    Attributes:
        overall: of all test predictions.
        interval, interval_centred: of the overall rates, 95 % bootstrap by dialogue (`tfcr.statistics.dialogues`); None
            with too few clusters, or without training means.
        silent: predictions where one modality says nothing: its scores are all equal.
        audio_right, text_right, neither_right: shares of the conflicts; None without conflicts.
        by_emotion: emotion → the conflicts among its utterances.
        agreement: int64 [classes, classes], test predictions by argmax s_a (rows) and argmax s_t (columns), without
            the silent ones.
        agreement_right: of these, those whose fused prediction is right.
    """

    overall: Disagreement
    interval: Interval | None
    interval_centred: Interval | None
    silent: int
    audio_right: float | None
    text_right: float | None
    neither_right: float | None
    by_emotion: dict[str, Disagreement]
    agreement: np.ndarray
    agreement_right: np.ndarray


def find_conflicts(group: Group) -> Conflict | None:
    """The conflicts of a condition; None for a system without both scores."""
    predictions = list(group.predictions.values())
    if any(each.audio_logits is None or each.text_logits is None for each in predictions):
        return None
    label = np.concatenate([each.label for each in predictions])
    right = np.concatenate([each.logits.argmax(axis=1) == each.label for each in predictions])
    audio = np.concatenate([each.audio_logits.argmax(axis=1) for each in predictions])
    text = np.concatenate([each.text_logits.argmax(axis=1) for each in predictions])
    in_conflict = np.concatenate([conflicts(each.audio_logits, each.text_logits) for each in predictions])
    both_named = np.concatenate([both_name_an_emotion(each.audio_logits, each.text_logits) for each in predictions])
    in_conflict_centred = _centred(group)
    clusters = dialogues(joined(predictions)).names
    classes = len(group.emotions)

    def among(chosen: np.ndarray) -> Disagreement:
        centred = None if in_conflict_centred is None else in_conflict_centred[chosen]
        return _disagreement(right[chosen], in_conflict[chosen], (both_named & ~in_conflict)[chosen], centred)

    return Conflict(
        overall=among(np.ones(len(label), bool)),
        interval=bootstrap_interval(in_conflict, clusters),
        interval_centred=None if in_conflict_centred is None else bootstrap_interval(in_conflict_centred, clusters),
        silent=int((~both_named).sum()),
        audio_right=share((audio == label)[in_conflict]),
        text_right=share((text == label)[in_conflict]),
        neither_right=share(((audio != label) & (text != label))[in_conflict]),
        by_emotion={emotion: among(label == k) for k, emotion in enumerate(group.emotions)},
        agreement=_counted(audio[both_named], text[both_named], classes),
        agreement_right=_counted(audio[both_named & right], text[both_named & right], classes),
    )


def share(flags: np.ndarray) -> float | None:
    """The share of flags that are true; None without flags."""
    return float(flags.mean()) if len(flags) else None


def _disagreement(
    right: np.ndarray, in_conflict: np.ndarray, agreed: np.ndarray, in_conflict_centred: np.ndarray | None
) -> Disagreement:
    centred = None if in_conflict_centred is None else int(in_conflict_centred.sum())
    return Disagreement(len(right), int(in_conflict.sum()), centred, share(right[agreed]), share(right[in_conflict]))


def _counted(rows: np.ndarray, columns: np.ndarray, classes: int) -> np.ndarray:
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (rows, columns), 1)
    return counts


def _centred(group: Group) -> np.ndarray | None:
    """Whether each prediction is in conflict once its run's training means are taken away; None if one lacks them."""
    parts = [_centred_of(run, group.predictions[cell]) for cell, run in group.runs.items()]
    return None if any(part is None for part in parts) else np.concatenate(parts)


def _centred_of(run: Run, predictions: Predictions) -> np.ndarray | None:
    means = run.metrics.get("training_means") or {}
    if not {"audio_logits", "text_logits"} <= means.keys():
        return None
    return conflicts(predictions.audio_logits, predictions.text_logits, {name: np.array(means[name]) for name in means})
