"""One figure of a map of an area, for a report or a talk: picture, covers, confidence, legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from landcover import __version__
from landcover.areas import legend, preview
from landcover.areas.canvas import Canvas
from landcover.areas.layout import NODATA
from landcover.areas.table import AreaRow
from landcover.core.raster import ByteArray
from landcover.core.text import plain
from landcover.core.window import Window
from landcover.report.page import GAP, INK, LINE, QUIET, SMALL_LINE, Page, wrapped

__all__ = ["SIDE", "WIDTH", "as_png"]

SIDE: Final = 440
"""Side of the square in which each view is drawn, in pixels."""
WIDTH: Final = 3 * SIDE + 4 * GAP
_NOTE: Final = (
    "Hectares are corrected for the errors that were measured at places with known covers, with "
    "an interval of 95 %; where the data do not support it, there are none."
)


def as_png(
    canvas: Canvas, *, title: str, model: str, rows: Sequence[AreaRow] = (), notes: str = ""
) -> bytes:
    """Draw a map as a PNG file.

    Args:
        canvas: the map.
        title: of the figure, such as the name of the source.
        model: name of the model and hash of its card.
        rows: the table of hectares.
        notes: what is to be known about the imagery, such as its date.
    """
    entries = legend.entries(canvas.covers)
    lines = [
        *wrapped(_NOTE, 12, WIDTH - 2 * GAP),
        *wrapped(
            f"{model}, landcover {__version__}. {notes} Contains modified Copernicus Sentinel "
            "data.",
            12,
            WIDTH - 2 * GAP,
        ),
    ]
    height = 2 * GAP + 70 + LINE + SIDE + (len(entries) + 1) * LINE + len(lines) * SMALL_LINE + GAP
    page = Page(WIDTH, height)
    page.write((GAP, GAP - 4), plain(title), 22, bold=True)
    page.write((GAP, GAP + 26), _subtitle(canvas), 14, QUIET)
    top = GAP + 56
    for number, (name, picture) in enumerate(_views(canvas)):
        left = GAP + number * (SIDE + GAP)
        page.write((left, top), name, 14, width=SIDE)
        page.view((left, top + LINE), SIDE, _squared(picture))
    below = top + LINE + SIDE + 12
    _legend(page, below, entries, rows)
    page.paragraph(
        (GAP, below + (len(entries) + 1) * LINE + 6),
        lines,
        12,
        QUIET,
        line=SMALL_LINE,
        width=WIDTH - 2 * GAP,
    )
    return page.png()


def _views(canvas: Canvas) -> list[tuple[str, ByteArray]]:
    views = [("True colour", canvas.picture.transpose(1, 2, 0))]
    if canvas.covers:
        numbers = canvas.shown(frozenset(canvas.covers), 0.0)
        painted = preview.coloured(numbers, legend.entries(canvas.covers))
        views.append(("Most probable cover of each cell of 80 m", painted))
    sure = canvas.confidence
    rgba = np.zeros((*sure.shape, 4), dtype=np.uint8)
    rgba[..., :3] = preview.ramp(np.minimum(sure, 250) / 250.0)
    rgba[..., 3] = np.where(sure == NODATA, 0, 255)
    views.append(("Confidence: dark violet 0 %, green 75 %, yellow 100 %", rgba))
    return views


def _squared(picture: ByteArray) -> ByteArray:
    """The picture in a transparent square, so that it keeps its proportions."""
    height, width = picture.shape[:2]
    side = max(height, width)
    out = np.zeros((side, side, 4), dtype=np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    out[top : top + height, left : left + width] = picture
    return out


def _legend(
    page: Page, top: int, entries: Sequence[legend.LegendEntry], rows: Sequence[AreaRow]
) -> None:
    areas = {row.label: row for row in rows if row.windows is None}
    page.write((GAP, top), "Cover", 13, QUIET, width=SIDE)
    page.write((GAP + 340, top), "On the map", 13, QUIET, width=SIDE)
    page.write((GAP + 480, top), "Corrected, hectares", 13, QUIET, width=SIDE)
    for number, entry in enumerate(entries, 1):
        y = top + number * LINE
        page.rectangle((GAP, y - 1), 28, 18, entry.rgb, INK)
        dark = (0, 0, 0) if entry.ink == "#000000" else (255, 255, 255)
        page.write((GAP + 14, y + 1), entry.letters, 13, dark, bold=True, align="center")
        page.write((GAP + 40, y), entry.name, 14, width=290)
        row = areas.get(entry.name)
        if row is not None:
            on_map = "" if row.mapped_ha is None else f"{row.mapped_ha:,.1f}"
            page.write((GAP + 340, y), on_map, 14, width=130)
            page.write((GAP + 480, y), area_text(row), 14, width=WIDTH - 2 * GAP - 480)


def area_text(row: AreaRow) -> str:
    """The corrected hectares of a row with their interval, or why there are none."""
    if row.adjusted_ha is None:
        return row.note or "no hectares"
    text = f"{row.adjusted_ha:,.1f}"
    if row.low_ha is not None and row.high_ha is not None:
        text += f" [{row.low_ha:,.1f} to {row.high_ha:,.1f}]"
    return text


def _subtitle(canvas: Canvas) -> str:
    window: Window = canvas.plan.window
    latitude, longitude = window.centre
    return (
        f"{canvas.plan.km2:,.1f} km² around {latitude:.4f}, {longitude:.4f} (WGS 84), "
        f"{window.crs}, {window.width * 10:,} × {window.height * 10:,} m"
    )
