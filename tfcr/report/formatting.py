"""Figures and facts in words: what the page, the tables and the terminal share."""

from tfcr import published
from tfcr.report.findings.results import Result, Spread
from tfcr.statistics import Interval

MISSING = "–"


def percent(fraction: float | None, digits: int = 2) -> str:
    """A fraction as a percentage without its sign."""
    return MISSING if fraction is None else f"{100 * fraction:.{digits}f}"


def points(difference: float | None) -> str:
    """A difference of fractions in percentage points, with its sign."""
    if difference is None:
        return MISSING
    text = f"{100 * difference:+.2f}"
    return text.replace("-", "−") if float(text) else "0.00"


def percent_interval(interval: Interval | None) -> str:
    """`[74.10, 78.00]`; nothing where there is none."""
    return "" if interval is None else f"[{percent(interval.low)}, {percent(interval.high)}]"


def points_interval(interval: Interval | None) -> str:
    """`[−0.40, +2.86]`; nothing where there is none."""
    return "" if interval is None else f"[{points(interval.low)}, {points(interval.high)}]"


def p_value(p: float | None) -> str:
    """`0.012`, or `< 0.001`."""
    if p is None:
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def spread(value: Spread | None) -> str:
    """`mean ± deviation` in percent; without ± where there is one fold."""
    if value is None:
        return MISSING
    if value.deviation is None:
        return percent(value.mean)
    return f"{percent(value.mean)} ± {percent(value.deviation)}"


def printed(value: float | None) -> str:
    """A figure as a paper prints it."""
    return MISSING if value is None else str(value)


def counted(number: int, noun: str) -> str:
    """`1 fold`, `2 folds`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def folds_and_seeds(result: Result) -> str:
    """How many folds and seeds, and what is missing from them."""
    group = result.group
    folds, seeds = len(group.folds), len(group.seeds)
    of_all = group.num_folds
    text = f"{folds} of {of_all} folds" if of_all and folds < of_all else counted(folds, "fold")
    text += f" × {counted(seeds, 'seed')}"
    return text if group.is_complete else f"{text}, {len(group.runs)} runs of {folds * seeds}"


def comparability(result: Result) -> str:
    """Whether the paper's figure for the row can be held against ours, and why."""
    condition = result.group.condition
    row = condition.published_row
    if row is None:
        return "no published figure"
    if not row.on_test_set:
        return f"no: published figure is of {row.measured}"
    if result.on_published_test_set:
        if condition.preset == "authors":
            return "yes: same test utterances, the authors' settings"
        return f"test utterances are the same; settings are not (preset {condition.preset})"
    if (
        condition.protocol == published.PROTOCOL
        and published.FOLD in result.group.folds
        and len(result.group.folds) > 1
    ):
        return "no: mean over shifted splits, of which only fold 0 is the published one"
    if condition.protocol == published.PROTOCOL and result.group.folds == [published.FOLD]:
        return "no: other utterances"
    return f"no: other test sets (protocol {condition.protocol})"


def is_comparable(result: Result) -> bool:
    """Whether the paper's figure was measured on the same test utterances."""
    condition = result.group.condition
    row = condition.published_row
    return row is not None and row.on_test_set and result.on_published_test_set
