"""F1 and calibration as rows of plain text: what Markdown and LaTeX share."""

from collections.abc import Iterator

from tfcr.report.findings.sections import Section
from tfcr.report.formatting import percent, percent_interval, spread
from tfcr.statistics import Estimate

HEADER = ("System", "Protocol", "Macro F1", "Weighted F1", "Pooled macro F1", "Pooled weighted F1", "ECE", "ECE scaled")
CLASS_HEADER = ("System", "Protocol", "Measure")  # before the emotions


def measure_rows(section: Section) -> Iterator[list[str]]:
    """A row for every result that Table 1 shows, under `HEADER`, in %."""
    for result in section.main_results:
        condition, pooled = result.group.condition, result.pooled
        yield [
            *(condition.name, condition.protocol, spread(result.macro_f1), spread(result.weighted_f1)),
            *(_pooled(pooled.macro_f1), _pooled(pooled.weighted_f1), spread(result.ece), spread(result.ece_scaled)),
        ]


def class_rows(section: Section) -> Iterator[list[str]]:
    """Three rows for every such result, recall, precision and F1 of each class, under `CLASS_HEADER`, in %."""
    for result in section.main_results:
        condition = result.group.condition
        for name, values in (("recall", result.recall), ("precision", result.precision), ("F1", result.f1)):
            yield [condition.name, condition.protocol, name, *map(percent, values.values())]


def class_header(section: Section) -> list[str]:
    """`CLASS_HEADER` and the emotions."""
    return [*CLASS_HEADER, *section.results[0].group.emotions]


def _pooled(estimate: Estimate) -> str:
    return f"{percent(estimate.value)} {percent_interval(estimate.interval)}".strip()
