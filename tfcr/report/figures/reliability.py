"""Reliability diagrams: how often predictions of some confidence are right, before and after the temperature."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from tfcr.objectives.calibration import BINS, Reliability
from tfcr.report.figures.drawing import BLUE, GREY, ORANGE, Drawing, light_grid, new_figure, saved, styled
from tfcr.report.findings.results import Result

CAPTION = (
    "Reliability of the test predictions of all runs (an utterance counts once per seed), by their confidence, the "
    f"probability of the class that is predicted, in {BINS} bins of equal width: a dot is a bin, at its mean "
    "confidence and the share of it that is right. On the dashed line probabilities are true; below it a model is too "
    "sure. Grey bars show how many of the predictions each bin holds before. After: each run's scores divided by one "
    "temperature, fitted on its validation part."
)


def draw_reliability(name: str, title: str, panels: Sequence[tuple[str, Result]], caption: str = CAPTION) -> Drawing:
    """A panel for each result, with its heading."""
    with styled():
        figure = new_figure(3.4 * len(panels), 3.4)
        for axis, (heading, result) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            _draw(axis, result)
            axis.set_title(heading, fontsize=9, loc="left", parse_math=False)
        figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=8)
        return saved(figure, name, title, caption)


def _draw(axis: Axes, result: Result) -> None:
    calibration = result.calibration
    width = 100 / BINS
    shares = 100 * calibration.before.count / calibration.before.count.sum()
    axis.bar([width * (number + 0.5) for number in range(BINS)], shares, 0.9 * width, color=GREY, alpha=0.25)
    axis.plot([0, 100], [0, 100], color=GREY, linewidth=1, linestyle="--")
    _draw_line(axis, calibration.before, ORANGE, "before")
    if calibration.after is not None:
        _draw_line(axis, calibration.after, BLUE, "after")
    axis.set(xlim=(0, 102), ylim=(0, 102), aspect="equal", xlabel="confidence, %", ylabel="right, %")
    light_grid(axis)


def _draw_line(axis: Axes, found: Reliability, colour: str, label: str) -> None:
    filled = [number for number in range(BINS) if not math.isnan(found.accuracy[number])]
    axis.plot(
        100 * found.confidence[filled], 100 * found.accuracy[filled], "o-", color=colour, markersize=3.5, label=label
    )
