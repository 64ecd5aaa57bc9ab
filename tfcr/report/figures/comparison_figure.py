"""The primary comparison: every speaker's difference, and the mean over them."""

from tfcr.report.figures.drawing import BLUE, INK, ORANGE, Drawing, light_grid, new_figure, saved, styled
from tfcr.report.findings.comparisons import Difference, within_a_sentence
from tfcr.report.formatting import points, points_interval

_MOST_SPEAKERS = 60  # more rows cannot be read


def draw_speakers(name: str, title: str, difference: Difference) -> Drawing | None:
    """A row per speaker, the mean below with its interval; None for one speaker, or for more than fit."""
    comparison = difference.comparison
    speakers = sorted(comparison.by_speaker.items(), key=lambda item: (item[1], item[0]))
    if not 2 <= len(speakers) <= _MOST_SPEAKERS:
        return None
    with styled():
        figure = new_figure(7.2, 0.24 * len(speakers) + 1.3)
        axis = figure.subplots()
        values = [100 * value for _, value in speakers]
        rows = range(1, len(speakers) + 1)
        axis.axvline(0, color=INK, linewidth=0.8)
        axis.hlines(rows, 0, values, color=BLUE, alpha=0.4, linewidth=1.5)
        axis.plot(values, rows, "o", color=BLUE, markersize=5)
        axis.axhline(0.5, color="#cccccc", linewidth=0.8)
        effect = 100 * comparison.effect
        if comparison.interval:
            axis.hlines([0], *([100 * limit] for limit in comparison.interval), color=ORANGE, linewidth=2.5)
        axis.plot([effect], [0], "D", color=ORANGE, markersize=6)
        mean = f"mean {points(comparison.effect)} {points_interval(comparison.interval)}".strip()
        axis.set_yticks([0, *rows], [mean, *(str(speaker) for speaker, _ in speakers)], parse_math=False)
        axis.set_ylim(-0.7, len(speakers) + 0.6)
        axis.set_xlabel(
            f"{difference.proposed.condition.name} minus baseline, WA in percentage points", parse_math=False
        )
        light_grid(axis)
        return saved(figure, name, title, _caption(difference))


def _caption(difference: Difference) -> str:
    comparison = difference.comparison
    system = within_a_sentence(difference.proposed.condition)
    interval = "the bar is its 95 % t interval over speakers" if comparison.interval else "too few for an interval"
    return (
        f"Each dot is one test speaker: the share of utterances that are right with {system} minus the share "
        "with the baseline, averaged over seeds. Right of zero, more are right with it. The diamond is the mean "
        f"over {len(comparison.by_speaker)} speakers, every speaker weighing the same; {interval}."
    )
