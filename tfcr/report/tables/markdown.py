"""Table 1 in Markdown, for a README or a paper's draft."""

import html
from collections.abc import Iterable, Sequence

from tfcr.report.findings.results import Result
from tfcr.report.findings.sections import Section
from tfcr.report.formatting import MISSING, comparability, folds_and_seeds, percent, printed, spread
from tfcr.report.tables import measure_rows
from tfcr.report.tables.modality_rows import HEADER, MODALITIES, modality_rows
from tfcr.report.tables.summary import conclusions_of


def table_1_markdown(sections: Iterable[Section]) -> str:
    """Table 1 for a README or a paper's draft."""
    header = ["System", "Source", "WA, %", "UA, %", "Pooled WA", "Pooled UA", "Conflicts, %", "Folds", "Comparable"]
    parts = []
    for section in sections:
        rows = []
        for row, results in section.rows:
            if row:
                figures = [printed(row.wa), printed(row.ua)] + [MISSING] * 3
                rows.append([row.name, "published", *figures, row.measured, MISSING])
            rows += [_markdown_row(result) for result in results]
        warnings = [line for warning in section.warnings for line in (f"> {markdown(warning)}", "")]
        conclusions = [line for each in conclusions_of(section) for line in ("", markdown(each))]
        lines = markdown_table(header, rows)
        beside = ["", MODALITIES, "", *markdown_table(HEADER, modality_rows(section))] if section.modalities else []
        measures = [
            *("", "F1, and expected calibration error (ECE) before and after one temperature, in %:", ""),
            *markdown_table(measure_rows.HEADER, measure_rows.measure_rows(section)),
            *("", *markdown_table(measure_rows.class_header(section), measure_rows.class_rows(section))),
        ]
        heading = [f"### {markdown(section.label)}", ""]
        parts.append("\n".join([*heading, *warnings, *lines, *measures, *beside, *conclusions]))
    return "\n\n".join(parts) + "\n"


def _markdown_row(result: Result) -> list[str]:
    condition = result.group.condition
    return [
        condition.name,
        f"ours, {condition.preset}, {condition.protocol}",
        spread(result.wa),
        spread(result.ua),
        percent(result.pooled.wa),
        percent(result.pooled.ua),
        spread(result.conflict_rate),
        folds_and_seeds(result),
        comparability(result),
    ]


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table of plain text."""
    return [_markdown_line(cells) for cells in (header, ["---"] * len(header), *rows)]


def _markdown_line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(markdown(cell) for cell in cells) + " |"


def markdown(text: str) -> str:
    escaped = html.escape(text.replace("\\", "\\\\"), quote=False).replace("|", "\\|")
    return " ".join(escaped.split())
