"""A grid of windows over a rectangle on the ground."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from landcover.core.bands import ALIGNMENT, PATCH_PIXELS, PIXEL_M
from landcover.core.errors import BadInput
from landcover.core.place import wrap_longitude
from landcover.core.projection import OffEarth, project, project_bounds
from landcover.core.window import WGS84, Window

__all__ = ["MAX_WINDOWS", "Bounds", "WindowGrid", "window_grid"]

MAX_WINDOWS: Final = 64
"""Windows of one grid: 8 × 8 windows of 1200 m are about 10 km × 10 km."""
SPARE: Final = 0.25
"""Fraction of a window by which a rectangle may exceed a grid: nobody draws to the metre."""
_KM_PER_DEGREE: Final = 111.2


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """A rectangle of latitudes and longitudes (WGS 84 degrees).

    Attributes:
        south, north: latitudes.
        west, east: longitudes; beyond the date line they count on, so west is less than east.
    """

    south: float
    west: float
    north: float
    east: float

    @property
    def centre(self) -> tuple[float, float]:
        """Latitude and longitude of the centre."""
        return (self.south + self.north) / 2, wrap_longitude((self.west + self.east) / 2)

    @property
    def size_m(self) -> tuple[float, float]:
        """Height and width in metres, on a sphere."""
        height = (self.north - self.south) * _KM_PER_DEGREE * 1000
        narrow = math.cos(math.radians(self.centre[0]))
        return height, (self.east - self.west) * _KM_PER_DEGREE * 1000 * narrow


@dataclass(frozen=True, kw_only=True)
class WindowGrid:
    """Windows side by side.

    Attributes:
        whole: the window that contains all of them.
        rows, columns: number of windows down and across.
        side: pixels along a side of each.
    """

    whole: Window
    rows: int
    columns: int
    side: int

    @property
    def corners(self) -> tuple[tuple[int, int], ...]:
        """Row and column of each window's upper left pixel in the whole, row by row."""
        steps = range(self.rows), range(self.columns)
        return tuple((row * self.side, col * self.side) for row in steps[0] for col in steps[1])

    @property
    def windows(self) -> tuple[Window, ...]:
        """The windows, row by row from the upper left."""
        return tuple(self.whole.part(*corner, self.side, self.side) for corner in self.corners)


def window_grid(
    bounds: Bounds,
    *,
    inside: Window | None = None,
    crs: str | None = None,
    side: int = PATCH_PIXELS,
    limit: int = MAX_WINDOWS,
) -> WindowGrid:
    """Lay windows over a rectangle, centred on it.

    Args:
        bounds: the rectangle.
        inside: the ground that pixels exist of, on whose grid the windows then lie; None for the
            10 m grid of a UTM zone.
        crs: that zone; None for the zone at the centre.
        side: pixels along a side of a window.
        limit: maximum number of windows.

    Returns:
        At least one window. The part of the rectangle outside ``inside`` gets none.

    Raises:
        BadInput: more windows would be needed than ``limit``, or the rectangle lies outside.
    """
    if inside is None:
        step = side * PIXEL_M
        height, width = bounds.size_m
        # First from the size in degrees: a projection of half the Earth has no bounds.
        _check(_count(height / step), _count(width / step), limit)
        return _in_zone(bounds, crs, side, limit)
    if min(inside.height, inside.width) < side:
        raise BadInput(
            f"The image has {inside.height} × {inside.width} pixels, less than one window of "
            f"{side} × {side}: choose it without a rectangle."
        )
    top, left, bottom, right = _pixels(bounds, inside)
    if top >= inside.height or left >= inside.width or bottom <= 0 or right <= 0:
        raise BadInput("The rectangle lies outside the image: draw it inside.")
    top, left = max(top, 0.0), max(left, 0.0)
    bottom, right = min(bottom, float(inside.height)), min(right, float(inside.width))
    rows = min(_count((bottom - top) / side), inside.height // side)
    columns = min(_count((right - left) / side), inside.width // side)
    _check(rows, columns, limit)
    row = _start((top + bottom) / 2, rows * side, inside.height)
    col = _start((left + right) / 2, columns * side, inside.width)
    whole = inside.part(row, col, rows * side, columns * side)
    return WindowGrid(whole=whole, rows=rows, columns=columns, side=side)


def _in_zone(bounds: Bounds, crs: str | None, side: int, limit: int) -> WindowGrid:
    """The grid in a UTM zone, on the 60 m lattice of Sentinel-2's tiles."""
    latitude, longitude = bounds.centre
    one = Window.around(latitude, longitude, pixels=side, crs=crs)
    west, south, east, north = project_bounds(WGS84, one.crs, _near(bounds, longitude))
    step = side * PIXEL_M
    rows, columns = _count((north - south) / step), _count((east - west) / step)
    _check(rows, columns, limit)
    # Moved by whole pixels of 60 m from the window in the centre, so it stays on the lattice.
    row = round((rows - 1) * side / 2 / ALIGNMENT) * ALIGNMENT
    col = round((columns - 1) * side / 2 / ALIGNMENT) * ALIGNMENT
    whole = one.part(-row, -col, rows * side, columns * side)
    return WindowGrid(whole=whole, rows=rows, columns=columns, side=side)


def _near(bounds: Bounds, longitude: float) -> tuple[float, float, float, float]:
    """West, south, east and north, with longitudes around the wrapped one of the centre."""
    half = (bounds.east - bounds.west) / 2
    return longitude - half, bounds.south, longitude + half, bounds.north


def _pixels(bounds: Bounds, inside: Window) -> tuple[float, float, float, float]:
    """First and last row and column of the rectangle's corners: top, left, bottom, right."""
    west, south, east, north = _near(bounds, bounds.centre[1])
    lons, lats = [west, east, east, west], [north, north, south, south]
    try:
        xs, ys = project(WGS84, inside.crs, lons, lats)
    except OffEarth:
        raise BadInput("The rectangle lies outside the image: draw it inside.") from None
    rows, cols = zip(*inside.pixels_of(xs, ys), strict=True)
    return min(rows), min(cols), max(rows), max(cols)


def _count(windows: float) -> int:
    return max(1, math.ceil(windows - SPARE))


def _start(middle: float, length: int, available: int) -> int:
    """First pixel of ``length`` pixels around the middle, aligned, inside what is available."""
    start = min(max(round(middle - length / 2), 0), available - length)
    return start // ALIGNMENT * ALIGNMENT


def _check(rows: int, columns: int, limit: int) -> None:
    if rows * columns > limit:
        raise BadInput(
            f"This rectangle needs {rows * columns:,} windows of 1200 m ({rows:,} × {columns:,}), "
            f"and at most {limit} are classified at once: draw a smaller one."
        )
