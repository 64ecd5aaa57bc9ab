"""Curves against degradation: a panel for every graded kind, and one for those without grades."""

import math
from collections.abc import Sequence
from typing import Protocol

from matplotlib.axes import Axes

from tfcr.noise.grades import CLEAN, Grade, Kind
from tfcr.report.figures.drawing import BLUE, ORANGE, Drawing, light_grid, new_figure, saved, styled
from tfcr.report.findings.conditions import Condition
from tfcr.report.findings.noise import CENTRED, CONFLICTS, Share

_CLEAN = "-"  # the line of what was trained on clean speech
_LINES = ("--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)), (0, (1, 3)))  # of one noise and another
_MARKERS = {BLUE: ("o", "s", "v", "P", ">", "8"), ORANGE: ("D", "^", "<", "X", "d", "p")}
_COLUMNS = 4
_WIDTH, _HEIGHT = 9.6, 2.5  # inches, of the figure and of a row
_UNITS = {"dB": "signal to noise ratio, dB", "s": "reverberation time, s", "share": "share of the words, %"}
_CAPTIONED = {CONFLICTS: "Conflicts", CENTRED: "Centred conflicts"}  # how a sentence begins with them


class Drawn(Protocol):
    """What is drawn of a condition."""

    @property
    def condition(self) -> Condition: ...

    @property
    def has_intervals(self) -> bool:
        """Whether there are speakers enough."""
        ...

    def at(self, measure: str, grade: str) -> Share:
        """A measure at one grade."""
        ...


def draw_noise(
    name: str, title: str, systems: Sequence[Drawn], kinds: Sequence[Kind], place: str, measure: str
) -> Drawing:
    """One measure of every condition, against each degradation; the mildest grade stands on the left.

    Args:
        place: where noise was added to speech, `recordings` or `spectrograms`.
    """
    of_conflicts = measure in (CONFLICTS, CENTRED)
    graded = [kind for kind in kinds if kind.is_graded]
    ungraded = [kind for kind in kinds if not kind.is_graded and not (of_conflicts and kind.is_absence)]
    panels = len(graded) + bool(ungraded)
    rows, columns = -(-panels // _COLUMNS), min(panels, _COLUMNS)
    with styled():
        figure = new_figure(_WIDTH * columns / _COLUMNS + (1.5 if columns == 1 else 0), _HEIGHT * rows + 0.5)
        axes = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
        for axis, kind in zip(axes, graded, strict=False):
            _draw_curves(axis, systems, kind, measure)
        if ungraded:
            _draw_points(axes[panels - 1], systems, ungraded, measure)
        for axis in axes[:panels]:
            light_grid(axis)
        for axis in axes[panels:]:
            axis.set_visible(False)
        for axis in axes[::columns]:
            axis.set_ylabel(f"{measure}, %")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
        return saved(figure, name, title, _caption(systems[0].has_intervals, place, measure))


def _draw_curves(axis: Axes, systems: Sequence[Drawn], kind: Kind, measure: str) -> None:
    levels = list(kind.levels)
    names = [Grade(kind, level).name for level in levels]
    labels = [f"{100 * level:g}" if kind.unit == "share" else f"{level:g}" for level in levels]
    names, labels = [CLEAN, *names], ["clean", *labels]
    for system, (colour, marker, line) in zip(systems, _styles(systems), strict=True):
        shares = [system.at(measure, name) for name in names]
        values, places = [100 * share.value for share in shares], range(len(shares))
        look = {"marker": marker, "linestyle": line, "color": colour, "markersize": 3.5, "linewidth": 1.3}
        axis.plot(places, values, label=system.condition.name, **look)
        low, high = zip(*map(_ends, shares), strict=True)
        axis.fill_between(places, low, high, color=colour, alpha=0.12, linewidth=0)
    axis.set_xticks(range(len(labels)), labels, fontsize=7.5)
    axis.set_xlabel(_UNITS[kind.unit], fontsize=8)
    axis.set_title(kind.meaning, fontsize=8.5, loc="left")


def _draw_points(axis: Axes, systems: Sequence[Drawn], kinds: Sequence[Kind], measure: str) -> None:
    """Kinds without grades side by side, the conditions next to each other."""
    for number, (system, (colour, marker, line)) in enumerate(zip(systems, _styles(systems), strict=True)):
        for place, kind in enumerate(kinds):
            share = system.at(measure, kind.name)
            x = place + min(0.16, 0.8 / len(systems)) * (number - (len(systems) - 1) / 2)
            if share.interval:
                axis.vlines(x, *_ends(share), color=colour, linewidth=1.2, alpha=0.6)
            filled = {} if line == _CLEAN else {"markerfacecolor": "white"}
            label = None if place else system.condition.name
            axis.plot([x], [100 * share.value], marker, color=colour, markersize=4.5, label=label, **filled)
    axis.set_xticks(range(len(kinds)), [kind.meaning.replace(" ", "\n") for kind in kinds], fontsize=7.5)
    axis.set_xlim(-0.6, len(kinds) - 0.4)
    axis.set_title("without grades", fontsize=8.5, loc="left")


def _styles(systems: Sequence[Drawn]) -> list[tuple]:
    """Colour, marker and line: the baseline is blue, the method orange; the line says under what they trained."""
    noises = [noise for noise in dict.fromkeys(system.condition.noise for system in systems) if noise]
    found = []
    for system in systems:
        colour = BLUE if system.condition.alpha == 0 else ORANGE
        place = noises.index(system.condition.noise) % len(_LINES) if system.condition.noise else -1
        found.append((colour, _MARKERS[colour][place + 1], _LINES[place] if place >= 0 else _CLEAN))
    return found


def _ends(share: Share) -> tuple[float, float]:
    low, high = share.interval or (math.nan, math.nan)
    return 100 * low, 100 * high


def _caption(has_intervals: bool, place: str, measure: str) -> str:
    reading = "Higher is better."
    if measure in _CAPTIONED:
        reading = (
            "More is not always worse: an utterance of which no word is left has no conflict, and speech that says "
            "nothing contradicts the words by chance."
        )
    bands = ""
    if has_intervals:
        bands = (
            " Bands and bars are 95 % bootstrap intervals over speakers, which say nothing of what training again "
            "would change."
        )
    return (
        f"{_CAPTIONED.get(measure, measure)} of the test utterances as speech (noise added to the {place}) or "
        f"words get worse, from left to right. {reading} All conditions heard the very same noise.{bands}"
    )
