"""Spectral indices as files: their maps as GeoTIFF and as one picture, their figures as CSV."""

from __future__ import annotations

import csv
import io
from typing import Any, Final

from PIL import Image, ImageDraw

from landcover.core.errors import BadInput
from landcover.core.raster import Raster
from landcover.core.text import place_text, plain, time_text
from landcover.explain.indices import INDICES, IndexSummary, colour_bar, coloured, indices, number
from landcover.io import geotiff_writer
from landcover.report.sheet import FOOTER_LINE, GAP, INK, LINE, PAPER, QUIET, RULE
from landcover.report.sheet import _drawable as drawable
from landcover.report.sheet import _fit as fit
from landcover.report.sheet import _font as font

SIDE: Final = 240
"""Pixels of a view: two a pixel of the patch."""
BAR: Final = 12
HEAD: Final = 62
_NONE: Final = (
    "This patch has the bands of no spectral index: give one with B08 and B03, B04, B11 or B12."
)


def as_geotiff(patch: Raster) -> bytes:
    """A GeoTIFF in the patch's CRS: float32, one band an index, −1 to 1, NaN where unknown.

    Raises:
        BadInput: the patch has the bands of no index.
    """
    found = _some(patch)

    def fill(file: Any) -> None:  # noqa: ANN401 - rasterio's dataset, which has no types
        for place, (name, summary) in enumerate(found.items(), start=1):
            index = INDICES[name]
            file.write(summary.map, place)
            file.set_band_description(place, f"{name}: {index.title}")
            file.update_tags(place, FORMULA=_formula(name), SOURCE=index.source)

    return geotiff_writer.of_maps(patch, len(found), fill)


def as_csv(patch: Raster) -> bytes:
    """One line an index: formula, mean, 10th and 90th percentile, share of pixels with a value.

    Raises:
        BadInput: the patch has the bands of no index.
    """
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(("index", "about", "formula", "mean", "p10", "p90", "share"))
    for name, found in _some(patch).items():
        values = [
            "" if value is None else f"{value:.6f}"
            for value in (found.mean, found.low, found.high, found.share)
        ]
        lines.writerow((name, INDICES[name].title, _formula(name), *values))
    return out.getvalue().encode()


def as_png(patch: Raster) -> bytes:
    """The maps of all indices beside each other, with their one scale, as a PNG file.

    Raises:
        BadInput: the patch has the bands of no index.
    """
    found = _some(patch)
    width = max(GAP + (SIDE + GAP) * len(found), GAP + 2 * (SIDE + GAP))
    height = HEAD + LINE + SIDE + 2 * FOOTER_LINE + 3 * GAP + BAR + FOOTER_LINE
    image = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(image)
    inside = width - 2 * GAP
    _write(pen, (GAP, GAP - 4), "What the pixels look like by themselves", 22, width=inside)
    acquired = time_text(patch.acquired.isoformat() if patch.acquired else None)
    where = f"{plain(patch.provenance.source)}, {acquired}, {place_text(*patch.centre)}"
    _write(pen, (GAP, GAP + 26), where, 14, width=inside, colour=QUIET)
    for place, (name, summary) in enumerate(found.items()):
        x = GAP + (SIDE + GAP) * place
        _write(pen, (x, HEAD), f"{name}: {INDICES[name].title}", 14, width=SIDE)
        ground = Image.new("RGB", (SIDE, SIDE), RULE)
        view = Image.fromarray(coloured(summary.map)).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        ground.paste(view, (0, 0), view)
        image.paste(ground, (x, HEAD + LINE))
        y = HEAD + LINE + SIDE + 6
        _write(pen, (x, y), _formula(name), 12, width=SIDE, colour=QUIET)
        mean = "no value" if summary.mean is None else f"{number(summary.mean)} on average"
        _write(pen, (x, y + FOOTER_LINE), mean, 12, width=SIDE)
    top = HEAD + LINE + SIDE + 2 * FOOTER_LINE + 2 * GAP
    image.paste(Image.fromarray(colour_bar(inside, BAR)[..., :3]), (GAP, top))
    small = font(12)
    for x, text, anchor in (
        (GAP, "−1", "la"),
        (width // 2, "0", "ma"),
        (width - GAP, "1", "ra"),
    ):
        pen.text((x, top + BAR + 3), drawable(text, small), fill=INK, font=small, anchor=anchor)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _some(patch: Raster) -> dict[str, IndexSummary]:
    found = indices(patch)
    if not found:
        raise BadInput(_NONE)
    return found


def _formula(name: str) -> str:
    index = INDICES[name]
    return f"({index.first} − {index.second}) / ({index.first} + {index.second})"


def _write(
    pen: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    *,
    width: int,
    colour: tuple[int, int, int] = INK,
) -> None:
    letters = font(size)
    pen.text(at, fit(drawable(text, letters), letters, width), fill=colour, font=letters)
