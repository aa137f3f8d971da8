"""Resampling pixels to a projected north-up grid of 10 m."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.crs import CRS
from rasterio.io import DatasetReader

from landcover.core.bands import PIXEL_M
from landcover.core.errors import BadInput
from landcover.core.projection import (
    OffEarth,
    crs_of,
    is_geographic,
    project,
    same_crs,
    text_of,
    wkt_of,
)
from landcover.core.raster import BoolArray
from landcover.core.window import LEAST_AREA, WGS84, Window, check_projected, grid
from landcover.io.guard import FILE, Part

__all__ = [
    "COARSE_M",
    "LEAST_PIXELS",
    "MARGIN",
    "MAX_LATITUDE",
    "MAX_PIXEL_M",
    "MIN_PIXEL_M",
    "NODES",
    "NO_PLACE",
    "TOLERANCE_M",
    "TOLERANCE_SHARE",
    "Raw",
    "Target",
    "crs_name",
    "needed",
    "regrid",
    "regrid_reflected",
    "target_of",
    "window_of",
]

MIN_PIXEL_M: Final = 3.0
"""0.00009°, the usual spacing of geographic stacks, is 3.4 m of longitude at 70° north."""
MAX_PIXEL_M: Final = 65.0
"""The coarsest bands of Sentinel-2 have 60 m. ``python -m tools.window_cost`` measures the cost."""
COARSE_M: Final = 12.0
"""Pixels whose longer side exceeds this lack detail that 10 m shows."""
LEAST_PIXELS: Final = 40
"""Pixels of 10 m that a file must cover along each side, the rest of a window being padded."""
NO_PLACE: Final = ""
"""CRS of a window whose place is unknown."""
TOLERANCE_M: Final = 0.01
"""Maximum difference of a pixel's side from 10 m in the units of the CRS: 1.2 m over a patch."""
TOLERANCE_SHARE: Final = 0.01
"""The same on the ground: 12 m over a patch. Web Mercator's metres differ by half at 48° north."""
MAX_LATITUDE: Final = 84.0
"""Northern limit of UTM; Sentinel-2 acquires land up to 84° north and 56° to 80° south."""
MARGIN: Final = 2
"""Pixels read around a part: nearest neighbour needs one, rounding another."""
NODES: Final = 16
"""Pixels between the points whose place in a source is computed exactly; other places are
interpolated. Over 160 m this errs by less than a thousandth of a pixel."""
_STRIP: Final = 16 * NODES
_TORN: Final = 1_000.0
"""Pixels of a source between two nodes, 50 for the finest source; more where a CRS is torn."""
_NUDGE: Final = 1e-6


@dataclass(frozen=True)
class Raw:
    """Pixels as stored ``(band, y, x)``, their validity, bool ``(y, x)``, and their window."""

    numbers: npt.NDArray[Any]
    valid: BoolArray
    window: Window


@dataclass(frozen=True)
class Target:
    """The grid of 10 m to which a raster is resampled.

    Attributes:
        window: the grid; the raster's own if it is one of 10 m.
        resampling: description for the provenance, "none" if nothing is resampled.
        native_pixel_m: longer side of the raster's pixels on the ground, if they are so coarse
            that detail is missing; else None.
    """

    window: Window
    resampling: str = "none"
    native_pixel_m: float | None = None

    def at_least(self, side: int) -> Window:
        """The grid enlarged evenly on opposite sides to at least ``side`` pixels a side."""
        rows, cols = max(self.window.height, side), max(self.window.width, side)
        top, left = (rows - self.window.height) // 2, (cols - self.window.width) // 2
        return self.window.part(-top, -left, rows, cols)

    @property
    def same(self) -> bool:
        """Whether the raster is on this grid already."""
        return self.resampling == "none"

    def check_size(self) -> None:
        """Check that a raster is large enough.

        Raises:
            BadInput: it covers fewer than 40 pixels of 10 m along a side.
        """
        if min(self.window.height, self.window.width) < LEAST_PIXELS:
            raise BadInput(
                f"{FILE} covers {self.window.width} × {self.window.height} pixels of 10 m: "
                f"give at least {LEAST_PIXELS} × {LEAST_PIXELS} ({LEAST_PIXELS * PIXEL_M} m)."
            )


def window_of(raster: DatasetReader) -> Window:
    """The window that an open raster covers.

    If it has no CRS or no position, the window's CRS is :data:`NO_PLACE` and its pixels are
    assumed to measure 10 m.

    Raises:
        BadInput: its coefficients are not valid.
    """
    transform = raster.transform
    if not raster.crs or transform == Affine.identity():
        return Window(crs=NO_PLACE, transform=grid(0, 0), width=raster.width, height=raster.height)
    a, b, c, d, e, f = tuple(transform)[:6]
    if not all(map(math.isfinite, (a, b, c, d, e, f))) or abs(a * e - b * d) < LEAST_AREA:
        raise _nowhere()
    crs = _text_of(raster.crs)
    return Window(
        crs=crs,
        transform=(a, b, c, d, e, f),
        width=raster.width,
        height=raster.height,
    )


def _text_of(crs: CRS) -> str:
    """A CRS as EPSG code if that defines it completely, else as WKT."""
    try:
        text = text_of(crs)
        return text if same_crs(text, crs) else wkt_of(crs)
    except OffEarth:
        raise _nowhere() from None


def crs_name(window: Window) -> str:
    """EPSG code of the CRS, or of a similar one; WKT if there is none."""
    return text_of(window.crs)


def target_of(source: Window) -> Target:
    """The grid of 10 m for a raster, which is its own if a pixel measures 10 m on the ground.

    A raster on another grid is resampled to the UTM zone of its place.

    Raises:
        BadInput: the raster is not on Earth, or its pixels are too coarse or too fine.
    """
    if source.crs == NO_PLACE:
        return Target(source)
    zone = _utm_zone(source)
    size = _pixel_size(source, zone)
    if _is_10_m(source, size):
        return Target(source)
    if max(size) > MAX_PIXEL_M or min(size) < MIN_PIXEL_M:
        raise BadInput(
            f"{FILE} has pixels of about {size[0]:.3g} × {size[1]:.3g} m on the ground, not "
            f"{MIN_PIXEL_M:g} to {MAX_PIXEL_M:g} m: resample it to 10 m (gdalwarp -t_srs {zone} "
            "-tr 10 10), or export it again if its pixels are coarser."
        )
    east, north = _project(source.crs, zone, *source.xy(_border(source)))
    return Target(
        window=Window.from_bounds(zone, (min(east), min(north), max(east), max(north))),
        resampling=(
            f"{crs_name(source)[:40]} with pixels of {size[0]:.1f} × {size[1]:.1f} m "
            f"to {zone} at 10 m, nearest neighbour"
        ),
        native_pixel_m=round(max(size), 1) if max(size) > COARSE_M else None,
    )


def _is_10_m(where: Window, size: tuple[float, float]) -> bool:
    """Whether a grid is projected, north-up and of 10 m, also on the ground."""
    a, b, _, d, e, _ = where.transform
    square = abs(a - PIXEL_M) <= TOLERANCE_M and abs(e + PIXEL_M) <= TOLERANCE_M
    try:
        check_projected(where.crs)
    except BadInput:
        return False
    ground = all(abs(side / PIXEL_M - 1) <= TOLERANCE_SHARE for side in size)
    return square and b == 0 and d == 0 and ground


def needed(source: Window, target: Window) -> tuple[int, int, int, int]:
    """The part of a source that is needed for a window of the target.

    Returns:
        First row, first column, number of rows and of columns in the source; 0 rows or columns
        if the two do not overlap.

    Raises:
        BadInput: the place is not on Earth.
    """
    top, left, bottom, right = _span(source, target)
    top, left = max(top, 0), max(left, 0)
    bottom, right = min(bottom, source.height), min(right, source.width)
    return top, left, max(bottom - top, 0), max(right - left, 0)


def _span(source: Window, target: Window) -> Part:
    """First row and column of a source that a window of the target touches, and those after it."""
    xs, ys = _project(target.crs, source.crs, *target.xy(_border(target)))
    rows, cols = zip(*source.pixels_of(xs, ys), strict=True)
    return (
        math.floor(min(rows)) - MARGIN,
        math.floor(min(cols)) - MARGIN,
        math.ceil(max(rows)) + MARGIN,
        math.ceil(max(cols)) + MARGIN,
    )


def regrid_reflected(raw: Raw, target: Window) -> tuple[Raw, BoolArray]:
    """Resample to a target that is larger than the source, which continues as its reflection.

    Returns:
        The pixels, and which of them are the source's own, bool ``(y, x)``.

    Raises:
        BadInput: the place is not on Earth.
    """
    height, width = raw.valid.shape
    span = _span(raw.window, target)
    # Across the date line the span is of the whole Earth.
    most = math.ceil(2 * max(target.height, target.width) * PIXEL_M / MIN_PIXEL_M)
    sides = (-span[0], span[2] - height), (-span[1], span[3] - width)
    (top, bottom), (left, right) = [[min(max(n, 0), most) for n in pair] for pair in sides]
    pads = (top, bottom), (left, right)
    wide = Raw(
        np.pad(raw.numbers, ((0, 0), *pads), mode="symmetric"),
        np.pad(raw.valid, pads, mode="symmetric"),
        raw.window.part(-top, -left, height + top + bottom, width + left + right),
    )
    own = np.ones(raw.valid.shape, dtype=np.bool_)
    covered = regrid(Raw(own[None].astype(np.uint8), own, raw.window), target).valid
    return regrid(wide, target), covered


def regrid(raw: Raw, target: Window) -> Raw:
    """Resample to the target's north-up grid by nearest neighbour; not valid outside the source.

    A part of a grid gets the same pixels as if the entire grid was resampled, to the bit: places
    are computed at fixed points of the ground (:data:`NODES`). It costs about 0.12 s for a million
    pixels of twelve bands, where GDAL's resampling takes as long, but approximates each row by
    itself, so that blocks differ from the whole.
    """
    count, (height, width) = len(raw.numbers), raw.valid.shape
    numbers = np.zeros((count, target.height, target.width), dtype=raw.numbers.dtype)
    valid = np.zeros((target.height, target.width), dtype=np.bool_)
    if not raw.valid.size:
        return Raw(numbers, valid, target)
    flat = raw.numbers.reshape(count, -1)
    # Some rows at a time, because the places take more memory than the pixels.
    for top in range(0, target.height, _STRIP):
        strip = slice(top, top + _STRIP)
        rows, cols = _places(
            raw.window, target.part(top, 0, min(_STRIP, target.height - top), target.width)
        )
        inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        index = np.where(inside, rows * width + cols, 0).astype(np.intp)
        valid[strip] = inside & raw.valid.ravel()[index]
        outside = None if inside.all() else ~inside
        for pixels, out in zip(flat, numbers[:, strip], strict=True):
            out[:] = pixels[index]
            if outside is not None:
                out[outside] = 0
    return Raw(numbers, valid, target)


def _places(source: Window, target: Window) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Row and column in the source of each pixel of a north-up target, whole numbers."""
    a, _, west, _, e, north = target.transform
    across, down = NODES * a, -NODES * e
    # Positions of the pixels' centres, counted in nodes from the origin of the CRS.
    x = (west + (np.arange(target.width) + 0.5) * a) / across
    y = (north + (np.arange(target.height) + 0.5) * e) / down
    left, bottom = math.floor(x[0]), math.floor(y[-1])
    xs = (left + np.arange(math.floor(x[-1]) - left + 2)) * across
    ys = (bottom + np.arange(math.floor(y[0]) - bottom + 2)) * down
    grid_x, grid_y = np.meshgrid(xs, ys)
    found = _project(target.crs, source.crs, grid_x.ravel().tolist(), grid_y.ravel().tolist())
    xs, ys = np.asarray(found[0]), np.asarray(found[1])
    if is_geographic(crs_of(source.crs)):  # longitudes may be counted from another meridian
        ((middle,), _) = source.xy([(source.width / 2, source.height / 2)])
        xs += 360 * np.round((middle - xs) / 360)
    pixels = source.pixels_of(xs.tolist(), ys.tolist())
    nodes = np.array(pixels).T.reshape(2, *grid_x.shape)
    _tear(nodes)
    return _between(nodes[0], y - bottom, x - left), _between(nodes[1], y - bottom, x - left)


def _tear(nodes: npt.NDArray[np.float64]) -> None:
    """Mark nodes ``(2, y, x)`` as nowhere between which the source's CRS is torn."""
    torn = np.zeros(nodes.shape[1:], dtype=np.bool_)
    down = (np.abs(np.diff(nodes, axis=1)) > _TORN).any(axis=0)
    across = (np.abs(np.diff(nodes, axis=2)) > _TORN).any(axis=0)
    torn[:-1] |= down
    torn[1:] |= down
    torn[:, :-1] |= across
    torn[:, 1:] |= across
    nodes[:, torn] = np.nan


def _between(
    nodes: npt.NDArray[np.float64], y: npt.NDArray[np.float64], x: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Whole numbers at positions ``y`` and ``x`` between nodes, by bilinear interpolation."""
    row, col = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
    down, across = (y - row)[:, None], x - col
    lines = nodes[row] * (1 - down) + nodes[row + 1] * down
    values = lines[:, col] * (1 - across) + lines[:, col + 1] * across
    # A centre on the edge of two pixels is always in the second one, whatever was rounded.
    return np.floor(values + _NUDGE)


def _utm_zone(where: Window) -> str:
    xs, ys = where.xy([(where.width / 2, where.height / 2)])
    (lon,), (lat,) = _project(where.crs, WGS84, xs, ys)
    if abs(lat) > MAX_LATITUDE or abs(lon) > 360:
        raise _nowhere()
    zone = int((lon + 180) % 360 // 6) + 1
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
        return project(source, target, xs, ys)
    except OffEarth:
        raise _nowhere() from None


def _nowhere() -> BadInput:
    return BadInput(
        f"{FILE} has a position that is nowhere on Earth, or beyond 84° of latitude: "
        "check its CRS and geotransform."
    )
