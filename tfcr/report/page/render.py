"""The report as one HTML file that needs nothing else: no script, no address outside it."""

import pathlib
import re
from dataclasses import dataclass

import jinja2
from markupsafe import Markup, escape

from tfcr import published
from tfcr.report import formatting
from tfcr.report.figures.drawing import Drawing
from tfcr.report.findings.conditions import BASELINE_SYSTEM
from tfcr.report.findings.modalities import ua_of
from tfcr.report.findings.noise_conclusion import noise_comparisons, noise_conclusion
from tfcr.report.findings.results import Result
from tfcr.report.findings.sections import Section, Setting
from tfcr.report.page.chapters import Chapter

_TEMPLATES = pathlib.Path(__file__).parent / "templates"


@dataclass(frozen=True)
class PrintedCell:
    """A cell of Fig. 2 that the text prints, and ours: count and size of the true class, None where we have none."""

    cell: published.PublishedCell
    size: int
    baseline: tuple[int, int] | None
    proposed: tuple[int, int] | None


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
        "unbroken": _unbroken,
        "percent": formatting.percent,
        "points": formatting.points,
        "percent_interval": formatting.percent_interval,
        "points_interval": formatting.points_interval,
        "p_value": formatting.p_value,
        "printed": formatting.printed,
        "spread": formatting.spread,
        "counted": formatting.counted,
        "svg": _inline,
        "symbols": _symbols,
    }
    environment.globals |= {
        "comparability": formatting.comparability,
        "is_comparable": formatting.is_comparable,
        "folds_and_seeds": formatting.folds_and_seeds,
        "ua_of": ua_of,
        "noise_comparisons": noise_comparisons,
        "noise_conclusion": noise_conclusion,
        "contents": _contents,
        "printed_cells": printed_cells,
        "figure_2_settings": figure_2_settings,
        "published": published,
    }
    return environment.get_template("report.html").render(chapters=chapters, version=_version(chapters))


def figure_2_settings(section: Section) -> list[Setting | None]:
    """The settings that Fig. 2 can be held beside: those of the paper's own system; [None] if there is none."""
    return [setting for setting in section.settings if setting.condition.system == BASELINE_SYSTEM] or [None]


def printed_cells(setting: Setting | None) -> list[PrintedCell]:
    """The cells of Fig. 2 that the text prints, with ours."""
    return [
        PrintedCell(
            cell,
            published.TEST_SIZES[cell.true],
            _cell_of(setting.baseline if setting else None, cell),
            _cell_of(setting.proposed if setting else None, cell),
        )
        for cell in published.FIGURE_2
    ]


def _contents(chapter: Chapter) -> list[tuple[str, str]]:
    """Anchors and headings of what the chapter has."""
    section = chapter.section
    headings = (
        ("table-1", "Table 1", True),
        ("styles", "Improvised and scripted speech", any(result.styles for result in section.main_results)),
        ("measures", "F1 and calibration", True),
        ("comparison", "What the contrastive term changes", section.differences),
        ("modalities", "What the fusion adds to one modality", section.modalities),
        ("alpha", "The grid over α", section.grids),
        ("confusion", "Confusion matrices", True),
        ("conflicts", "Where speech and words disagree", any(result.conflict for result in section.main_results)),
        ("noise", "What noise does", chapter.noise),
        ("embeddings", "Embeddings", any(each.embeddings for each in chapter.illustrated)),
        ("curves", "Training curves", chapter.curves),
        ("provenance", "What made these figures", True),
    )
    return [(anchor, heading) for anchor, heading, present in headings if present]


def _cell_of(result: Result | None, cell: published.PublishedCell) -> tuple[int, int] | None:
    """Our count and the size of its true class; None where we have none, or the paper does not name the cell."""
    if result is None or not {cell.true, cell.predicted} <= set(result.group.emotions):
        return None
    row = result.confusion[result.group.emotions.index(cell.true)]
    return (int(row[result.group.emotions.index(cell.predicted)]), int(row.sum())) if row.sum() else None


def _inline(drawing: Drawing) -> Markup:
    """The figure inside the page. Its text comes from matplotlib, which escapes it."""
    return Markup(drawing.inline_svg)


def _unbroken(text: str) -> str:
    """A sentence whose lines do not break within `95 %`, `p = 0.04` or `α = 0.1`."""
    return re.sub(r" (?=[%=<])|(?<=[=<]) ", "\N{NO-BREAK SPACE}", text)


def _symbols(text: str) -> Markup:
    """Text with s_a, s_t, e_a and e_t as the paper prints them."""
    return Markup(re.sub(r"\b([se])_([at])\b", r"\1<sub>\2</sub>", str(escape(text))))


def _version(chapters: list[Chapter]) -> str:
    """The versions that trained the runs."""
    runs = [run for chapter in chapters for run in chapter.section.runs]
    return ", ".join(sorted({str(run.metrics.get("version", "unknown")) for run in runs}))
