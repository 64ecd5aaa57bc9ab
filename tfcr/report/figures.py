"""The report's figures: confusion matrices (after Fig. 2) and training curves. Equal runs give equal bytes."""

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tfcr.report.conditions import Group
from tfcr.report.results import Result
from tfcr.runs import HISTORY, Run

_STYLE = {
    "svg.hashsalt": "tfcr",
    "svg.fonttype": "none",  # text stays text: selectable, and in any script the reader's fonts know
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_BLUE, _ORANGE, _GREY = "#1f5fa8", "#c2571a", "#8a8a8a"
_DARK_CELL = 55  # percent from which white text reads better on the colour map


@dataclass(frozen=True)
class Drawing:
    """A figure in both formats.

    Attributes:
        name: its file name without suffix.
        title: what it shows, for readers who cannot see it.
        svg, png: the files' bytes.
    """

    name: str
    title: str
    svg: bytes
    png: bytes

    @property
    def inline_svg(self) -> str:
        """The SVG for the inside of an HTML page: no prolog, no comments, ids of its own."""
        text = self.svg.decode("utf-8")
        text = re.sub(r"<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        prefix = re.sub(r"[^a-z0-9]+", "-", self.name)
        text = re.sub(r' id="', f' id="{prefix}-', text)
        text = re.sub(r'href="#', f'href="#{prefix}-', text)
        return re.sub(r"url\(#", f"url(#{prefix}-", text)


def draw_confusions(name: str, title: str, results: list[tuple[str, Result]]) -> Drawing:
    """Confusion matrices side by side, row-normalised on one scale, each cell with its share and count.

    Args:
        results: a heading and a result per matrix; at least one.
    """
    emotions = results[0][1].group.emotions
    side = max(2.6, 0.75 * len(emotions) + 0.4)
    with matplotlib.rc_context(_STYLE):
        figure = _figure(len(results) * (side + 0.4) + 0.8, side + 1.4)
        axes = figure.subplots(1, len(results), squeeze=False, sharey=True)[0]
        for axis, (heading, result) in zip(axes, results, strict=True):
            _draw_matrix(axis, result.confusion, emotions)
            protocol = result.group.condition.protocol
            axis.set_title(f"{heading}\nprotocol {protocol}", fontsize=10, parse_math=False)
            axis.set_xlabel("predicted")
        axes[0].set_ylabel("true")
        return _saved(figure, name, title)


def draw_curves(name: str, title: str, groups: list[Group]) -> Drawing | None:
    """Loss and validation UA by epoch: a row per condition, a light line per run, a dot at the epoch that was kept.

    None where no run has a history.
    """
    groups = [group for group in groups if any(_has_history(run) for run in group.runs.values())]
    if not groups:
        return None
    with matplotlib.rc_context(_STYLE):
        figure = _figure(8.4, 2.3 * len(groups) + 0.7)
        rows = figure.subplots(len(groups), 2, squeeze=False)
        for (loss, ua), group in zip(rows, groups, strict=True):
            _draw_runs(loss, ua, group)
        for loss, ua in rows[-1:]:
            loss.set_xlabel("epoch")
            ua.set_xlabel("epoch")
        rows[0][0].legend(loc="upper right", frameon=False, fontsize=8)
        return _saved(figure, name, title)


def _draw_matrix(axis: Axes, confusion: np.ndarray, emotions: list[str]) -> None:
    sizes = confusion.sum(axis=1, keepdims=True)
    percent = np.where(sizes > 0, 100 * confusion / np.maximum(sizes, 1), np.nan)
    colours = matplotlib.colormaps["Blues"].with_extremes(bad="#eeeeee")
    edges = np.arange(len(emotions) + 1) - 0.5
    cells = np.ma.masked_invalid(percent)
    axis.pcolormesh(edges, edges, cells, cmap=colours, vmin=0, vmax=100, edgecolors="white", linewidth=1)
    axis.set(aspect="equal", ylim=(edges[-1], edges[0]))
    for row, column in np.ndindex(confusion.shape):
        _write_cell(axis, row, column, percent[row, column], int(confusion[row, column]))
    ticks = range(len(emotions))
    axis.set_xticks(ticks, emotions, rotation=30, ha="right", rotation_mode="anchor", parse_math=False)
    axis.set_yticks(ticks, emotions, parse_math=False)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _write_cell(axis: Axes, row: int, column: int, percent: float, count: int) -> None:
    if np.isnan(percent):
        if column == 0:
            axis.text(-0.4, row, "no test utterance", va="center", color="#444444", fontsize=8)
        return
    colour = "white" if percent >= _DARK_CELL else "#1a1a1a"
    axis.text(column, row - 0.1, f"{percent:.1f}", ha="center", va="center", color=colour, fontsize=10)
    axis.text(column, row + 0.24, f"{count:,}", ha="center", va="center", color=colour, fontsize=7)


def _draw_runs(loss: Axes, ua: Axes, group: Group) -> None:
    strength = max(0.25, min(0.9, 3 / len(group.runs)))
    labels = {"loss": "training", "val_loss": "validation"}
    for run in filter(_has_history, group.runs.values()):
        history = run.history
        for column, colour in (("loss", _BLUE), ("val_loss", _ORANGE)):
            if _has_column(history, column):
                label = labels.pop(column, None)
                _draw_line(loss, history, lambda row, c=column: row[c], colour, strength, label)
        if _has_column(history, "val_ua"):
            _draw_line(ua, history, lambda row: 100 * row["val_ua"], _ORANGE, strength)
            _mark_kept_epoch(ua, run)
    count = len(group.runs)
    loss.set_title(
        f"{group.condition.name}, {group.condition.protocol}: {count} run{'s' * (count > 1)}",
        fontsize=9,
        loc="left",
        parse_math=False,
    )
    loss.set_ylabel("loss")
    ua.set_ylabel("validation UA, %")
    for axis in (loss, ua):
        axis.grid(alpha=0.25, linewidth=0.5)
        axis.xaxis.get_major_locator().set_params(integer=True)


def _draw_line(
    axis: Axes, history: list[dict[str, float]], value: Callable, colour: str, strength: float, label: str | None = None
) -> None:
    epochs = [_epoch(row, index) for index, row in enumerate(history)]
    marker = "o" if len(history) == 1 else None  # a line of one point is invisible
    axis.plot(
        epochs,
        [value(row) for row in history],
        color=colour,
        alpha=strength,
        linewidth=1.2,
        marker=marker,
        markersize=3,
        label=label,
    )


def _mark_kept_epoch(axis: Axes, run: Run) -> None:
    kept = run.metrics.get("best_epoch")
    for index, row in enumerate(run.history):
        if kept is not None and _epoch(row, index) == kept:
            axis.plot([kept], [100 * row["val_ua"]], "o", color="#1a1a1a", markersize=3.5, zorder=3)


def _epoch(row: dict[str, float], index: int) -> float:
    return row.get("epoch", index + 1)


def _has_history(run: Run) -> bool:
    return (run.folder / HISTORY).is_file() and bool(run.history)


def _has_column(history: list[dict[str, float]], name: str) -> bool:
    return all(name in row for row in history)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)
    FigureCanvasAgg(figure)
    return figure


def _saved(figure: Figure, name: str, title: str) -> Drawing:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the SVG keeps the letter; the PNG shows a box
        svg, png = io.BytesIO(), io.BytesIO()
        figure.savefig(svg, format="svg", metadata=_NO_METADATA)
        figure.savefig(png, format="png", dpi=160, metadata={"Software": None})
    return Drawing(name, title, svg.getvalue(), png.getvalue())
