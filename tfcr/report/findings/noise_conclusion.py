"""What can and cannot be concluded of conditions under noise, in words."""

from tfcr import statistics
from tfcr.report.findings.comparisons import within_a_sentence
from tfcr.report.findings.noise import NoiseFindings, UnderNoise, change, change_of_loss
from tfcr.statistics import GradedComparison
from tfcr.wording import counted


def noise_conclusion(findings: NoiseFindings) -> str:
    """What follows for the regulariser, baseline and method trained alike; else the first pair; empty without any.

    All pairs are looked at together, so their p values are corrected for their number (Holm).
    """
    sentences = noise_comparisons(findings)
    if not sentences:
        return ""
    pairs = findings.pairs
    is_own = [before.condition.noise == after.condition.noise for before, after in pairs]
    primary = sentences[is_own.index(True) if True in is_own else 0]
    opening = f"WA averaged over {counted(len(findings.graded), 'kind')} of degradation at all their grades:"
    heard = findings.systems[0].speakers_were_heard
    limits = statistics.caveats(change(*pairs[0], findings.graded), heard)  # all share their folds and seeds
    return " ".join([opening, primary, *limits])


def noise_comparisons(findings: NoiseFindings) -> list[str]:
    """What each of the pairs shows by the area of WA, in words; without what no comparison here can show."""
    if not findings.graded:
        return []
    return [
        _sentence(findings, *pair, comparison, len(findings.pairs))
        for pair, comparison in zip(findings.pairs, findings.corrected, strict=True)
    ]


def _sentence(
    findings: NoiseFindings, before: UnderNoise, after: UnderNoise, comparison: GradedComparison, tests: int
) -> str:
    """What one comparison shows, without what it does not show; and how much of it is there without noise."""
    first, second = (within_a_sentence(each.condition) for each in (before, after))
    said = statistics.finding(comparison, first, second, tests)
    clean, loss = change(before, after, []), change_of_loss(before, after, findings.graded)
    without = f"Without noise {_more_often(clean)}; noise takes {_more(loss, first)}."
    unheard = findings.unheard if before.condition.noise != after.condition.noise else []
    if not unheard:
        return f"{said} {without}"
    there = _more_often(change(before, after, unheard), with_interval=True)
    return f"{said} {without} Under the {counted(len(unheard), 'kind')} that no training heard {there}."


def _more_often(comparison: GradedComparison, with_interval: bool = False) -> str:
    points = _points(comparison)
    interval = _interval(comparison) if with_interval else ""
    if points == "0.0":
        return f"both are right as often{interval}"
    return f"it is right {points} points {'more' if comparison.effect > 0 else 'less'} often{interval}"


def _more(loss: GradedComparison, first: str) -> str:
    points = _points(loss)
    if points == "0.0":
        return f"as much from both{_interval(loss)}"
    return f"{points} points {'more' if loss.effect > 0 else 'less'} from it than from {first}{_interval(loss)}"


def _points(comparison: GradedComparison) -> str:
    return f"{abs(100 * comparison.effect):.1f}"


def _interval(comparison: GradedComparison) -> str:
    """In brackets, of the mean over speakers; empty where they are too few."""
    interval = comparison.interval
    return "" if interval is None else f" (95 % t interval {statistics.interval_in_words(interval)})"
