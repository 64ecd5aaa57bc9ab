"""The alpha curve: pooled figures, and axes that show the grid below α = 1 however low that lies."""

import re

import pytest

from tfcr.report.figures.alpha_figure import draw_alpha_curve
from tfcr.report.findings.conditions import group_by_condition
from tfcr.report.findings.sections import divide


@pytest.fixture
def drawn(make_run):
    """A function that draws a grid over some alphas; of eight test utterances all are right, at α = 1 two are."""

    def draw(*alphas):
        label = [0, 1, 2, 3] * 2
        runs = [
            make_run(
                f"{alpha}",
                alpha=alpha,
                label=label,
                audio=label,
                text=label,
                predicted=[1, 2, 3, 3] * 2 if alpha == 1 else label,
                speakers=["Ann", "Bob", "Cem", "Dee", "Eva", "Fay", "Gus", "Hal"],
            )
            for alpha in alphas
        ]
        (section,) = divide(group_by_condition(runs))
        return draw_alpha_curve("alpha", "Alpha", section.settings[0])

    return draw


def texts(drawing) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", drawing.svg.decode())


def test_a_figure_far_below_the_grid_stands_at_the_edge_of_its_panel(drawn):
    drawing = drawn(0.0, 0.1, 0.9, 1.0)
    assert texts(drawing).count("↓ 25.0") == 2  # WA and UA; conflicts are none at any alpha
    assert not [text for text in texts(drawing) if text.startswith("↑")]
    assert "At α = 1 the classification loss has no weight" in drawing.caption


def test_a_grid_below_one_has_nothing_at_an_edge(drawn):
    drawing = drawn(0.0, 0.1, 0.9)
    assert not [text for text in texts(drawing) if text[:1] in "↓↑"]
    assert "At α = 1" not in drawing.caption


def test_the_bands_say_what_they_were_drawn_over(drawn):
    assert "95 % bootstrap intervals over speakers" in drawn(0.0, 0.1, 0.9).caption
