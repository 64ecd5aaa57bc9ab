"""The report in plain text, for a terminal."""

import textwrap
from collections.abc import Iterable

from tfcr.report.findings.comparisons import Difference
from tfcr.report.findings.results import Result
from tfcr.report.findings.sections import Section
from tfcr.report.formatting import (
    MISSING,
    counted,
    folds_and_seeds,
    is_comparable,
    points,
    points_interval,
    printed,
    spread,
)
from tfcr.report.tables.modality_rows import modality_conclusions

_TERMINAL_WIDTH = 100


def summary_text(sections: Iterable[Section]) -> str:
    """For the terminal: our rows beside the paper's, then what can be concluded, and warnings."""
    return "\n\n".join(_section_text(section) for section in sections)


def _section_text(section: Section) -> str:
    remarks = [_difference_text(difference) for setting in section.settings for difference in setting.named]
    remarks += conclusions_of(section)
    if not any(is_comparable(result) for result in section.results):
        remarks.append("None of the paper's figures was measured on these test sets.")
    remarks += section.warnings
    wrapped = [textwrap.fill(remark, _TERMINAL_WIDTH, subsequent_indent="  ") for remark in remarks]
    return "\n".join([section.label, *_summary_table(section), *wrapped])


def _summary_table(section: Section) -> list[str]:
    rows = [("", "WA, %", "UA, %", "paper WA / UA", "")]
    for row, results in section.rows:
        paper = f"{printed(row.wa)} / {printed(row.ua)}" if row else MISSING
        rows += [_summary_row(result, paper) for result in results]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        f"{name:<{widths[0]}}  {wa:>{widths[1]}}  {ua:>{widths[2]}}  {paper:>{widths[3]}}  {place}".rstrip()
        for name, wa, ua, paper, place in rows
    ]


def _summary_row(result: Result, paper: str) -> tuple[str, str, str, str, str]:
    condition = result.group.condition
    place = f"{condition.protocol}, {folds_and_seeds(result)}"
    return condition.name, spread(result.wa), spread(result.ua), paper, place


def _difference_text(difference: Difference) -> str:
    c = difference.comparison
    figures = (
        f"WA {points(c.wa)} {points_interval(c.wa_interval)}",
        f"UA {points(c.ua)} {points_interval(c.ua_interval)}",
    )
    return (
        f"{difference.proposed.condition.name} − {difference.baseline.condition.name} "
        f"({difference.proposed.condition.protocol}, {counted(len(c.cells), 'run')} each): "
        f"{', '.join(figure.strip() for figure in figures)} points."
        + (f" Besides alpha, the two differ in {', '.join(difference.confounds)}." if difference.confounds else "")
    )


def conclusions_of(section: Section) -> list[str]:
    """The primary comparison of every setting in words, and what fusions add to the better modality."""
    many = len(section.settings) > 1
    primary = [setting for setting in section.settings if setting.primary]
    return [
        f"{setting.label}: {setting.primary.conclusion}" if many else setting.primary.conclusion for setting in primary
    ] + modality_conclusions(section)
