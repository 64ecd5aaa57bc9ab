"""Runs into a report: Table 1 beside the paper's, confusion matrices, training curves, conflicts. No TensorFlow.

`write_report(find_runs(["runs"]), Path("report"))` is all there is to call.
"""

import pathlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tfcr import files
from tfcr.report import tables
from tfcr.report.conditions import BASELINE_SYSTEM, Group, group_by_condition
from tfcr.report.figures import Drawing, draw_confusions, draw_curves
from tfcr.report.page import Chapter, render_page
from tfcr.report.results import Result, compare_all, measure
from tfcr.report.tables import Section, proposed_alpha
from tfcr.runs import Run

__all__ = ["Report", "write_report"]

PAGE = "report.html"
TABLE_1_CSV = "table1.csv"
TABLE_1_MARKDOWN = "table1.md"
CONFUSION_CSV = "confusion.csv"
FIGURES = "figures"


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        page: the self-contained HTML file.
        tables: CSV and Markdown files.
        figures: SVG and PNG files.
        summary: plain text for a terminal.
    """

    page: pathlib.Path
    tables: tuple[pathlib.Path, ...]
    figures: tuple[pathlib.Path, ...]
    summary: str

    @property
    def paths(self) -> tuple[pathlib.Path, ...]:
        """Every file, the page first."""
        return self.page, *self.tables, *self.figures


def write_report(runs: Iterable[Run], out: pathlib.Path) -> Report:
    """Writes `report.html`, `table1.csv`, `table1.md`, `confusion.csv` and `figures/` into `out`.

    Equal runs give equal bytes.

    Raises:
        TfcrError: there are no runs, two are the same experiment, their emotions differ, or one contradicts itself.
    """
    out = pathlib.Path(out)
    sections = _sections(group_by_condition(runs))
    chapters = [_chapter(section) for section in sections]
    drawings = [drawing for chapter in chapters for drawing in chapter.drawings]
    contents = {
        TABLE_1_CSV: tables.table_1_csv(sections),
        TABLE_1_MARKDOWN: tables.table_1_markdown(sections),
        CONFUSION_CSV: tables.confusion_csv(sections),
        PAGE: render_page(chapters),
    }
    figures = tuple(path for drawing in drawings for path in _write_drawing(out / FIGURES, drawing))
    for name, content in contents.items():
        files.write_text(out / name, content)
    return Report(
        page=out / PAGE,
        tables=tuple(out / name for name in contents if name != PAGE),
        figures=figures,
        summary=tables.summary_text(sections),
    )


def _sections(groups: list[Group]) -> list[Section]:
    """One section per dataset, in the order of names."""
    by_dataset: dict[str, list[Group]] = {}
    for group in groups:
        by_dataset.setdefault(group.condition.dataset_sha256, []).append(group)
    names = {sha256: _dataset_name(members) for sha256, members in by_dataset.items()}
    labels = _labels(names, {sha256: members[0].condition.preset for sha256, members in by_dataset.items()})
    ordered = sorted(by_dataset, key=lambda sha256: (labels[sha256], sha256))
    return [_section(sha256, names[sha256], labels[sha256], by_dataset[sha256]) for sha256 in ordered]


def _labels(names: dict[str, str], presets: dict[str, str]) -> dict[str, str]:
    """By dataset, the shortest label that tells it from the others: its name, with its preset, or with its hash."""
    for label in (
        names,
        {sha256: f"{name}, preset {presets[sha256]}" for sha256, name in names.items()},
    ):
        if len(set(label.values())) == len(label):
            return label
    return {sha256: f"{name} ({sha256[:12]})" for sha256, name in names.items()}


def _section(sha256: str, name: str, label: str, groups: list[Group]) -> Section:
    metrics = [run.metrics for run in _runs(groups)]
    return Section(
        dataset=name,
        label=label,
        sha256=sha256,
        synthetic=name.startswith("synthetic") or any(each.get("corpus") == "synthetic" for each in metrics),
        transductive=any(each.get("transductive") for each in metrics),
        embeddings=next((each["embeddings"] for each in metrics if each.get("embeddings")), None),
        results=[measure(group) for group in groups],
        differences=compare_all(groups),
    )


def _dataset_name(groups: list[Group]) -> str:
    """The name the runs give their dataset, or the start of its hash."""
    named = sorted({str(run.metrics["dataset"]) for run in _runs(groups) if run.metrics.get("dataset")})
    return named[0] if named else f"dataset {groups[0].condition.dataset_sha256[:8]}"


def _runs(groups: list[Group]) -> Iterator[Run]:
    for group in groups:
        yield from group.runs.values()


def _chapter(section: Section) -> Chapter:
    """A section with its figures: the pairs of Fig. 2 first, then every other condition alone."""
    place = _slug(section.label)
    pairs = _pairs(section.results)
    paired = {id(result) for pair in pairs for result in pair}
    names: set[str] = set()
    return Chapter(
        section=section,
        pairs=[_draw(names, place, section, pair) for pair in pairs],
        singles=[_draw(names, place, section, [result]) for result in section.results if id(result) not in paired],
        curves=draw_curves(
            f"curves-{place}", f"Training curves of every run on {section.label}", [r.group for r in section.results]
        ),
    )


def _pairs(results: list[Result]) -> list[list[Result]]:
    """Baseline and proposed method of one setting: what Fig. 2 shows side by side."""
    settings: dict[tuple, dict[float, Result]] = {}
    for result in results:
        if result.group.condition.system == BASELINE_SYSTEM:
            settings.setdefault(result.group.condition.setting, {})[result.group.condition.alpha] = result
    pairs = []
    for by_alpha in settings.values():
        alpha = proposed_alpha(by_alpha)
        if alpha is not None and 0 in by_alpha:
            pairs.append([by_alpha[0], by_alpha[alpha]])
    return pairs


def _draw(names: set[str], place: str, section: Section, results: list[Result]) -> Drawing:
    condition = results[-1].group.condition
    alpha = "" if len(results) > 1 else f"-a{condition.alpha:g}"
    name = _free_name(names, _slug(f"confusion-{place}-{condition.protocol}-{condition.system}{alpha}"))
    headings = [(result.group.condition.name, result) for result in results]
    title = f"Confusion on {section.label}, protocol {condition.protocol}: " + " and ".join(
        name for name, _ in headings
    )
    return draw_confusions(name, title, headings)


def _free_name(taken: set[str], name: str) -> str:
    free, number = name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    taken.add(free)
    return free


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "dataset"


def _write_drawing(folder: pathlib.Path, drawing: Drawing) -> list[pathlib.Path]:
    paths = []
    for suffix, content in (("svg", drawing.svg), ("png", drawing.png)):
        path = folder / f"{drawing.name}.{suffix}"
        with files.written_whole(path) as temporary:
            temporary.write_bytes(content)
        paths.append(path)
    return paths
