"""What noise does, as CSV with every grade and as Markdown with the areas."""

from collections.abc import Iterable, Iterator

from tfcr.noise.grades import Grade
from tfcr.report.findings.noise import UA, WA, NoiseFindings, Row, Share, UnderNoise
from tfcr.report.findings.noise_conclusion import noise_comparisons, noise_conclusion
from tfcr.report.findings.sections import Section
from tfcr.report.formatting import percent, percent_interval, points, points_interval
from tfcr.report.tables.csv_tables import PLACE, as_csv, as_percent, place
from tfcr.report.tables.markdown import markdown, markdown_table

_COLUMNS = (
    *(*PLACE, "alpha", "measure", "kind", "level", "unit", "percent", "low", "high"),
    *("minus_baseline", "difference_low", "difference_high", "p", "p_corrected", "comparisons"),
    *("runs", "noise_in", "noise_seed"),
)
_AREA = "area"  # stands in the column `level`
_NOT_TESTED = "There is no noise that all of these runs were tested under; `tfcr evaluate RUN --noise` tests a run."


def noise_csv(sections: Iterable[Section]) -> str:
    """Every measure of every condition at every grade, and the areas with their differences to the baseline."""
    rows = [
        {**place(section, system.condition), "alpha": system.condition.alpha, **row}
        for section in sections
        for findings in section.noise
        for system in findings.systems
        for row in _rows(findings, system)
    ]
    return as_csv(_COLUMNS, rows)


def _rows(findings: NoiseFindings, system: UnderNoise) -> Iterator[dict]:
    made = {"runs": len(system.cells), "noise_in": findings.place, "noise_seed": findings.seed}
    for measure in findings.measures:
        for kind in findings.graded:
            for level in kind.levels:
                grade = {"kind": kind.name, "level": level, "unit": kind.unit}
                yield {**made, "measure": measure, **grade, **_share(system.at(measure, Grade(kind, level).name))}
        for row in findings.rows:
            if row.has_conflicts or measure in (WA, UA):
                of_a_curve = any(kind.is_graded for kind in row.kinds)
                area = {
                    "kind": row.key,
                    "level": _AREA if of_a_curve else "",
                    **_share(system.area(measure, row.kinds)),
                }
                yield {**made, "measure": measure, **area, **_change(findings, system, row, measure)}


def _change(findings: NoiseFindings, system: UnderNoise, row: Row, measure: str) -> dict[str, str]:
    """What a table for programs says of the difference to the baseline; nothing of UA, which no utterance has alone."""
    if system is findings.systems[0] or not findings.first_is_baseline or measure == UA:
        return {}
    found = findings.change(system, row, measure)
    low, high = found.interval or (None, None)
    change = {"minus_baseline": as_percent(found.effect), "p": "" if found.p is None else f"{found.p:.6f}"}
    change |= {"difference_low": as_percent(low), "difference_high": as_percent(high)}
    if measure == WA and row.kinds == findings.graded and found.p is not None:  # what is decided by
        corrected = findings.corrected
        place = findings.pairs.index((findings.systems[0], system))
        change |= {"p_corrected": f"{corrected[place].p:.6f}", "comparisons": str(len(corrected))}
    return change


def _share(share: Share) -> dict[str, str]:
    low, high = share.interval or (None, None)
    return {"percent": as_percent(share.value), "low": as_percent(low), "high": as_percent(high)}


def noise_markdown(sections: Iterable[Section]) -> str:
    """The areas of WA, for a README or a paper's draft; without runs under noise a line that says so."""
    parts = []
    for section in sections:
        for findings in section.noise:
            conditions = [system.condition.name for system in findings.systems]
            header = ["Degradation", *conditions, *(f"Δ {name}" for name in conditions[1:])]
            lines = markdown_table(header, (_markdown_row(findings, row) for row in findings.rows))
            unit = "Area of WA, %, and of no degradation WA; differences to the first, mean over speakers, in points."
            heading = f"### {markdown(section.label)}: {markdown(findings.label)}"
            all_of_them = [f"- {markdown(each)}" for each in noise_comparisons(findings)]
            said = [markdown(noise_conclusion(findings)), *(["", *all_of_them] if len(all_of_them) > 1 else [])]
            parts.append("\n".join([heading, "", unit, "", *lines, "", *said]).rstrip())
    return "\n\n".join(parts or [_NOT_TESTED]) + "\n"


def _markdown_row(findings: NoiseFindings, row: Row) -> list[str]:
    areas = [system.area(WA, row.kinds) for system in findings.systems]
    found = [findings.change(system, row) for system in findings.systems[1:]]
    return [
        row.name,
        *(f"{percent(area.value)} {percent_interval(area.interval)}".strip() for area in areas),
        *(f"{points(each.effect)} {points_interval(each.interval)}".strip() for each in found),
    ]
