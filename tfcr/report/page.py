"""The report as one HTML file that needs nothing else: no script, no address outside it."""

import pathlib
from dataclasses import dataclass

import jinja2
import yaml
from markupsafe import Markup

from tfcr import published
from tfcr.report import tables
from tfcr.report.conditions import Group
from tfcr.report.figures import Drawing
from tfcr.report.results import Result
from tfcr.report.tables import Section

_TEMPLATES = pathlib.Path(__file__).parent / "templates"
_OF_ONE_RUN = {"fold", "seed", "run", "data"}  # settings that are listed with the runs, or name a folder


@dataclass(frozen=True)
class Chapter:
    """A dataset's section with its figures.

    Attributes:
        pairs: confusion matrices of baseline and proposed, side by side.
        singles: those of every other condition.
        curves: None where no run has a history.
    """

    section: Section
    pairs: list[Drawing]
    singles: list[Drawing]
    curves: Drawing | None

    @property
    def drawings(self) -> list[Drawing]:
        """All of them."""
        return [*self.pairs, *self.singles, *([self.curves] if self.curves else [])]


def render_page(chapters: list[Chapter]) -> str:
    """The whole HTML file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "percent": tables.percent,
        "points": tables.points,
        "printed": tables.printed,
        "spread": tables.spread,
        "counted": tables.counted,
        "svg": _inline,
        "yaml": _configuration,
    }
    environment.globals |= {
        "comparability": tables.comparability,
        "is_comparable": tables.is_comparable,
        "folds_and_seeds": tables.folds_and_seeds,
        "warnings_of": tables.warnings_of,
        "printed_cells": printed_cells,
        "published": published,
    }
    return environment.get_template("report.html").render(chapters=chapters, version=_version(chapters))


def printed_cells(results: list[Result]) -> list[dict]:
    """The cells of Fig. 2 that the text prints, with ours where the test set is the same."""
    ours = [result for result in results if tables.is_comparable(result)]
    return [
        {
            "cell": cell,
            "size": published.TEST_SIZES[cell.true],
            "ours": [(result.group.condition, *_cell_of(result, cell)) for result in ours if cell.predicted],
        }
        for cell in published.FIGURE_2
    ]


def _cell_of(result: Result, cell: published.PublishedCell) -> tuple[int, float]:
    emotions = result.group.emotions
    row = result.confusion[emotions.index(cell.true)]
    count = int(row[emotions.index(cell.predicted)])
    return count, count / int(row.sum())


def _inline(drawing: Drawing) -> Markup:
    """The figure inside the page. Its text comes from matplotlib, which escapes it."""
    return Markup(drawing.inline_svg)


def _configuration(group: Group) -> str:
    """The condition's configuration as YAML, without what belongs to a single run."""
    config = next(iter(group.runs.values())).config
    kept = {name: value for name, value in config.items() if name not in _OF_ONE_RUN}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)


def _version(chapters: list[Chapter]) -> str:
    """The versions that trained the runs."""
    runs = [run for chapter in chapters for result in chapter.section.results for run in result.group.runs.values()]
    return ", ".join(sorted({str(run.metrics.get("version", "unknown")) for run in runs}))
