"""The alpha curve: WA, UA and conflicts over the grid, with intervals, and what the validation parts chose."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from tfcr.report.figures.drawing import BLUE, GREY, ORANGE, Drawing, light_grid, new_figure, saved, styled
from tfcr.report.findings.results import Result
from tfcr.report.findings.sections import Setting
from tfcr.statistics import Interval

_NO_CLASSIFICATION = 1.0  # the alpha that leaves the classification loss no weight (Eq. 7)
_ROOM = 0.12  # above and below, of what an axis shows


class _Point(NamedTuple):
    """A share, and its interval where there is one."""

    value: float
    interval: Interval | None


def draw_alpha_curve(name: str, title: str, setting: Setting) -> Drawing:
    """Four panels: WA, UA, conflicts, and how many folds chose each alpha."""
    results = {result.group.condition.alpha: result for result in setting.results}
    chosen = setting.chosen
    wa_of = {alpha: _Point(result.pooled.wa, result.pooled.wa_interval) for alpha, result in results.items()}
    ua_of = {alpha: _Point(result.pooled.ua, result.pooled.ua_interval) for alpha, result in results.items()}
    with styled():
        figure = new_figure(8.4, 5.6)
        (wa, ua), (conflicts, choices) = figure.subplots(2, 2)
        _draw_line(wa, wa_of, BLUE)
        _draw_line(ua, ua_of, BLUE)
        if chosen:
            for axis, value in ((wa, chosen.pooled.wa), (ua, chosen.pooled.ua)):
                axis.axhline(100 * value, color=ORANGE, linewidth=1.2, linestyle="--", label="α chosen per fold")
                axis.legend(loc="best", frameon=False, fontsize=8)
        _frame(wa, [wa_of])
        _frame(ua, [ua_of])
        _draw_conflicts(conflicts, results)
        _draw_choices(choices, list(results), [choice.alpha for choice in setting.choices])
        titles = ("test WA, %", "test UA, %", "test utterances in conflict, %", "folds that chose α on validation")
        for axis, label in zip((wa, ua, conflicts, choices), titles, strict=True):
            axis.set_title(label, fontsize=9, loc="left")
            axis.set_xlabel("α")
            axis.set_xticks(list(results), [f"{alpha:g}" for alpha in results], fontsize=8)
            light_grid(axis)
        return saved(figure, name, title, _caption(setting))


def _caption(setting: Setting) -> str:
    pooled = setting.results[0].pooled
    intervals = (
        f"bands are 95 % bootstrap intervals over {pooled.cluster}s, which say nothing of what training again would "
        "change. "
        if pooled.wa_interval
        else ""
    )
    alone = (
        "At α = 1 the classification loss has no weight, so nothing teaches the scores which emotion is which; where "
        "that lies beyond an axis, the figure stands at its edge. "
        if any(result.group.condition.alpha == _NO_CLASSIFICATION for result in setting.results)
        else ""
    )
    return (
        "WA, UA and conflicts over α, the weight of the contrastive loss (Eq. 7; α = 0 is the baseline), over the test "
        f"utterances of all folds together, each averaged over seeds; {intervals}{alone}The dashed line is what the α "
        "gives that each fold chose by its own validation UA, never by test figures; the bars count these choices. "
        "Centred: each score less its mean over the training part."
    )


def _draw_line(axis: Axes, points: Mapping[float, _Point], colour: str, label: str | None = None) -> None:
    alphas = list(points)
    values = [100 * point.value for point in points.values()]
    axis.plot(alphas, values, "o-", color=colour, markersize=4, linewidth=1.4, label=label)
    low, high = 100 * np.array([point.interval or (np.nan, np.nan) for point in points.values()]).T
    axis.fill_between(alphas, low, high, color=colour, alpha=0.18, linewidth=0)


def _frame(axis: Axes, lines: list[Mapping[float, _Point]]) -> None:
    """Limits that show the grid below α = 1 well; a point of α = 1 that lies beyond them is written at the edge."""
    points = [point for line in lines for alpha, point in line.items() if alpha != _NO_CLASSIFICATION]
    shown = [100 * share for point in points for share in (point.value, *(point.interval or ()))]
    room = _ROOM * max(max(shown) - min(shown), 1)
    low, high = max(min(shown) - room, 0), min(max(shown) + room, 100)
    axis.set_ylim(low, high)
    for place, line in enumerate(lines):
        value = 100 * line[_NO_CLASSIFICATION].value if _NO_CLASSIFICATION in line else (low + high) / 2
        if low <= value <= high:
            continue
        edge, arrow, side = (low, "↓", 1) if value < low else (high, "↑", -1)
        axis.annotate(
            f"{arrow} {value:.1f}",
            (_NO_CLASSIFICATION, edge),
            xytext=(2, side * (3 + 13 * place)),
            textcoords="offset points",
            ha="center",
            va="bottom" if side > 0 else "top",
            fontsize=8,
            color=axis.lines[place].get_color(),
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )


def _draw_conflicts(axis: Axes, results: Mapping[float, Result]) -> None:
    found = {alpha: result.conflict for alpha, result in results.items() if result.conflict}
    if not found:
        axis.text(0.5, 0.5, "not defined for this system", transform=axis.transAxes, ha="center", color="#444444")
        return
    plain = {alpha: _Point(conflict.overall.rate, conflict.interval) for alpha, conflict in found.items()}
    centred = {
        alpha: _Point(conflict.overall.rate_centred, conflict.interval_centred)
        for alpha, conflict in found.items()
        if conflict.overall.rate_centred is not None
    }
    _draw_line(axis, plain, BLUE, "as the scores stand")
    if centred:
        _draw_line(axis, centred, ORANGE, "centred")
    _frame(axis, [line for line in (plain, centred) if line])
    axis.legend(loc="best", frameon=False, fontsize=8)


def _draw_choices(axis: Axes, alphas: list[float], chosen: list[float]) -> None:
    width = 0.7 * min(np.diff(alphas))
    axis.bar(alphas, [chosen.count(alpha) for alpha in alphas], width=width, color=GREY)
    axis.set_ylim(0, max([chosen.count(alpha) for alpha in alphas] + [1]) + 0.5)
    axis.yaxis.get_major_locator().set_params(integer=True)
