"""What every figure of the report shares: its type, its colours, and both formats. Equal runs give equal bytes."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from tfcr.report.figures import glyphs

STYLE = {
    "svg.hashsalt": "tfcr",
    "svg.fonttype": "none",  # text stays text: selectable, and in any script the reader's fonts know
    "font.family": glyphs.FAMILY,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_DOTS_PER_INCH = 160
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
BLUE, ORANGE, GREY = "#1f5fa8", "#c2571a", "#8a8a8a"
INK = "#1a1a1a"


@dataclass(frozen=True)
class Drawing:
    """A figure in both formats.

    Attributes:
        name: its file name without suffix.
        title: what it shows, for readers who cannot see it.
        svg, png: the files' bytes.
        caption: what a reader needs to understand it alone.
        missing: letters that no font of this machine has.
    """

    name: str
    title: str
    svg: bytes
    png: bytes
    caption: str = ""
    missing: str = ""

    @property
    def inline_svg(self) -> str:
        """The SVG for the inside of an HTML page: no prolog, no comments, ids of its own."""
        text = self.svg.decode("utf-8")
        text = re.sub(r"<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        prefix = re.sub(r"[^a-z0-9]+", "-", self.name)
        text = re.sub(r' id="', f' id="{prefix}-', text)
        text = re.sub(r'href="#', f'href="#{prefix}-', text)
        return re.sub(r"url\(#", f"url(#{prefix}-", text)


@contextmanager
def styled() -> Iterator[None]:
    """What is drawn in the block has the report's type and colours."""
    with matplotlib.rc_context(STYLE):
        yield


def light_grid(axis: Axes) -> None:
    """Lines to read values by, behind everything."""
    axis.grid(alpha=0.25, linewidth=0.5)
    axis.set_axisbelow(True)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches; draw on it within `styled()`."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)
    FigureCanvasAgg(figure)
    return figure


def saved(figure: Figure, name: str, title: str, caption: str = "") -> Drawing:
    """The figure in both formats."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the SVG keeps the letter; the PNG shows a box
        missing = glyphs.add_fonts(figure)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # it has been laid out, once for both formats
        svg, png = io.BytesIO(), io.BytesIO()
        figure.set_dpi(_DOTS_PER_INCH)  # of images in the SVG
        # `savefig` would draw each format twice
        FigureCanvasSVG(figure).print_svg(svg, metadata=_NO_METADATA)
        figure.set_dpi(_DOTS_PER_INCH)  # which the SVG has changed
        FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})
    if missing:
        caption = f"{caption} {glyphs.note(missing)}".strip()
    return Drawing(name, title, svg.getvalue(), png.getvalue(), caption, missing)
