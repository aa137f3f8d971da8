"""Spectral indices as files: maps as GeoTIFF and PNG, statistics as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any, Final

from landcover.core.errors import BadInput
from landcover.core.raster import Raster
from landcover.core.text import no_formula, plain, time_text
from landcover.explain.indices import INDICES, IndexSummary, colour_bar, coloured, indices, number
from landcover.io import geotiff_writer
from landcover.report.page import GAP, LINE, QUIET, SMALL_LINE, Page

__all__ = ["BAR", "HEAD", "SIDE", "as_csv", "as_geotiff", "as_png"]

SIDE: Final = 240
"""Side of a map in pixels: two per pixel of the patch."""
BAR: Final = 12
HEAD: Final = 80
_NONE: Final = (
    "This patch lacks the bands for spectral indices: give one with B08 and B03, B04, B11 or B12."
)


def as_geotiff(patch: Raster, tags: Mapping[str, str] | None = None) -> bytes:
    """Write the indices as a GeoTIFF in the patch's CRS: float32, one band per index.

    Values are −1 to 1, NaN where unknown.

    Args:
        patch: the patch.
        tags: what the file says of the result (:func:`landcover.report.tags.tags_of`).

    Raises:
        BadInput: the patch lacks the bands for any index.
    """
    found = _indices(patch)

    def fill(file: Any) -> None:  # noqa: ANN401 - rasterio's dataset, which has no types
        for place, (name, summary) in enumerate(found.items(), start=1):
            index = INDICES[name]
            file.write(summary.map, place)
            file.set_band_description(place, f"{name}: {index.title}")
            file.update_tags(place, FORMULA=_formula(name), SOURCE=index.source)

    return geotiff_writer.write_maps(patch, len(found), fill, tags)


def as_csv(patch: Raster, tags: Mapping[str, str] | None = None) -> bytes:
    """Write one row per index: formula, mean, 10th and 90th percentile, share of valid pixels.

    Args:
        patch: the patch.
        tags: further columns, the same in each row.

    Raises:
        BadInput: the patch lacks the bands for any index.
    """
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(("index", "about", "formula", "mean", "p10", "p90", "share", *(tags or {})))
    for name, found in _indices(patch).items():
        values = [
            "" if value is None else f"{value:.6f}"
            for value in (found.mean, found.low, found.high, found.share)
        ]
        lines.writerow(
            (
                name,
                INDICES[name].title,
                _formula(name),
                *values,
                *map(no_formula, (tags or {}).values()),
            )
        )
    return out.getvalue().encode()


def as_png(patch: Raster) -> bytes:
    """Draw the maps of all indices side by side, with their common scale, as a PNG file.

    Raises:
        BadInput: the patch lacks the bands for any index.
    """
    found = _indices(patch)
    width = max(GAP + (SIDE + GAP) * len(found), GAP + 2 * (SIDE + GAP))
    height = HEAD + LINE + SIDE + 2 * SMALL_LINE + 3 * GAP + BAR + SMALL_LINE
    page, inside = Page(width, height), width - 2 * GAP
    page.write((GAP, GAP - 4), "Spectral indices", 22)
    acquired = time_text(patch.acquired.isoformat() if patch.acquired else None)
    where = f"{plain(patch.provenance.source)}, {acquired}, {patch.where}"
    page.write((GAP, GAP + 26), where, 14, QUIET)
    for place, (name, summary) in enumerate(found.items()):
        x = GAP + (SIDE + GAP) * place
        page.write((x, HEAD), f"{name}: {INDICES[name].title}", 14, width=SIDE)
        page.view((x, HEAD + LINE), SIDE, coloured(summary.map))
        y = HEAD + LINE + SIDE + 6
        page.write((x, y), _formula(name), 12, QUIET, width=SIDE)
        mean = "no value" if summary.mean is None else f"{number(summary.mean)} on average"
        page.write((x, y + SMALL_LINE), mean, 12, width=SIDE)
    top = HEAD + LINE + SIDE + 2 * SMALL_LINE + 2 * GAP
    page.paste((GAP, top), colour_bar(inside, BAR)[..., :3])
    page.write((GAP, top + BAR + 3), "−1", 12)
    page.write((width // 2, top + BAR + 3), "0", 12, width=inside, align="center")
    page.write((width - GAP, top + BAR + 3), "1", 12, width=inside, align="right")
    return page.png()


def _indices(patch: Raster) -> dict[str, IndexSummary]:
    found = indices(patch)
    if not found:
        raise BadInput(_NONE)
    return found


def _formula(name: str) -> str:
    index = INDICES[name]
    return f"({index.first} − {index.second}) / ({index.first} + {index.second})"
