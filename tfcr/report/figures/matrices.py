"""Matrices of classes as coloured tables: confusion (after Fig. 2), and what speech and words say (s_a against s_t)."""

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from tfcr.report.figures.drawing import INK, Drawing, new_figure, saved, styled
from tfcr.report.findings.results import Result

_COLUMNS = 3  # of matrices; more are too small to read
_COLOURS = "Blues"
_NOTHING = "#eeeeee"
_DARK = 0.22  # luminance; about here both texts have a contrast of 4 to 1


def draw_confusions(name: str, title: str, results: list[tuple[str, Result]], caption: str = "") -> Drawing:
    """Confusion matrices side by side, row-normalised on one scale, each cell with its share and count.

    Args:
        results: a heading and a result per matrix; at least one.
    """
    emotions = results[0][1].group.emotions
    with styled():
        figure, axes = _side_by_side(len(results), len(emotions))
        for axis, (heading, result) in zip(axes, results, strict=True):
            sizes = result.confusion.sum(axis=1, keepdims=True)
            shares = np.where(sizes > 0, result.confusion / np.maximum(sizes, 1), np.nan)
            notes = [[f"{count:,}" for count in row] for row in result.confusion]
            _draw_matrix(axis, shares, notes, emotions, scale=1)
            axis.set_title(heading, fontsize=10, parse_math=False)
            axis.set_xlabel("predicted")
        for axis in axes[::_COLUMNS]:
            axis.set_ylabel("true")
        return saved(figure, name, title, caption)


def draw_agreements(name: str, title: str, results: list[tuple[str, Result]], caption: str = "") -> Drawing:
    """What s_a and s_t say, side by side on one scale: shares of all test predictions, and how many of them are right.

    Args:
        results: a heading and a result with conflicts per matrix; at least one.
    """
    emotions = results[0][1].group.emotions
    shares = [result.conflict.agreement / result.predictions for _, result in results]
    with styled():
        figure, axes = _side_by_side(len(results), len(emotions))
        for axis, share, (heading, result) in zip(axes, shares, results, strict=True):
            counts, right = result.conflict.agreement, result.conflict.agreement_right
            notes = [
                [f"{100 * good / count:.0f}% right" if count else "" for count, good in zip(*rows, strict=True)]
                for rows in zip(counts, right, strict=True)
            ]
            _draw_matrix(axis, share, notes, emotions, scale=max(float(each.max()) for each in shares))
            axis.set_title(heading, fontsize=10, parse_math=False)
            axis.set_xlabel("words alone say (argmax $s_t$)")
        for axis in axes[::_COLUMNS]:
            axis.set_ylabel("speech alone says (argmax $s_a$)")
        return saved(figure, name, title, caption)


def _side_by_side(count: int, classes: int):
    side = max(2.6, 0.75 * classes + 0.4)
    columns, rows = min(count, _COLUMNS), -(-count // _COLUMNS)
    figure = new_figure(columns * (side + 0.4) + 0.8, rows * (side + 0.95) + 0.15)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[count:]:
        axis.set_visible(False)
    return figure, axes[:count]


def _draw_matrix(axis: Axes, shares: np.ndarray, notes: list[list[str]], emotions: list[str], scale: float) -> None:
    """Cells coloured from 0 to `scale`, each with its share in percent and a note."""
    colours = matplotlib.colormaps[_COLOURS].with_extremes(bad=_NOTHING)
    edges = np.arange(len(emotions) + 1) - 0.5
    cells = np.ma.masked_invalid(shares)
    axis.pcolormesh(edges, edges, cells, cmap=colours, vmin=0, vmax=scale, edgecolors="white", linewidth=1)
    axis.set(aspect="equal", ylim=(edges[-1], edges[0]))
    for row, column in np.ndindex(shares.shape):
        ink = _ink_on(colours(shares[row, column] / scale)) if scale else INK
        _write_cell(axis, row, column, float(shares[row, column]), notes[row][column], ink)
    ticks = range(len(emotions))
    axis.set_xticks(ticks, emotions, rotation=30, ha="right", rotation_mode="anchor", parse_math=False)
    axis.set_yticks(ticks, emotions, parse_math=False)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _write_cell(axis: Axes, row: int, column: int, share: float, note: str, ink: str) -> None:
    if np.isnan(share):
        if column == 0:
            axis.text(-0.4, row, "no test utterance", va="center", color="#444444", fontsize=8)
        return
    axis.text(column, row - 0.1, f"{100 * share:.1f}", ha="center", va="center", color=ink, fontsize=10)
    axis.text(column, row + 0.24, note, ha="center", va="center", color=ink, fontsize=7)


def _ink_on(colour: tuple[float, float, float, float]) -> str:
    """White or dark text, whichever reads better on a colour, by WCAG 2's relative luminance."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3])
    return "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < _DARK else INK
