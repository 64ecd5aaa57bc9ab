"""The figure of a dataset: what is drawn where."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from tfcr.report.figures.dataset_figures import compose_dataset, draw_dataset

HOP = 0.008  # seconds between frames: 128 samples of 16 kHz
DURATIONS = {"calm": np.array([1.0, 2.0, 6.0]), "fear": np.array([0.5])}


def example(seconds=1.0, columns=124, id="u1", transcript="some words"):
    """An utterance whose one tone is at 2 kHz: bin 32 of 62.5 Hz each."""
    picture = np.full((columns, 128), -100.0, np.float32)
    picture[:, 32] = -40
    return SimpleNamespace(id=id, transcript=transcript, seconds=seconds, picture=picture)


def composed(*calm, unit="dB", column_seconds=HOP):
    examples = {"calm": calm or [example(), example(2.0, 249)], "fear": [example(0.5, 61)]}
    return compose_dataset("title", examples, DURATIONS, unit, column_seconds)


def spectrograms(figure):
    return [axis for axis in figure.axes if axis.images]


def test_every_emotion_has_its_examples_and_one_histogram_and_all_share_one_colour_bar():
    figure = composed()
    assert len(spectrograms(figure)) == 2 + 1
    histograms = [axis for axis in figure.axes if axis.get_title(loc="left").startswith("durations")]
    assert len(histograms) == 2
    visible = [axis for axis in figure.axes if axis.get_visible()]
    assert len(visible) == 3 + 2 + 1
    assert len({axis.images[0].get_clim() for axis in spectrograms(figure)}) == 1
    assert "dB" in [axis.get_xlabel() for axis in visible]


def test_every_frame_is_drawn_and_the_time_axis_ends_at_the_duration():
    for axis, (seconds, frames) in zip(spectrograms(composed()), [(1.0, 124), (2.0, 249), (0.5, 61)], strict=True):
        assert axis.images[0].get_array().shape == (128, frames)
        assert axis.get_xlim() == (0, seconds)
        first, last = axis.images[0].get_extent()[:2]
        # a frame of 256 samples is centred 8 ms after its beginning and stands for the 8 ms around that
        assert (first, last) == pytest.approx((0.004, 0.004 + frames * HOP))
        assert 0 <= seconds - last < 2 * HOP


def test_low_frequencies_are_below_and_a_tone_stands_at_its_frequency():
    axis = spectrograms(composed())[0]
    assert axis.get_ylim() == (0, 8)
    image = axis.images[0]
    assert image.origin == "lower"
    bottom, top = image.get_extent()[2:]
    rows = image.get_array()
    loudest = int(np.argmax(rows[:, 0]))
    assert bottom + (loudest + 0.5) * (top - bottom) / len(rows) == pytest.approx(2.0)  # kHz


def test_pooled_columns_are_eight_times_as_wide():
    axis = spectrograms(composed(example(1.0, 16), column_seconds=8 * HOP))[0]
    first, last = axis.images[0].get_extent()[:2]
    assert last - first == pytest.approx(16 * 0.064)


def test_the_histograms_count_every_utterance_on_equal_axes():
    histograms = [axis for axis in composed().axes if axis.patches and axis.get_title(loc="left")]
    assert [sum(bar.get_height() for bar in axis.patches) for axis in histograms] == [3, 1]
    assert [axis.get_title(loc="left") for axis in histograms] == [
        "durations of 3 utterances,\nmedian 2.00 s",
        "durations of 1 utterance,\nmedian 0.50 s",
    ]
    assert len({(axis.get_xlim(), axis.get_ylim()) for axis in histograms}) == 1
    assert all(bar.get_height() < axis.get_ylim()[1] for axis in histograms for bar in axis.patches)


def test_headings_are_the_id_and_as_many_words_as_fit():
    titles = [axis.get_title(loc="left") for axis in spectrograms(composed(example(transcript="oh " * 100)))]
    assert titles[0].startswith("u1\noh oh") and titles[0].endswith("…")
    assert titles[1] == "u1\nsome words"
    wide, narrow = (composed(example(transcript=100 * letter)) for letter in "Wi")
    lengths = [len(spectrograms(figure)[0].get_title(loc="left")) for figure in (wide, narrow)]
    assert lengths[0] < lengths[1] < 100


def test_headings_do_not_run_into_the_next_picture():
    wide = example(id="M" * 99, transcript="W" * 99)
    figure = composed(wide, wide, wide)
    figure.draw_without_rendering()
    row = [axis for axis in figure.axes if axis.get_title(loc="left")][:4]
    boxes = [axis._left_title.get_window_extent() for axis in row]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_any_text_is_drawn_and_equal_input_gives_equal_bytes():
    odd = example(id="$a_1$", transcript="今日は\n$\\frac")
    examples = {"calm": [odd], "fear": [example()]}
    first, second = (draw_dataset("$title", examples, DURATIONS, "ln $", HOP) for _ in range(2))
    assert first == second
    assert first.png.startswith(b"\x89PNG") and "今日は $" in first.svg.decode()
