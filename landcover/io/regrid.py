"""Bringing pixels to a projected north-up grid of 10 m."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.warp import reproject
from rasterio.warp import transform as warp_transform

from landcover.core.bands import PIXEL_M
from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray, Geo, check_projected, grid
from landcover.io.guard import check_dimensions, shown

MIN_PIXEL_M: Final = 3.0
"""0.00009°, the usual spacing of geographic stacks, is 3.4 m of longitude at 70° north."""
MAX_PIXEL_M: Final = 20.5
"""Stacks at the 20 m of most bands still show fields; coarser ones do not."""
TOLERANCE_M: Final = 0.01
"""By which a pixel's side may differ from 10 m: 1.2 m over a patch."""
MAX_LATITUDE: Final = 84.0
"""UTM's limit to the north; Sentinel-2 itself stops at 84° north and 56° to 80° south."""


@dataclass(frozen=True)
class Grid:
    """Where pixels lie: a CRS and affine coefficients of ``(col, row)``."""

    crs: CRS
    transform: Geo

    @property
    def crs_text(self) -> str:
        """The CRS as text: its EPSG code where it has one."""
        return str(self.crs.to_string())


@dataclass(frozen=True)
class Raw:
    """Pixels as stored ``(band, y, x)``, bool ``(y, x)`` where they have data, and their grid."""

    numbers: npt.NDArray[Any]
    valid: BoolArray
    grid: Grid


def grid_of(raster: DatasetReader, name: str) -> Grid:
    """The grid of an open raster.

    Raises:
        BadInput: it has no CRS or no position, or its coefficients make no sense.
    """
    transform = raster.transform
    if not raster.crs or transform == Affine.identity():
        raise BadInput(
            f"'{shown(name)}' has no position on Earth (CRS and geotransform): "
            "export it as a georeferenced GeoTIFF, or set them with gdal_edit -a_srs -a_ullr."
        )
    a, b, c, d, e, f = tuple(transform)[:6]
    if not all(map(math.isfinite, (a, b, c, d, e, f))) or abs(a * e - b * d) < 1e-18:
        raise _nowhere(name)
    return Grid(raster.crs, (a, b, c, d, e, f))


def to_10_m(raw: Raw, name: str) -> tuple[Raw, str]:
    """Pixels on a projected north-up grid of 10 m, and what was done to get there.

    Raises:
        BadInput: the place cannot be had on such a grid, or its pixels are too coarse or fine.
    """
    if _is_10_m(raw.grid):
        return raw, "none"
    height, width = raw.valid.shape
    zone = _utm_zone(raw.grid, width, height, name)
    size = _pixel_size(raw.grid, zone, width, height, name)
    if not all(MIN_PIXEL_M <= side <= MAX_PIXEL_M for side in size):
        raise BadInput(
            f"'{shown(name)}' has pixels of about {size[0]:.3g} × {size[1]:.3g} m: "
            "give a stack with pixels of 10 m."
        )
    target, (rows, cols) = _target(raw.grid, zone, width, height, name)
    check_dimensions(cols, rows, len(raw.numbers), raw.numbers.itemsize, name)
    numbers = np.zeros((len(raw.numbers), rows, cols), dtype=raw.numbers.dtype)
    valid = np.zeros((rows, cols), dtype=np.uint8)
    for source, into in ((raw.numbers, numbers), (raw.valid.astype(np.uint8), valid)):
        reproject(
            source=source,
            destination=into,
            src_transform=Affine(*raw.grid.transform),
            src_crs=raw.grid.crs,
            dst_transform=Affine(*target.transform),
            dst_crs=target.crs,
            resampling=Resampling.nearest,
        )
    said = (
        f"{raw.grid.crs_text[:40]} with pixels of {size[0]:.1f} × {size[1]:.1f} m "
        f"to {target.crs_text} at 10 m, nearest neighbour"
    )
    return Raw(numbers, valid.astype(np.bool_), target), said


def _is_10_m(where: Grid) -> bool:
    a, b, _, d, e, _ = where.transform
    square = abs(a - PIXEL_M) <= TOLERANCE_M and abs(e + PIXEL_M) <= TOLERANCE_M
    try:
        check_projected(where.crs_text)
    except BadInput:
        return False
    return square and b == 0 and d == 0


def _utm_zone(where: Grid, width: int, height: int, name: str) -> CRS:
    xs, ys = _world(where, [(width / 2, height / 2)])
    (lon,), (lat,) = _project(where.crs, CRS.from_epsg(4326), xs, ys, name)
    if abs(lat) > MAX_LATITUDE or abs(lon) > 180:
        raise _nowhere(name)
    zone = min(int((lon + 180) // 6) + 1, 60)
    return CRS.from_epsg((32600 if lat >= 0 else 32700) + zone)


def _pixel_size(where: Grid, zone: CRS, width: int, height: int, name: str) -> tuple[float, float]:
    """Width and height in metres of the pixel in the middle."""
    col, row = width / 2, height / 2
    xs, ys = _world(where, [(col, row), (col + 1, row), (col, row + 1)])
    e, n = _project(where.crs, zone, xs, ys, name)
    return math.hypot(e[1] - e[0], n[1] - n[0]), math.hypot(e[2] - e[0], n[2] - n[0])


def _target(
    where: Grid, zone: CRS, width: int, height: int, name: str
) -> tuple[Grid, tuple[int, int]]:
    """The grid of whole 10 m steps that covers the picture, and its rows and columns."""
    steps = np.linspace(0.0, 1.0, 21)
    border = [(s * width, t * height) for s in steps for t in (0.0, 1.0)]
    border += [(s * width, t * height) for s in (0.0, 1.0) for t in steps]
    east, north = _project(where.crs, zone, *_world(where, border), name)
    west, top = (math.floor(min(east) / PIXEL_M), math.ceil(max(north) / PIXEL_M))
    cols = math.ceil(max(east) / PIXEL_M) - west
    rows = top - math.floor(min(north) / PIXEL_M)
    return Grid(zone, grid(west * PIXEL_M, top * PIXEL_M)), (rows, cols)


def _world(where: Grid, points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    a, b, c, d, e, f = where.transform
    return (
        [a * col + b * row + c for col, row in points],
        [d * col + e * row + f for col, row in points],
    )


def _project(
    source: CRS, target: CRS, xs: list[float], ys: list[float], name: str
) -> tuple[list[float], list[float]]:
    try:
        east, north = warp_transform(source, target, xs, ys)[:2]
    # rasterio lets errors of GDAL through that share no other public base class.
    except Exception:  # noqa: BLE001
        raise _nowhere(name) from None
    if not all(map(math.isfinite, (*east, *north))):
        raise _nowhere(name)
    return list(east), list(north)


def _nowhere(name: str) -> BadInput:
    return BadInput(
        f"'{shown(name)}' has a position that is nowhere on Earth, or beyond 84° of latitude: "
        "check its CRS and geotransform."
    )
