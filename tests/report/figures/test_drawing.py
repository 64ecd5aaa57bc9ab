"""What every figure of the report shares: the size of its picture in either format."""

import base64
import io
import re

import matplotlib.image
import numpy as np

from tfcr.report.figures.drawing import new_figure, saved, styled

DOTS_PER_INCH = 160


def test_the_picture_and_images_in_the_svg_have_160_dots_an_inch():
    with styled():
        figure = new_figure(3, 2)
        figure.subplots().plot(np.arange(9), rasterized=True)
        drawing = saved(figure, "line", "A line")
    height, width, _ = matplotlib.image.imread(io.BytesIO(drawing.png)).shape
    assert (width, height) == (3 * DOTS_PER_INCH, 2 * DOTS_PER_INCH)
    svg = drawing.svg.decode()
    assert 'width="216pt" height="144pt"' in svg
    # the line's own image, of some two of the three inches
    [image] = re.findall(r'href="data:image/png;base64,\s*([^"]*)"', svg)
    _, width, _ = matplotlib.image.imread(io.BytesIO(base64.b64decode(image))).shape
    assert 2 * DOTS_PER_INCH < width < 3 * DOTS_PER_INCH
