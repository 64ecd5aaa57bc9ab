"""Runs into a report: Table 1 beside the paper's, what can be concluded, and figures of it all. No TensorFlow.

`write_report(find_runs(["runs"]), Path("report"))` is all there is to call.
"""

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tfcr import files
from tfcr.report.figures.drawing import Drawing
from tfcr.report.findings.conditions import group_by_condition
from tfcr.report.findings.sections import divide
from tfcr.report.findings.transfers import find_transfers
from tfcr.report.page.chapters import illustrate
from tfcr.report.page.render import render_page
from tfcr.report.tables import cross_corpus, csv_tables, latex, noise_tables
from tfcr.report.tables.markdown import table_1_markdown
from tfcr.report.tables.summary import summary_text
from tfcr.runs import Run

__all__ = ["CrossCorpus", "Report", "write_cross_corpus", "write_report"]

PAGE = "report.html"
FIGURES = "figures"
TABLES = {
    "table1.csv": csv_tables.table_1_csv,
    "table1.md": table_1_markdown,
    "table1.tex": latex.table_1_latex,
    "measures.tex": latex.measures_latex,
    "classes.csv": csv_tables.classes_csv,
    "calibration.csv": csv_tables.calibration_csv,
    "modalities.tex": latex.modalities_latex,
    "alpha.csv": csv_tables.alpha_csv,
    "alpha.tex": latex.alpha_latex,
    "comparison.csv": csv_tables.comparison_csv,
    "confusion.csv": csv_tables.confusion_csv,
    "conflicts.csv": csv_tables.conflicts_csv,
    "noise.csv": noise_tables.noise_csv,
    "noise.md": noise_tables.noise_markdown,
    "agreement.csv": csv_tables.agreement_csv,
}


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        page: the self-contained HTML file.
        tables: CSV, Markdown and LaTeX files.
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
    """Writes `report.html`, the files of `TABLES` and `figures/` into `out`. Equal runs give equal bytes.

    A table without rows is written too: it has its header alone.

    Raises:
        TfcrError: there are no runs, two are the same experiment, their emotions differ, or one contradicts itself.
    """
    out = pathlib.Path(out)
    files.refuse_undecodable(out)
    sections = divide(group_by_condition(runs))
    chapters = illustrate(sections)
    figures = tuple(
        path for chapter in chapters for drawing in chapter.drawings for path in _write_drawing(out / FIGURES, drawing)
    )
    for name, content in TABLES.items():
        files.write_text(out / name, content(sections))
    files.write_text(out / PAGE, render_page(chapters))
    return Report(
        page=out / PAGE,
        tables=tuple(out / name for name in TABLES),
        figures=figures,
        summary=summary_text(sections),
    )


@dataclass(frozen=True)
class CrossCorpus:
    """What was written.

    Attributes:
        tables: CSV, Markdown and LaTeX files.
        summary: plain text for a terminal.
    """

    tables: tuple[pathlib.Path, ...]
    summary: str


def write_cross_corpus(runs_of: Mapping[str, Sequence[Run]], emotions: Sequence[str], out: pathlib.Path) -> CrossCorpus:
    """Writes `cross-corpus.csv`, `.md` and `.tex` into `out`; the arguments are those of `find_transfers`."""
    transfers = find_transfers(runs_of, emotions)
    contents = {
        "cross-corpus.csv": cross_corpus.cross_corpus_csv,
        "cross-corpus.md": cross_corpus.cross_corpus_markdown,
        "cross-corpus.tex": cross_corpus.cross_corpus_latex,
    }
    for name, content in contents.items():
        files.write_text(out / name, content(transfers, emotions))
    return CrossCorpus(tuple(out / name for name in contents), cross_corpus.cross_corpus_text(transfers))


def _write_drawing(folder: pathlib.Path, drawing: Drawing) -> list[pathlib.Path]:
    paths = []
    for suffix, content in (("svg", drawing.svg), ("png", drawing.png)):
        path = folder / f"{drawing.name}.{suffix}"
        with files.written_whole(path) as temporary:
            temporary.write_bytes(content)
        paths.append(path)
    return paths
