"""A white page for PNG figures, drawn with matplotlib.

Positions are pixels from the upper left corner. Only matplotlib's object interface is used:
``pyplot`` shares its figures between threads. Settings of a ``matplotlibrc`` have no effect.
Import this module only where figures are drawn, since matplotlib takes a second to load.
"""

from __future__ import annotations

import io
import textwrap
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Bbox, IdentityTransform
from PIL import Image

from landcover.core.raster import ByteArray

__all__ = ["GAP", "INK", "LINE", "QUIET", "RULE", "SMALL_LINE", "Page", "wrapped"]

GAP: Final = 24
"""Margin, and space between two images, in pixels."""
LINE: Final = 24
"""Height of a line of text, in pixels."""
SMALL_LINE: Final = 18
"""Height of a line of small text, in pixels."""

INK: Final = (31, 35, 40)
QUIET: Final = (87, 96, 106)
RULE: Final = (208, 215, 222)
"""Colour of thin lines, and of pixels without data."""

Rgb = tuple[int, int, int]
At = tuple[int, int]
_DPI: Final = 64
"""A power of two, so that a size in inches converts back to the exact number of pixels."""
_POINTS: Final = 72 / _DPI
"""Points per pixel."""
_LEADING: Final = 0.17
"""Space above the letters, relative to their size."""


class Page:
    """A page of ``width`` × ``height`` pixels.

    Attributes:
        figure: the matplotlib figure.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
        self._canvas = FigureCanvasAgg(self.figure)

    def write(
        self,
        at: At,
        text: str,
        size: int,
        colour: Rgb = INK,
        *,
        width: int | None = None,
        bold: bool = False,
        align: Literal["left", "center", "right"] = "left",
    ) -> None:
        """Write one line of text, shortened with an ellipsis if it is longer than ``width``.

        Args:
            at: upper left corner of the text, or its upper centre or right corner by ``align``.
            text: characters that the font lacks become question marks.
            size: of the font, in pixels.
            colour: red, green and blue, 0 to 255.
            width: in pixels; by default up to the right margin.
            bold: whether to use the bold font.
            align: which part of the text lies at ``at``.
        """
        x, y = at
        room = self.width - GAP - x if width is None else width
        clip = Bbox.from_bounds(x, 0, room, self.height) if align == "left" else None
        self.figure.text(
            x,
            self.height - y - _LEADING * size,
            _fitting(_drawable(text, bold=bold), size, room, bold=bold),
            transform=IdentityTransform(),
            fontproperties=FontProperties(fname=_font(bold=bold), size=size * _POINTS),
            color=_colour(colour),
            horizontalalignment=align,
            verticalalignment="top",
            parse_math=False,
            usetex=False,
            clip_on=clip is not None,
            clip_box=clip,
        )

    def paragraph(
        self, at: At, lines: list[str], size: int, colour: Rgb = INK, *, line: int, width: int
    ) -> None:
        """Write lines of text, ``line`` pixels apart."""
        for row, text in enumerate(lines):
            self.write((at[0], at[1] + row * line), text, size, colour, width=width)

    def view(self, at: At, side: int, values: ByteArray) -> None:
        """Draw a picture, uint8 ``(y, x, 3 or 4)``, as a square of ``side`` pixels.

        Pixels are repeated without interpolation; transparent ones get the colour :data:`RULE`.
        """
        rows, columns = (np.arange(side) * count // side for count in values.shape[:2])
        large = values[rows][:, columns].astype(np.float64)
        if values.shape[2] == 4:
            alpha = large[..., 3:] / 255
            large = alpha * large[..., :3] + (1 - alpha) * np.array(RULE)
        self.paste(at, large.round().astype(np.uint8))

    def paste(self, at: At, values: ByteArray) -> None:
        """Draw an image, uint8 ``(y, x, 3)``, pixel by pixel."""
        below = self.height - at[1] - values.shape[0]
        self.figure.figimage(values, at[0], below, origin="upper")

    def rectangle(
        self, at: At, width: float, height: float, colour: Rgb, edge: Rgb | None = None
    ) -> None:
        """Draw a filled rectangle, with an outline of one pixel if ``edge`` is given."""
        shape = Rectangle(
            (at[0], self.height - at[1] - height),
            width,
            height,
            transform=IdentityTransform(),
            facecolor=_colour(colour),
            edgecolor=_colour(edge) if edge else "none",
            linewidth=_POINTS if edge else 0,
        )
        self.figure.add_artist(shape)

    def line(self, start: At, end: At, colour: Rgb = RULE, width: int = 1) -> None:
        """Draw a straight line, ``width`` pixels thick."""
        (x1, y1), (x2, y2) = start, end
        shape = Line2D(
            [x1, x2],
            [self.height - y1, self.height - y2],
            transform=IdentityTransform(),
            color=_colour(colour),
            linewidth=width * _POINTS,
            solid_capstyle="butt",
        )
        self.figure.add_artist(shape)

    def footer(self, lines: list[str]) -> None:
        """Write small text at the lower margin, below a thin line."""
        top = self.height - GAP - SMALL_LINE * len(lines)
        inside = self.width - 2 * GAP
        self.line((GAP, top - 9), (self.width - GAP, top - 9))
        self.paragraph((GAP, top), lines, 12, QUIET, line=SMALL_LINE, width=inside)

    def png(self) -> bytes:
        """Encode the page as a PNG file."""
        out = io.BytesIO()
        self._canvas.draw()  # type: ignore[no-untyped-call]
        buffer = self._canvas.buffer_rgba()  # type: ignore[no-untyped-call]
        drawn = np.asarray(buffer)[..., :3]
        Image.fromarray(np.ascontiguousarray(drawn)).save(out, "PNG", optimize=True)
        return out.getvalue()


def wrapped(text: str, size: int, width: int) -> list[str]:
    """Break a text into lines of at most ``width`` pixels; an empty text gives one empty line."""
    letters = _drawable(text, bold=False)
    measured = _length(letters, size, bold=False)
    if measured <= width:
        return [letters]
    # Letters differ in width, so lines are a little shorter than the mean width allows.
    return textwrap.wrap(letters, max(1, int(0.94 * width * len(letters) / measured)))


def _fitting(text: str, size: int, width: int, *, bold: bool) -> str:
    measured = _length(text, size, bold=bold)
    if measured <= width:
        return text
    return text[: max(0, int(width * len(text) / measured) - 1)].rstrip() + "…"


def _length(text: str, size: int, *, bold: bool) -> float:
    """Measure the width of a text in pixels."""
    if not text:
        return 0.0
    font = FontProperties(fname=_font(bold=bold), size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def _drawable(text: str, *, bold: bool) -> str:
    """Join a text to one line and replace letters that the font lacks, to avoid warnings."""
    font = get_font(_font(bold=bold))
    line = " ".join(text.split())
    return "".join(letter if font.get_char_index(ord(letter)) else "?" for letter in line)


@lru_cache(maxsize=2)
def _font(*, bold: bool) -> str:
    """Find the font file of DejaVu Sans, which is part of matplotlib."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name)


def _colour(colour: Rgb) -> tuple[float, float, float]:
    red, green, blue = colour
    return red / 255, green / 255, blue / 255
