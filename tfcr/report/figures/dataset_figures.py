"""The figure of a dataset: spectrograms of some utterances of every emotion, and how long utterances are."""

import textwrap
import warnings
from collections.abc import Mapping, Sequence
from typing import Protocol

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.textpath import text_to_path

from tfcr.report.figures.drawing import BLUE, ORANGE, STYLE, Drawing, new_figure, saved
from tfcr.report.figures.glyphs import families
from tfcr.schema import FFT_LENGTH, HOP_LENGTH, NUM_BINS, SAMPLE_RATE

_COLOURS = "magma"  # lightness alone orders it, so every kind of colour vision reads it
_SHOWN = (5, 99.9)  # per cent of the values: between them colours differ
_NOTHING = "#eeeeee"  # where a picture has no column: beyond what the dataset keeps of an utterance
_FIRST_COLUMN = (FFT_LENGTH - HOP_LENGTH) / 2 / SAMPLE_RATE  # seconds: a frame stands for the hop around its centre
_BIN_KHZ = SAMPLE_RATE / FFT_LENGTH / 1000
_NYQUIST_KHZ = SAMPLE_RATE / 2 / 1000
_HISTOGRAM_BARS = 30
_UNIT_LETTERS = 90
_ROW_INCHES, _COLUMN_INCHES, _LEAST_INCHES = 1.7, 3.0, 9.0
_HEADING_INCHES = 2.65
_MOST_LETTERS = 150  # more never fit
_POINTS = 72  # of an inch


class Example(Protocol):
    """One utterance to draw.

    Attributes:
        id, transcript: for its heading, shortened there.
        seconds: its duration.
        picture: float [columns, 128 bins], without padding.
    """

    id: str
    transcript: str
    seconds: float
    picture: np.ndarray


def draw_dataset(
    title: str,
    examples: Mapping[str, Sequence[Example]],
    durations: Mapping[str, Sequence[float]],
    unit: str,
    column_seconds: float,
) -> Drawing:
    """A row an emotion: spectrograms on one scale of colours, then a histogram of durations.

    Args:
        examples: emotion → the utterances to draw, at least one.
        durations: emotion → float [utterances], the seconds of all.
        unit: of the pictures' values, for the colour bar.
        column_seconds: how much of an utterance a column of a picture stands for.
    """
    with matplotlib.rc_context(STYLE):
        return saved(compose_dataset(title, examples, durations, unit, column_seconds), "inspection", title)


def compose_dataset(
    title: str,
    examples: Mapping[str, Sequence[Example]],
    durations: Mapping[str, Sequence[float]],
    unit: str,
    column_seconds: float,
) -> Figure:
    """The figure that `draw_dataset` saves."""
    columns = max(map(len, examples.values()))
    figure = new_figure(max(_COLUMN_INCHES * columns + 2.9, _LEAST_INCHES), _ROW_INCHES * len(examples) + 1.3)
    figure.suptitle(title, fontsize=11, parse_math=False)
    axes = figure.subplots(len(examples), columns + 1, squeeze=False, width_ratios=[1] * columns + [0.75])
    limits = np.percentile(np.concatenate([one.picture.ravel() for some in examples.values() for one in some]), _SHOWN)
    for row, (emotion, some) in zip(axes[:, :-1], examples.items(), strict=True):
        for axis, example in zip(row, some, strict=False):
            image = _draw_spectrogram(axis, example, column_seconds, limits)
        for axis in row[len(some) :]:
            axis.set_visible(False)
        row[0].set_ylabel("kHz")
        _write_emotion(row[0], emotion)
    _draw_durations(axes[:, -1], [durations[emotion] for emotion in examples])
    for axis in axes[-1]:
        axis.set_xlabel("seconds")
    bar = figure.colorbar(image, ax=axes[:, :-1], location="bottom", extend="both", fraction=0.03, aspect=60, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label(textwrap.fill(unit, _UNIT_LETTERS), parse_math=False)
    return figure


def _draw_spectrogram(axis: Axes, example: Example, column_seconds: float, limits: np.ndarray) -> AxesImage:
    end = _FIRST_COLUMN + len(example.picture) * column_seconds
    image = axis.imshow(
        example.picture.T,
        origin="lower",
        aspect="auto",
        extent=(_FIRST_COLUMN, end, -_BIN_KHZ / 2, (NUM_BINS - 0.5) * _BIN_KHZ),
        cmap=_COLOURS,
        vmin=limits[0],
        vmax=limits[1],
    )
    axis.set(xlim=(0, example.seconds), ylim=(0, _NYQUIST_KHZ), yticks=range(0, int(_NYQUIST_KHZ) + 1, 2))
    axis.set_facecolor(_NOTHING)
    axis.locator_params(axis="x", nbins=5, steps=(1, 2, 5, 10))
    heading = "\n".join(_shortened(text, _HEADING_INCHES, size=8) for text in (example.id, example.transcript))
    axis.set_title(heading, fontsize=8, loc="left", parse_math=False)
    return image


def _draw_durations(axes: Sequence[Axes], durations: Sequence[Sequence[float]]) -> None:
    longest = max(map(np.max, durations))
    edges = np.linspace(0, longest, _HISTOGRAM_BARS + 1)
    highest = max(np.histogram(seconds, edges)[0].max() for seconds in durations)
    for axis, seconds in zip(axes, durations, strict=True):
        median, count = np.median(seconds), len(seconds)
        axis.hist(seconds, edges, color=BLUE)
        axis.axvline(median, color=ORANGE, linewidth=1.2)
        heading = f"durations of {count:,} utterance{'s' * (count != 1)},\nmedian {median:.2f} s"
        axis.set_title(heading, fontsize=8, loc="left")
        axis.set(xlim=(0, longest), ylim=(0, 1.05 * highest))
        axis.yaxis.get_major_locator().set_params(integer=True)


def _write_emotion(axis: Axes, emotion: str) -> None:
    """The row's name, left of what the axis is labelled with."""
    axis.annotate(
        _shortened(emotion, _ROW_INCHES, size=11, weight="bold"),
        xy=(0, 0.5),
        xytext=(-4, 0),
        xycoords=axis.yaxis.label,
        textcoords="offset points",
        ha="right",
        va="center",
        rotation=90,
        fontsize=11,
        fontweight="bold",
        parse_math=False,
    )


def _shortened(text: str, inches: float, **font) -> str:
    """As much of a text as fits on one line."""
    text = " ".join(text[:_MOST_LETTERS].split())
    font = FontProperties(family=families(text), **font)

    def is_too_wide(line):
        return text_to_path.get_text_width_height_descent(line, font, ismath=False)[0] > inches * _POINTS

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        if not is_too_wide(text):
            return text
        while text and is_too_wide(text + "…"):
            text = text[:-1]
    return text.rstrip() + "…"
