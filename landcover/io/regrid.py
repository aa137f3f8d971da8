"""Resampling pixels to a projected north-up grid of 10 m."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import CRSError
from rasterio.io import DatasetReader
from rasterio.warp import reproject
from rasterio.warp import transform as warp_transform

from landcover.core.bands import PIXEL_M
from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray
from landcover.core.window import WGS84, Window, check_projected
from landcover.io.guard import FILE

__all__ = [
    "MARGIN",
    "MAX_LATITUDE",
    "MAX_PIXEL_M",
    "MIN_PIXEL_M",
    "TOLERANCE_M",
    "Raw",
    "crs_name",
    "is_10_m",
    "needed",
    "regrid",
    "target_of",
    "window_of",
]

MIN_PIXEL_M: Final = 3.0
"""0.00009°, the usual spacing of geographic stacks, is 3.4 m of longitude at 70° north."""
MAX_PIXEL_M: Final = 20.5
"""Stacks of 20 m pixels, as most bands have, still show fields; coarser ones do not."""
TOLERANCE_M: Final = 0.01
"""Maximum difference of a pixel's side from 10 m: 1.2 m over a patch."""
MAX_LATITUDE: Final = 84.0
"""Northern limit of UTM; Sentinel-2 acquires land up to 84° north and 56° to 80° south."""
MARGIN: Final = 2
"""Pixels read around a part: nearest neighbour needs one, rounding another."""


@dataclass(frozen=True)
class Raw:
    """Pixels as stored ``(band, y, x)``, their validity, bool ``(y, x)``, and their window."""

    numbers: npt.NDArray[Any]
    valid: BoolArray
    window: Window


def window_of(raster: DatasetReader) -> Window:
    """The window that an open raster covers.

    Raises:
        BadInput: it has no CRS or no position, or its coefficients are not valid.
    """
    transform = raster.transform
    if not raster.crs or transform == Affine.identity():
        raise BadInput(
            f"{FILE} has no position on Earth (CRS and geotransform): "
            "export it as a georeferenced GeoTIFF, or set them with gdal_edit -a_srs -a_ullr."
        )
    a, b, c, d, e, f = tuple(transform)[:6]
    if not all(map(math.isfinite, (a, b, c, d, e, f))) or abs(a * e - b * d) < 1e-18:
        raise _nowhere()
    try:
        crs = _text_of(raster.crs)
    except CRSError:
        raise _nowhere() from None
    return Window(
        crs=crs,
        transform=(a, b, c, d, e, f),
        width=raster.width,
        height=raster.height,
    )


def _text_of(crs: CRS) -> str:
    """A CRS as EPSG code if that defines it completely, else as WKT."""
    text = str(crs.to_string())
    return text if CRS.from_user_input(text) == crs else str(crs.to_wkt())


def crs_name(window: Window) -> str:
    """EPSG code of the CRS, or of a similar one; WKT if there is none."""
    return str(CRS.from_user_input(window.crs).to_string())


def is_10_m(where: Window) -> bool:
    """Whether the grid is projected, north-up and of 10 m, so that no resampling is needed."""
    a, b, _, d, e, _ = where.transform
    square = abs(a - PIXEL_M) <= TOLERANCE_M and abs(e + PIXEL_M) <= TOLERANCE_M
    try:
        check_projected(where.crs)
    except BadInput:
        return False
    return square and b == 0 and d == 0


def target_of(source: Window) -> tuple[Window, str]:
    """The window of 10 m pixels, in the UTM zone of the place, that contains a raster.

    Returns:
        The window, and a description of the resampling for the provenance.

    Raises:
        BadInput: the raster is not on Earth, or its pixels are too coarse or too fine.
    """
    zone = _utm_zone(source)
    size = _pixel_size(source, zone)
    if not all(MIN_PIXEL_M <= side <= MAX_PIXEL_M for side in size):
        raise BadInput(
            f"{FILE} has pixels of about {size[0]:.3g} × {size[1]:.3g} m: "
            "give a stack with pixels of 10 m."
        )
    east, north = _project(source.crs, zone, *source.xy(_border(source)))
    target = Window.from_bounds(zone, (min(east), min(north), max(east), max(north)))
    return target, (
        f"{crs_name(source)[:40]} with pixels of {size[0]:.1f} × {size[1]:.1f} m "
        f"to {zone} at 10 m, nearest neighbour"
    )


def needed(source: Window, target: Window) -> tuple[int, int, int, int]:
    """The part of a source that is needed for a window of the target.

    Returns:
        First row, first column, number of rows and of columns in the source; 0 rows or columns
        if the two do not overlap.

    Raises:
        BadInput: the place is not on Earth.
    """
    xs, ys = _project(target.crs, source.crs, *target.xy(_border(target)))
    rows, cols = zip(*source.pixels_of(xs, ys), strict=True)
    top, left = max(math.floor(min(rows)) - MARGIN, 0), max(math.floor(min(cols)) - MARGIN, 0)
    bottom = min(math.ceil(max(rows)) + MARGIN, source.height)
    right = min(math.ceil(max(cols)) + MARGIN, source.width)
    return top, left, max(bottom - top, 0), max(right - left, 0)


def regrid(raw: Raw, target: Window) -> Raw:
    """Resample to the target's grid by nearest neighbour; not valid outside the source.

    GDAL approximates the transformation along a row, to an eighth of a pixel. So if only a
    window is resampled, a few pixels can differ by one source pixel from resampling the entire
    raster.
    """
    shape = (target.height, target.width)
    numbers = np.zeros((len(raw.numbers), *shape), dtype=raw.numbers.dtype)
    valid = np.zeros(shape, dtype=np.uint8)
    if raw.valid.size:
        for source, into in ((raw.numbers, numbers), (raw.valid.astype(np.uint8), valid)):
            reproject(
                source=source,
                destination=into,
                src_transform=raw.window.affine,
                src_crs=raw.window.crs,
                dst_transform=target.affine,
                dst_crs=target.crs,
                resampling=Resampling.nearest,
            )
    return Raw(numbers, valid.astype(np.bool_), target)


def _utm_zone(where: Window) -> str:
    xs, ys = where.xy([(where.width / 2, where.height / 2)])
    (lon,), (lat,) = _project(where.crs, WGS84, xs, ys)
    if abs(lat) > MAX_LATITUDE or abs(lon) > 180:
        raise _nowhere()
    zone = min(int((lon + 180) // 6) + 1, 60)
    return f"EPSG:{(32600 if lat >= 0 else 32700) + zone}"


def _pixel_size(where: Window, zone: str) -> tuple[float, float]:
    """Width and height of the centre pixel in metres."""
    col, row = where.width / 2, where.height / 2
    xs, ys = where.xy([(col, row), (col + 1, row), (col, row + 1)])
    e, n = _project(where.crs, zone, xs, ys)
    return math.hypot(e[1] - e[0], n[1] - n[0]), math.hypot(e[2] - e[0], n[2] - n[0])


def _border(where: Window) -> list[tuple[float, float]]:
    """Points along the four sides, as columns and rows."""
    steps = [float(step) for step in np.linspace(0.0, 1.0, 21)]
    width, height = where.width, where.height
    border = [(s * width, t * height) for s in steps for t in (0.0, 1.0)]
    return border + [(s * width, t * height) for s in (0.0, 1.0) for t in steps]


def _project(
    source: str, target: str, xs: list[float], ys: list[float]
) -> tuple[list[float], list[float]]:
    try:
        east, north = warp_transform(source, target, xs, ys)[:2]
    # rasterio raises errors of GDAL that have no other public base class.
    except Exception:  # noqa: BLE001
        raise _nowhere() from None
    if not all(map(math.isfinite, (*east, *north))):
        raise _nowhere()
    return list(east), list(north)


def _nowhere() -> BadInput:
    return BadInput(
        f"{FILE} has a position that is nowhere on Earth, or beyond 84° of latitude: "
        "check its CRS and geotransform."
    )
