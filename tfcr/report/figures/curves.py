"""Training curves: a line per run, or of many runs their median and the middle 80 %."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from tfcr.report.figures.drawing import BLUE, INK, ORANGE, Drawing, light_grid, new_figure, saved, styled
from tfcr.report.findings.conditions import Group
from tfcr.runs import HISTORY, Run

_MOST_LINES = 6  # runs that are still told apart as lines
_MIDDLE = (10, 90)  # per cent of the runs
CAPTION = (
    "By epoch, left the loss on the training part (blue) and the validation part (orange), right UA on the "
    f"validation part. Up to {_MOST_LINES} runs are a line each; of more the line is their median and the band holds "
    "the middle 80 % of the runs that are still training, as far as half of them are. A dot is the epoch whose "
    "weights a run kept. The loss is Eq. 7, whose two terms alpha weighs: losses of different alphas are not "
    "comparable."
)


def draw_curves(name: str, title: str, groups: Sequence[Group], caption: str = CAPTION) -> Drawing | None:
    """Loss and validation UA by epoch: a row per condition. None where no run has a history."""
    groups = [group for group in groups if any(_has_history(run) for run in group.runs.values())]
    if not groups:
        return None
    with styled():
        figure = new_figure(8.4, 2.3 * len(groups) + 0.7)
        rows = figure.subplots(len(groups), 2, squeeze=False)
        for (loss, ua), group in zip(rows, groups, strict=True):
            _draw_group(loss, ua, group)
        for axis in rows[-1]:
            axis.set_xlabel("epoch")
        figure.legend(
            *rows[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=8
        )
        return saved(figure, name, title, caption)


def _draw_group(loss: Axes, ua: Axes, group: Group) -> None:
    runs = [run for run in group.runs.values() if _has_history(run)]
    _draw_column(loss, runs, "loss", BLUE, label="training")
    _draw_column(loss, runs, "val_loss", ORANGE, label="validation")
    _draw_column(ua, runs, "val_ua", ORANGE, scale=100)
    for run in runs:
        _mark_kept_epoch(ua, run)
    count = len(group.runs)
    heading = f"{group.condition.name}, {group.condition.protocol}: {count} run{'s' * (count > 1)}"
    loss.set_title(heading, fontsize=9, loc="left", parse_math=False)
    loss.set_ylabel("loss")
    ua.set_ylabel("validation UA, %")
    for axis in (loss, ua):
        light_grid(axis)
        axis.xaxis.get_major_locator().set_params(integer=True)


def _draw_column(
    axis: Axes, runs: Sequence[Run], column: str, colour: str, scale: float = 1, label: str | None = None
) -> None:
    histories = [_series(run, column, scale) for run in runs if all(column in row for row in run.history)]
    if len(histories) > _MOST_LINES:
        _draw_band(axis, histories, colour, label)
        return
    strength = max(0.45, min(0.9, 3 / max(len(histories), 1)))
    for number, history in enumerate(histories):
        marker = "o" if len(history) == 1 else None  # a line of one point is invisible
        axis.plot(
            *zip(*sorted(history.items()), strict=True),
            color=colour,
            alpha=strength,
            linewidth=1.2,
            marker=marker,
            markersize=3,
            label=None if number else label,
        )


def _draw_band(axis: Axes, histories: Sequence[dict[float, float]], colour: str, label: str | None) -> None:
    values: dict[float, list[float]] = {}
    for history in histories:
        for epoch, value in history.items():
            values.setdefault(epoch, []).append(value)
    epochs = sorted(epoch for epoch, some in values.items() if 2 * len(some) >= len(histories))
    low, median, high = np.array([np.percentile(values[epoch], (_MIDDLE[0], 50, _MIDDLE[1])) for epoch in epochs]).T
    axis.fill_between(epochs, low, high, color=colour, alpha=0.18, linewidth=0)
    axis.plot(epochs, median, color=colour, linewidth=1.4, label=label)


def _mark_kept_epoch(axis: Axes, run: Run) -> None:
    kept, series = run.metrics.get("best_epoch"), _series(run, "val_ua", 100)
    if kept in series:
        axis.plot([kept], [series[kept]], "o", color=INK, alpha=0.7, markersize=3, markeredgewidth=0, zorder=3)


def _series(run: Run, column: str, scale: float) -> dict[float, float]:
    """Epoch → value."""
    return {
        row.get("epoch", index): scale * row[column] for index, row in enumerate(run.history, start=1) if column in row
    }


def _has_history(run: Run) -> bool:
    return (run.folder / HISTORY).is_file() and bool(run.history)
