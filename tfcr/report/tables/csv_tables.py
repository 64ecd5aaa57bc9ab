"""The report's figures as CSV, one function a file."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from tfcr import published
from tfcr.published import PublishedRow
from tfcr.report.findings.comparisons import Difference
from tfcr.report.findings.conditions import Condition
from tfcr.report.findings.conflicts import Disagreement
from tfcr.report.findings.results import Result, Spread
from tfcr.report.findings.sections import Section, Setting, mixture_of
from tfcr.report.formatting import comparability, is_comparable
from tfcr.statistics import Estimate, Interval

_CHOSEN = "chosen"  # stands in a column `alpha` where each fold has its own

PLACE = ("dataset", "dataset_sha256", "preset", "protocol", "fold_seed", "system")
_TABLE_1 = (
    *("source", *PLACE, "alpha", "name", "wa_percent", "wa_deviation", "ua_percent", "ua_deviation"),
    *("pooled_wa_percent", "pooled_ua_percent", "pooled_wa_low", "pooled_wa_high", "pooled_ua_low", "pooled_ua_high"),
    *("pooled_intervals_over", "wa_seed_deviation", "ua_seed_deviation", "folds", "seeds", "runs", "predictions"),
    *("conflict_percent", "conflict_centred_percent", "wa_audio_percent", "wa_text_percent"),
    *("comparable", "measured", "split", "warning"),
    *("macro_f1_percent", "macro_f1_deviation", "macro_f1_seed_deviation"),
    *("weighted_f1_percent", "weighted_f1_deviation", "weighted_f1_seed_deviation"),
    *("pooled_macro_f1_percent", "pooled_macro_f1_low", "pooled_macro_f1_high"),
    *("pooled_weighted_f1_percent", "pooled_weighted_f1_low", "pooled_weighted_f1_high"),
    *("ece_percent", "ece_scaled_percent"),
)
_ALPHA = (*PLACE, "alpha", "fold", "seeds", "validation_ua_percent", "wa_percent", "ua_percent", "chosen")
_COMPARISON = (
    *(
        *PLACE,
        "system_before",
        "alpha_before",
        "alpha_after",
        "role",
        "measure",
        "unit",
        "estimate",
        "low",
        "high",
        "p",
    ),
    *("clusters", "cluster", "p_clusters", "p_cluster", "gained", "lost", "cells", "also_differ_in"),
)
_CONFLICTS = (
    *(*PLACE, "alpha", "emotion", "predictions", "conflicts", "conflict_percent", "conflict_centred_percent"),
    *("wa_agree_percent", "wa_conflict_percent"),
)


def table_1_csv(sections: Iterable[Section]) -> str:
    """Table 1 with a row per condition, every alpha included, and the paper's rows; percentages with six decimals."""
    rows = [_published_record(row) for row in published.TABLE_1]
    rows += [_measured_record(section, result) for section in sections for result in section.results]
    return as_csv(_TABLE_1, rows)


def alpha_csv(sections: Iterable[Section]) -> str:
    """The grids: a row per alpha and fold with its validation UA, its test figures and whether it was chosen."""
    rows = [row for section in sections for setting in section.grids for row in _alpha_records(section, setting)]
    return as_csv(_ALPHA, rows)


def comparison_csv(sections: Iterable[Section]) -> str:
    """Every comparison, with a baseline or with one modality alone: a row per measure, all in percentage points."""
    rows = [
        place(section, difference.proposed.condition) | measure | _of_difference(difference)
        for section in sections
        for difference in [*section.differences, *(each for some in section.modalities for each in some.differences)]
        for measure in _measures(difference)
    ]
    return as_csv(_COMPARISON, rows)


def conflicts_csv(sections: Iterable[Section]) -> str:
    """Conflicts of every condition, of all predictions and per true emotion."""
    rows = []
    for section in sections:
        for result in section.results:
            if result.conflict:
                parts = {"all": result.conflict.overall, **result.conflict.by_emotion}
                where = place(section, result.group.condition) | {"alpha": _alpha(result.group.condition)}
                rows += [where | _conflict_record(emotion, part) for emotion, part in parts.items()]
    return as_csv(_CONFLICTS, rows)


def agreement_csv(sections: Iterable[Section]) -> str:
    """Every cell of every s_a × s_t matrix: test predictions by the maxima of both scores."""
    header = (*PLACE, "alpha", "audio", "text", "count", "percent", "right_percent")
    return as_csv(
        header, [row for section in sections for result in section.results for row in _agreements(section, result)]
    )


def confusion_csv(sections: Iterable[Section]) -> str:
    """Every cell of every confusion matrix: one row each, pooled over test predictions."""
    header = (*PLACE, "alpha", "true", "predicted", "count", "percent_of_true")
    return as_csv(
        header, [row for section in sections for result in section.results for row in _confusions(section, result)]
    )


def classes_csv(sections: Iterable[Section]) -> str:
    """Recall, precision and F1 of every class of every condition, pooled over test predictions."""
    header = (*PLACE, "alpha", "emotion", "recall_percent", "precision_percent", "f1_percent")
    return as_csv(
        header, [row for section in sections for result in section.results for row in _classes(section, result)]
    )


def calibration_csv(sections: Iterable[Section]) -> str:
    """The reliability diagrams: a row per bin of confidence, before and after each run's temperature."""
    header = (*PLACE, "alpha", "when", "bin", "predictions", "confidence_percent", "right_percent")
    return as_csv(header, [row for section in sections for result in section.results for row in _bins(section, result)])


def _published_record(row: PublishedRow) -> dict:
    return {
        "source": "published",
        "system": row.system,
        "alpha": row.alpha,
        "name": row.name,
        "wa_percent": row.wa,
        "ua_percent": "" if row.ua is None else row.ua,
        "measured": row.measured,
    }


def _measured_record(section: Section, result: Result) -> dict:
    group, condition, pooled = result.group, result.group.condition, result.pooled
    return place(section, condition) | {
        "source": "measured",
        "alpha": _alpha(condition),
        "name": condition.name,
        "wa_percent": as_percent(result.wa.mean),
        "wa_deviation": as_percent(result.wa.deviation),
        "ua_percent": as_percent(result.ua.mean),
        "ua_deviation": as_percent(result.ua.deviation),
        "pooled_wa_percent": as_percent(pooled.wa),
        "pooled_ua_percent": as_percent(pooled.ua),
        **_limits(pooled.wa_interval, "pooled_wa_low", "pooled_wa_high"),
        **_limits(pooled.ua_interval, "pooled_ua_low", "pooled_ua_high"),
        "pooled_intervals_over": f"{pooled.clusters} {pooled.cluster}s" if pooled.wa_interval else "",
        "wa_seed_deviation": as_percent(result.wa.seed_deviation),
        "ua_seed_deviation": as_percent(result.ua.seed_deviation),
        "folds": len(group.folds),
        "seeds": len(group.seeds),
        "runs": len(group.runs),
        "predictions": result.predictions,
        "conflict_percent": _mean(result.conflict_rate),
        "conflict_centred_percent": _mean(result.conflict_rate_centred),
        "wa_audio_percent": _mean(result.wa_audio),
        "wa_text_percent": _mean(result.wa_text),
        "comparable": "yes" if is_comparable(result) else "no",
        "measured": comparability(result),
        "split": group.split,
        "warning": mixture_of(result) or "",
        **_f1_record("macro_f1", result.macro_f1, pooled.macro_f1),
        **_f1_record("weighted_f1", result.weighted_f1, pooled.weighted_f1),
        "ece_percent": as_percent(result.ece.mean),
        "ece_scaled_percent": _mean(result.ece_scaled),
    }


def _f1_record(name: str, spread: Spread, pooled: Estimate) -> dict[str, str]:
    return {
        f"{name}_percent": as_percent(spread.mean),
        f"{name}_deviation": as_percent(spread.deviation),
        f"{name}_seed_deviation": as_percent(spread.seed_deviation),
        f"pooled_{name}_percent": as_percent(pooled.value),
        **_limits(pooled.interval, f"pooled_{name}_low", f"pooled_{name}_high"),
    }


def _alpha_records(section: Section, setting: Setting) -> Iterator[dict]:
    choices = {choice.fold: choice for choice in setting.choices}
    for result in setting.results:
        alpha = result.group.condition.alpha
        for fold in result.group.folds:
            runs = [run for (each, _), run in result.group.runs.items() if each == fold]
            choice = choices.get(fold)
            yield place(section, result.group.condition) | {
                "alpha": alpha,
                "fold": fold,
                "seeds": len(runs),
                "validation_ua_percent": as_percent(choice.validation_ua.get(alpha)) if choice else "",
                "wa_percent": as_percent(result.wa.by_fold[fold]),
                "ua_percent": as_percent(result.ua.by_fold[fold]),
                "chosen": "yes" if choice and choice.alpha == alpha else "no",
            }


def _measures(difference: Difference) -> Iterator[dict]:
    c = difference.comparison
    speakers = len(c.by_speaker)  # over whom every p is, whatever an interval is over
    over_speakers, over_dialogues = (
        {"clusters": count, "cluster": name} for count, name in ((speakers, "speaker"), (c.clusters, c.cluster))
    )
    yield _estimate("WA, mean over speakers", c.effect, c.interval) | over_speakers | _p(c.p, speakers)
    yield _estimate("WA, pooled", c.wa, c.wa_interval) | over_dialogues
    yield _estimate("UA, pooled", c.ua, c.ua_interval) | over_dialogues | _p(c.ua_p, speakers)
    for name, f1 in (("macro F1, pooled", c.macro_f1), ("weighted F1, pooled", c.weighted_f1)):
        yield _estimate(name, f1.value, f1.interval) | over_dialogues | _p(f1.p, speakers)
    for each in c.by_seed:
        yield {
            **_estimate(f"WA of seed {each.seed}, conditional on its trained models (McNemar)", each.wa, None),
            "p": f"{each.mcnemar.p:.6f}",
            "p_clusters": each.utterances,
            "p_cluster": "utterance",
            "gained": each.mcnemar.gained,
            "lost": each.mcnemar.lost,
        }


def _estimate(measure: str, value: float, interval: Interval | None) -> dict:
    limits = _limits(interval, "low", "high")
    return {"measure": measure, "unit": "percentage points", "estimate": as_percent(value), **limits}


def _p(p: float | None, speakers: int) -> dict:
    return {} if p is None else {"p": f"{p:.6f}", "p_clusters": speakers, "p_cluster": "speaker"}


def _of_difference(difference: Difference) -> dict:
    return {
        "system_before": _system(difference.baseline.condition),
        "alpha_before": difference.baseline.condition.alpha,
        "alpha_after": _alpha(difference.proposed.condition),
        "role": difference.role,
        "cells": len(difference.comparison.cells),
        "also_differ_in": " ".join(difference.confounds),
    }


def _conflict_record(emotion: str, part: Disagreement) -> dict:
    return {
        "emotion": emotion,
        "predictions": part.predictions,
        "conflicts": part.conflicts,
        "conflict_percent": as_percent(part.rate),
        "conflict_centred_percent": as_percent(part.rate_centred),
        "wa_agree_percent": as_percent(part.wa_agree),
        "wa_conflict_percent": as_percent(part.wa_conflict),
    }


def _agreements(section: Section, result: Result) -> Iterator[dict]:
    if not result.conflict:
        return
    counts, right = result.conflict.agreement, result.conflict.agreement_right
    for row, audio in enumerate(result.group.emotions):
        for column, text in enumerate(result.group.emotions):
            count = int(counts[row, column])
            yield place(section, result.group.condition) | {
                "alpha": _alpha(result.group.condition),
                "audio": audio,
                "text": text,
                "count": count,
                "percent": as_percent(count / result.predictions),
                "right_percent": as_percent(int(right[row, column]) / count) if count else "",
            }


def _classes(section: Section, result: Result) -> Iterator[dict]:
    for emotion in result.group.emotions:
        yield place(section, result.group.condition) | {
            "alpha": _alpha(result.group.condition),
            "emotion": emotion,
            "recall_percent": as_percent(result.recall[emotion]),
            "precision_percent": as_percent(result.precision[emotion]),
            "f1_percent": as_percent(result.f1[emotion]),
        }


def _bins(section: Section, result: Result) -> Iterator[dict]:
    for when, found in (("before", result.calibration.before), ("after", result.calibration.after)):
        bins = zip(found.count, found.confidence, found.accuracy, strict=True) if found else ()
        for number, (count, confidence, right) in enumerate(bins, start=1):
            yield place(section, result.group.condition) | {
                "alpha": _alpha(result.group.condition),
                "when": when,
                "bin": number,
                "predictions": count,
                "confidence_percent": as_percent(confidence if count else None),
                "right_percent": as_percent(right if count else None),
            }


def _confusions(section: Section, result: Result) -> Iterator[dict]:
    emotions = result.group.emotions
    for true, counts in zip(emotions, result.confusion.tolist(), strict=True):
        for predicted, count in zip(emotions, counts, strict=True):
            yield place(section, result.group.condition) | {
                "alpha": _alpha(result.group.condition),
                "true": true,
                "predicted": predicted,
                "count": count,
                "percent_of_true": as_percent(count / sum(counts)) if sum(counts) else "",
            }


def place(section: Section, condition: Condition) -> dict:
    return {
        "dataset": section.dataset,
        "dataset_sha256": section.sha256,
        "preset": condition.preset,
        "protocol": condition.protocol,
        "fold_seed": condition.fold_seed,
        "system": _system(condition),
    }


def _system(condition: Condition) -> str:
    return condition.system + condition.trained


def _alpha(condition: Condition) -> float | str:
    return _CHOSEN if condition.alpha is None else condition.alpha


def _limits(interval: Interval | None, low: str, high: str) -> dict[str, str]:
    return {} if interval is None else {low: as_percent(interval.low), high: as_percent(interval.high)}


def as_percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{100 * fraction:.6f}"


def _mean(value: Spread | None) -> str:
    return "" if value is None else as_percent(value.mean)


def as_csv(header: Sequence[str], rows: Iterable[dict]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, header, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
