"""The alpha curve: WA, UA and conflicts over the grid, with intervals, and what the validation parts chose."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from tfcr.report.figures import BLUE, GREY, ORANGE, Drawing, light_grid, new_figure, saved, styled
from tfcr.report.results import Spread
from tfcr.report.sections import Setting

CAPTION = (
    "Test WA, test UA and conflict rate over α, the weight of the contrastive loss (Eq. 7; α = 0 is the baseline). "
    "Lines are means over folds, seeds averaged within each fold; bands are 95 % t intervals over folds, which share "
    "training data, so true uncertainty is larger. The dashed line is the mean with the α that each fold chose by its "
    "own validation UA, never by test figures; the bars count these choices."
)


def draw_alpha_curve(name: str, title: str, setting: Setting) -> Drawing:
    """Four panels: WA, UA, conflicts, and how many folds chose each alpha."""
    results = {result.group.condition.alpha: result for result in setting.results}
    chosen = setting.chosen
    with styled():
        figure = new_figure(8.4, 5.6)
        (wa, ua), (conflicts, choices) = figure.subplots(2, 2)
        _draw_line(wa, {alpha: result.wa for alpha, result in results.items()}, BLUE)
        _draw_line(ua, {alpha: result.ua for alpha, result in results.items()}, BLUE)
        if chosen:
            for axis, value in ((wa, chosen.wa), (ua, chosen.ua)):
                axis.axhline(100 * value.mean, color=ORANGE, linewidth=1.2, linestyle="--", label="chosen per fold")
                axis.legend(loc="best", frameon=False, fontsize=8)
        _draw_conflicts(
            conflicts,
            plain={alpha: result.conflict_rate for alpha, result in results.items() if result.conflict_rate},
            centred={a: result.conflict_rate_centred for a, result in results.items() if result.conflict_rate_centred},
        )
        _draw_choices(choices, list(results), [choice.alpha for choice in setting.choices])
        for axis, label in ((wa, "WA, %"), (ua, "UA, %"), (conflicts, "conflicts, %"), (choices, "folds choosing α")):
            axis.set_title(label, fontsize=9, loc="left")
            axis.set_xlabel("α")
            axis.set_xticks(list(results), [f"{alpha:g}" for alpha in results], fontsize=8)
            light_grid(axis)
        return saved(figure, name, title, CAPTION)


def _draw_line(axis: Axes, values: Mapping[float, Spread], colour: str, label: str | None = None) -> None:
    alphas = list(values)
    axis.plot(
        alphas,
        [100 * value.mean for value in values.values()],
        "o-",
        color=colour,
        markersize=4,
        linewidth=1.4,
        label=label,
    )
    limits = [value.interval or (np.nan, np.nan) for value in values.values()]
    low, high = 100 * np.array(limits).T
    axis.fill_between(alphas, low, high, color=colour, alpha=0.18, linewidth=0)


def _draw_conflicts(axis: Axes, plain: Mapping[float, Spread], centred: Mapping[float, Spread]) -> None:
    if not plain:
        axis.text(0.5, 0.5, "not defined for this system", transform=axis.transAxes, ha="center", color="#444444")
        return
    _draw_line(axis, plain, BLUE, "plain")
    if centred:
        _draw_line(axis, centred, ORANGE, "centred")
    axis.set_ylim(bottom=0)
    axis.legend(loc="best", frameon=False, fontsize=8)


def _draw_choices(axis: Axes, alphas: list[float], chosen: list[float]) -> None:
    width = 0.7 * min(np.diff(alphas))
    axis.bar(alphas, [chosen.count(alpha) for alpha in alphas], width=width, color=GREY)
    axis.set_ylim(0, max([chosen.count(alpha) for alpha in alphas] + [1]) + 0.5)
    axis.yaxis.get_major_locator().set_params(integer=True)
