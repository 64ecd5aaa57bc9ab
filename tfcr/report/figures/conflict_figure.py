"""Conflicts per emotion, before and after the regulariser."""

from matplotlib.axes import Axes

from tfcr.report.figures.drawing import BLUE, GREY, ORANGE, Drawing, light_grid, new_figure, saved, styled
from tfcr.report.findings.conflicts import Disagreement
from tfcr.report.findings.results import Result

_COLOURS = (BLUE, ORANGE)
_MARKERS = (("o", 8.5), ("D", 5))  # in size too: of two in one place both are seen
CAPTION = (
    "Share of test predictions in conflict, that is, where speech alone (argmax of s_a) and words alone (argmax of "
    "s_t) say different emotions (Eq. 2–4), by true emotion and over all. Left as the scores stand, right centred: "
    "each score has its training mean taken away, because only the sum of both is determined and an offset could "
    "move between them. Further left: fewer conflicts."
)


def draw_conflicts(name: str, title: str, results: list[tuple[str, Result]]) -> Drawing:
    """A row per emotion and a dot per condition; plain and, where training means are known, centred.

    Args:
        results: a heading and a result with conflicts each; one or two.
    """
    parts = [{"all": r.conflict.overall, **r.conflict.by_emotion} for _, r in results]
    has_centred = all(part["all"].rate_centred is not None for part in parts)
    with styled():
        figure = new_figure(8.4 if has_centred else 5.2, 0.42 * len(parts[0]) + 1.5)
        axes = figure.subplots(1, 2 if has_centred else 1, squeeze=False, sharey=True, sharex=True)[0]
        _draw_rates(axes[0], [heading for heading, _ in results], [_rates(part, "rate") for part in parts])
        axes[0].set_title("as the scores stand", fontsize=9, loc="left")
        if has_centred:
            _draw_rates(axes[1], [None, None], [_rates(part, "rate_centred") for part in parts])
            axes[1].set_title("centred", fontsize=9, loc="left")
        rates = [rate or 0 for part in parts for each in part.values() for rate in (each.rate, each.rate_centred)]
        axes[0].set_xlim(0, 105 * max(rates) or 1)
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
        return saved(figure, name, title, CAPTION)


def _rates(parts: dict[str, Disagreement], name: str) -> dict[str, float | None]:
    return {emotion: getattr(part, name) for emotion, part in parts.items()}


def _draw_rates(axis: Axes, headings: list[str | None], rates: list[dict[str, float | None]]) -> None:
    emotions = list(rates[0])
    for row, emotion in enumerate(emotions):
        values = [100 * each[emotion] for each in rates if each[emotion] is not None]
        if len(values) > 1:
            axis.hlines([row], min(values), max(values), color=GREY, linewidth=1.5, zorder=1)
    for heading, each, colour, (marker, size) in zip(headings, rates, _COLOURS, _MARKERS, strict=False):
        rows, percents = zip(
            *((row, 100 * value) for row, value in enumerate(each.values()) if value is not None), strict=True
        )
        axis.plot(percents, rows, marker, color=colour, markersize=size, label=heading, zorder=2)
    axis.set_yticks(range(len(emotions)), emotions, parse_math=False)
    axis.set(ylim=(len(emotions) - 0.5, -0.5), xlabel="conflicts, %")
    light_grid(axis)
