"""Letters of any script in pictures: where the report's font lacks them, a font of this machine that has them."""

import functools
import unicodedata
from collections.abc import Iterable

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

FAMILY = "DejaVu Sans"  # comes with Matplotlib, so that equal reports look alike
_PREFERRED = ("Noto Sans", "Source Han Sans", "WenQuanYi", "Droid Sans Fallback")  # of those that have the letters
_BOXES = "Last Resort"  # a font that has a box for everything


def families(text: str) -> list[str]:
    """The fonts that a text takes: the report's, and behind it one that has what it lacks."""
    lacking = _lacking(text)
    if not lacking:
        return [FAMILY]
    family, _ = _best(lacking)
    return [FAMILY, family] if family else [FAMILY]


def add_fonts(figure: Figure) -> str:
    """Gives every text of a figure the fonts that it takes; returns the letters that no font of this machine has."""
    missing: set[str] = set()
    for text in figure.findobj(Text):
        lacking = _lacking(text.get_text())
        if lacking:
            text.set_fontfamily(families(text.get_text()))
            missing |= lacking - _best(lacking)[1]
    return "".join(sorted(missing))


def note(missing: str) -> str:
    """A sentence for the reader of a picture in which letters are missing."""
    shown = missing if len(missing) <= 5 else f"{missing[:5]}…"
    return f"No font on this machine has {shown}: the PNG shows boxes, and the SVG what the reader's fonts have."


def _lacking(text: str) -> frozenset[str]:
    """The letters and signs that the report's font has no glyph for."""
    known = _charmap(font_manager.findfont(FAMILY))
    return frozenset(each for each in text if ord(each) not in known and unicodedata.category(each)[0] not in "CZ")


@functools.cache
def _best(letters: frozenset[str]) -> tuple[str | None, frozenset[str]]:
    """The font that has the most of the letters, and those that it has."""
    found = ((entry.name, _had(letters, entry.fname)) for entry in _fonts())
    name, has = max(found, key=lambda font: len(font[1]), default=(None, frozenset()))
    return (name, has) if has else (None, has)


def _had(letters: Iterable[str], path: str) -> frozenset[str]:
    known = _charmap(path)
    return frozenset(each for each in letters if ord(each) in known)


def _fonts() -> list[font_manager.FontEntry]:
    """This machine's upright fonts of regular weight, preferred ones first, then by name."""
    regular = [
        entry
        for entry in font_manager.fontManager.ttflist
        if entry.style == "normal" and entry.weight == 400 and not entry.name.startswith(_BOXES)
    ]
    return sorted(regular, key=lambda entry: (not entry.name.startswith(_PREFERRED), entry.name, entry.fname))


@functools.cache
def _charmap(path: str) -> frozenset[int]:
    """The code points that a font has a glyph for."""
    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):  # removed since the list was made, or of a kind that FreeType does not read
        return frozenset()
