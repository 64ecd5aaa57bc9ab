"""Letters that the report's font lacks get a font of this machine that has them, or a note."""

import io

import matplotlib
import matplotlib.image
import numpy as np
import pytest
from matplotlib import font_manager

from tfcr.report.figures import glyphs
from tfcr.report.figures.drawing import new_figure, saved, styled


def drawn(text: str):
    with styled():
        figure = new_figure(2, 1)
        figure.text(0.5, 0.5, text, fontsize=30)
        return saved(figure, "letters", "Letters", "What it shows.")


def test_letters_of_the_reports_font_leave_the_picture_as_it_is():
    drawing = drawn("αβ, é – №")
    assert not drawing.missing and drawing.caption == "What it shows."
    assert glyphs.families("αβ") == ["DejaVu Sans"]


@pytest.fixture
def fonts(monkeypatch):
    """The fonts that come with Matplotlib, whatever else this machine has; `fonts(False)` leaves DejaVu Sans alone."""
    own = [entry for entry in font_manager.fontManager.ttflist if entry.fname.startswith(matplotlib.get_data_path())]

    def choose(all_of_them: bool):
        chosen = own if all_of_them else [entry for entry in own if entry.name == glyphs.FAMILY]
        monkeypatch.setattr(font_manager.fontManager, "ttflist", chosen)
        glyphs._best.cache_clear()

    yield choose
    monkeypatch.undo()
    glyphs._best.cache_clear()


@pytest.fixture
def lacking(fonts) -> str:
    """A letter that another font of Matplotlib's has and the report's has not."""
    fonts(True)
    base = glyphs._charmap(font_manager.findfont(glyphs.FAMILY))
    others = (glyphs._charmap(entry.fname) - base for entry in glyphs._fonts() if entry.name == "STIXGeneral")
    return min(letter for letter in map(chr, next(others)) if letter.isalpha() and glyphs._lacking(letter))


def test_another_font_is_taken_where_it_has_the_letter(fonts, lacking):
    assert glyphs.families(f"a{lacking}")[0] == "DejaVu Sans" and len(glyphs.families(f"a{lacking}")) == 2
    with_font = drawn(lacking)
    assert not with_font.missing and with_font.caption == "What it shows."
    fonts(False)
    without = drawn(lacking)
    assert without.missing == lacking
    assert without.caption.startswith(f"What it shows. No font on this machine has {lacking}: the PNG shows boxes, ")
    pictures = [matplotlib.image.imread(io.BytesIO(drawing.png)) for drawing in (with_font, without)]
    assert not np.array_equal(*pictures)
    assert lacking in with_font.svg.decode() and lacking in without.svg.decode()
