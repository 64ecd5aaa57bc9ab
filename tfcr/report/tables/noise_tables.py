"""What noise does, as CSV with every grade and as Markdown with the areas."""

from collections.abc import Iterable, Iterator

from tfcr.noise.grades import CLEAN, Grade
from tfcr.report.findings.noise import ALL_KINDS, WA, NoiseFindings, Share, UnderNoise, noise_rows
from tfcr.report.findings.sections import Section
from tfcr.report.formatting import percent, percent_interval, points, points_interval
from tfcr.report.tables.csv_tables import PLACE, as_csv, as_percent, place
from tfcr.report.tables.markdown import markdown, markdown_table

_COLUMNS = (
    *(*PLACE, "alpha", "measure", "kind", "level", "unit", "percent", "low", "high"),
    *("minus_baseline", "difference_low", "difference_high", "p", "runs", "noise_in", "noise_seed"),
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
    differences = findings.differences_of(system)
    for measure in findings.measures:
        yield {**made, "measure": measure, "kind": CLEAN, **_share(system.at(measure, CLEAN))}
        for kind in findings.kinds:
            for level in kind.levels:
                grade = {"kind": kind.name, "level": level if kind.is_graded else "", "unit": kind.unit}
                yield {**made, "measure": measure, **grade, **_share(system.at(measure, Grade(kind, level).name))}
        areas = {kind.name: [kind] for kind in findings.graded}
        areas |= {ALL_KINDS: findings.graded} if findings.graded else {}
        for name, kinds in areas.items():
            row = {**made, "measure": measure, "kind": name, "level": _AREA, **_share(system.area(measure, kinds))}
            if measure == WA and name in differences:
                found = differences[name]
                low, high = found.interval or (None, None)
                row |= {"minus_baseline": as_percent(found.effect), "p": "" if found.p is None else f"{found.p:.6f}"}
                row |= {"difference_low": as_percent(low), "difference_high": as_percent(high)}
            yield row


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
            lines = markdown_table(header, (_markdown_row(findings, *row) for row in noise_rows(findings)))
            unit = "Area of WA, %; differences to the first, mean over speakers, in percentage points."
            heading = f"### {markdown(section.label)}: {markdown(findings.label)}"
            parts.append("\n".join([heading, "", unit, "", *lines, "", markdown(findings.conclusion)]).rstrip())
    return "\n\n".join(parts or [_NOT_TESTED]) + "\n"


def _markdown_row(findings: NoiseFindings, name: str, kinds: list) -> list[str]:
    areas = [system.area(WA, kinds) for system in findings.systems]
    key = kinds[0].name if len(kinds) == 1 else ALL_KINDS
    found = [findings.differences_of(system)[key] for system in findings.systems[1:]]
    return [
        name,
        *(f"{percent(area.value)} {percent_interval(area.interval)}".strip() for area in areas),
        *(f"{points(each.effect)} {points_interval(each.interval)}".strip() for each in found),
    ]
