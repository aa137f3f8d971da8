"""Windows on the ground, and squares to cut out of a raster."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from affine import Affine
from rasterio.crs import CRS

from landcover.core.bands import PIXEL_M
from landcover.core.errors import BadInput
from landcover.core.projection import OffEarth, crs_of, is_metric, project
from landcover.core.text import plain

__all__ = [
    "LATTICE_M",
    "LEAST_AREA",
    "SOUTHERN_FALSE_NORTHING_M",
    "WGS84",
    "Cut",
    "Geo",
    "Window",
    "check_projected",
    "grid",
    "zone_of",
]

LEAST_AREA: Final = 1e-18
"""Pixels of a smaller area, in units of the CRS, are damage of a file."""

Geo = tuple[float, float, float, float, float, float]
"""Affine coefficients ``(a, b, c, d, e, f)``: x = a·col + b·row + c, y = d·col + e·row + f."""

WGS84: Final = "EPSG:4326"
LATTICE_M: Final = 60
"""Spacing of the lattice that all Sentinel-2 tiles of a UTM zone share. A window with its corners
on it has whole pixels of 10, 20 and 60 m, so granules are joined and cut without resampling."""
SOUTHERN_FALSE_NORTHING_M: Final = 10_000_000
"""False northing of the southern zones, where their lattice starts; no multiple of 60."""


@lru_cache(maxsize=256)
def check_projected(crs: str) -> CRS:
    """Parse a CRS and check that it is projected and in metres.

    Raises:
        BadInput: the text is not a CRS, or the CRS is geographic or not in metres.
    """
    parsed = crs_of(crs)
    if not is_metric(parsed):
        raise BadInput(
            f"{plain(crs)[:60]} is not a projected CRS in metres: reproject to the UTM zone of the "
            "place."
        )
    return parsed


def grid(west: float, north: float, pixel: float = PIXEL_M) -> Geo:
    """Affine coefficients of a north-up grid with the upper left corner ``(west, north)``."""
    return (float(pixel), 0.0, float(west), 0.0, -float(pixel), float(north))


def zone_of(latitude: float, longitude: float) -> str:
    """EPSG code of a place's UTM zone, with the exceptions for Norway and Svalbard."""
    number = int((longitude + 180) // 6) % 60 + 1
    if 56 <= latitude < 64 and 3 <= longitude < 12:
        number = 32
    elif latitude >= 72 and 0 <= longitude < 42:
        number = 31 + 2 * int((longitude + 3) // 12)
    return f"EPSG:{'326' if latitude >= 0 else '327'}{number:02d}"


@dataclass(frozen=True, kw_only=True)
class Window:
    """A rectangle of pixels on the ground.

    Attributes:
        crs: coordinate reference system as text: ``"EPSG:32633"``, or WKT if it has no code.
        transform: affine coefficients of the pixels in that CRS.
        width, height: number of columns and rows.
    """

    crs: str
    transform: Geo
    width: int
    height: int

    @classmethod
    def around(
        cls,
        latitude: float,
        longitude: float,
        *,
        pixels: int,
        pixel_m: float = PIXEL_M,
        crs: str | None = None,
    ) -> Window:
        """The square around a place, with its upper left corner on Sentinel-2's 60 m lattice.

        Args:
            latitude: WGS 84 degrees.
            longitude: WGS 84 degrees.
            pixels: number of pixels along a side.
            pixel_m: metres along a pixel's side.
            crs: a UTM zone such as ``"EPSG:32633"``; None for the zone of the place.
        """
        crs = crs or zone_of(latitude, longitude)
        xs, ys = project(WGS84, crs, [longitude], [latitude])
        half = pixels * pixel_m / 2
        base = SOUTHERN_FALSE_NORTHING_M if crs.startswith("EPSG:327") else 0
        west = round((xs[0] - half) / LATTICE_M) * LATTICE_M
        north = round((ys[0] + half - base) / LATTICE_M) * LATTICE_M + base
        return cls(crs=crs, transform=grid(west, north, pixel_m), width=pixels, height=pixels)

    @classmethod
    def from_bounds(
        cls,
        crs: str,
        bounds: tuple[float, float, float, float],
        *,
        pixel_m: float = PIXEL_M,
    ) -> Window:
        """The smallest north-up window that contains the bounds.

        Its upper left corner is at multiples of the pixel size.

        Args:
            crs: projected CRS of the bounds, in metres.
            bounds: west, south, east and north, in metres.
            pixel_m: metres along a pixel's side.

        Raises:
            BadInput: the bounds are not finite or not in order.
        """
        west, south, east, north = bounds
        if not all(map(math.isfinite, bounds)) or west > east or south > north:
            raise BadInput("Bounds must be four numbers: west, south, east and north.")
        left, top = math.floor(west / pixel_m), math.ceil(north / pixel_m)
        return cls(
            crs=crs,
            transform=grid(left * pixel_m, top * pixel_m, pixel_m),
            width=math.ceil(east / pixel_m) - left,
            height=top - math.floor(south / pixel_m),
        )

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Window:
        """The window of ``dataclasses.asdict``, also after JSON, which turns tuples into lists."""
        return cls(**{**facts, "transform": tuple(map(float, facts["transform"]))})

    @property
    def affine(self) -> Affine:
        """The transform as an ``Affine``, as rasterio takes it."""
        return Affine(*self.transform)

    @property
    def west(self) -> float:
        """Easting of the left edge."""
        return self.transform[2]

    @property
    def north(self) -> float:
        """Northing of the upper edge."""
        return self.transform[5]

    @property
    def pixel_m(self) -> float:
        """Width of a pixel in metres."""
        a, _, _, d, _, _ = self.transform
        return math.hypot(a, d)

    def part(self, row: int, col: int, height: int, width: int) -> Window:
        """The part of ``height`` × ``width`` pixels whose upper left one is ``(row, col)``."""
        a, b, c, d, e, f = self.transform
        moved = (a, b, c + a * col + b * row, d, e, f + d * col + e * row)
        return replace(self, transform=moved, width=width, height=height)

    def in_pixels(self, height: int, width: int) -> Window:
        """The same ground in another number of rows and columns."""
        a, b, c, d, e, f = self.transform
        wide, tall = self.width / width, self.height / height
        larger = (a * wide, b * tall, c, d * wide, e * tall, f)
        return replace(self, transform=larger, width=width, height=height)

    def with_pixels_of(self, side: int) -> Window:
        """The same ground with pixels of another size.

        Args:
            side: pixel size in metres, such as 20 or 60; it must divide the window evenly.
        """
        a, b, c, d, e, f = self.transform
        times = side / self.pixel_m
        return replace(
            self,
            transform=(a * times, b * times, c, d * times, e * times, f),
            width=round(self.width / times),
            height=round(self.height / times),
        )

    def xy(self, points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
        """Convert fractional columns and rows to x and y in the window's CRS."""
        a, b, c, d, e, f = self.transform
        return (
            [a * col + b * row + c for col, row in points],
            [d * col + e * row + f for col, row in points],
        )

    def pixels_of(self, xs: list[float], ys: list[float]) -> list[tuple[float, float]]:
        """Convert x and y in the window's CRS to fractional rows and columns."""
        a, b, c, d, e, f = self.transform
        det = a * e - b * d
        return [
            ((a * (y - f) - d * (x - c)) / det, (e * (x - c) - b * (y - f)) / det)
            for x, y in zip(xs, ys, strict=True)
        ]

    def pixel_of(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Fractional row and column of a place (WGS 84 degrees); pixel corners are integers.

        Raises:
            OffEarth: the window's CRS does not reach to the place.
        """
        xs, ys = project(WGS84, self.crs, [longitude], [latitude])
        (pixel,) = self.pixels_of(xs, ys)
        return pixel

    def covers(self, latitude: float, longitude: float) -> bool:
        """Whether a place (WGS 84 degrees) lies in the window."""
        try:
            row, col = self.pixel_of(latitude, longitude)
        except OffEarth:
            return False
        return 0 <= row < self.height and 0 <= col < self.width

    def check_on_earth(self) -> None:
        """Check that its pixels have an area, and its corners a place on Earth.

        Raises:
            OffEarth: they have not.
        """
        a, b, _, d, e, _ = self.transform
        if not all(map(math.isfinite, self.transform)) or abs(a * e - b * d) < LEAST_AREA:
            raise OffEarth
        self._to_wgs84([(0, 0), (self.width, 0), (self.width, self.height), (0, self.height)])

    @property
    def centre(self) -> tuple[float, float]:
        """Latitude and longitude (WGS 84 degrees) of the centre."""
        (point,) = self._to_wgs84([(self.width / 2, self.height / 2)])
        return point

    @property
    def outline(self) -> tuple[tuple[float, float], ...]:
        """Latitude and longitude (WGS 84 degrees) of the corners, clockwise from the upper left."""
        w, h = self.width, self.height
        return tuple(self._to_wgs84([(0, 0), (w, 0), (w, h), (0, h)]))

    def _to_wgs84(self, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        lons, lats = project(self.crs, WGS84, *self.xy(points))
        return list(zip(lats, lons, strict=True))


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A square to cut out of a raster, chosen before the raster is opened.

    Without a corner and a place it is the square in the centre.

    Attributes:
        size: pixels along a side.
        place: latitude and longitude (WGS 84 degrees) of its centre; at the edge of the raster
            the square is moved inside.
        corner: row and column of its upper left pixel.
    """

    size: int
    place: tuple[float, float] | None = None
    corner: tuple[int, int] | None = None

    def corner_in(
        self, shape: tuple[int, int], *, where: Window | None = None, step: int = 1
    ) -> tuple[int, int]:
        """Row and column of the square's upper left pixel in a raster.

        Args:
            shape: rows and columns of the raster.
            where: the raster's window on the ground, needed only if the cut has a place.
            step: unless the corner is given, row and column are multiples of this number. With 6,
                the 20 and 60 m bands stay aligned.

        Raises:
            BadInput: the place is outside, or the square does not fit into the raster.
        """
        height, width = shape
        row, col = (height - self.size) // 2, (width - self.size) // 2
        if self.place is not None and where is not None:
            latitude, longitude = self.place
            if not where.covers(latitude, longitude):
                raise BadInput(
                    f"{latitude:.5f}, {longitude:.5f} lies outside this picture: "
                    "choose a place inside its outline."
                )
            y, x = where.pixel_of(latitude, longitude)
            row = min(max(int(y) - self.size // 2, 0), height - self.size)
            col = min(max(int(x) - self.size // 2, 0), width - self.size)
        row, col = self.corner or (row // step * step, col // step * step)
        if row < 0 or col < 0 or row + self.size > height or col + self.size > width:
            raise BadInput(
                f"A window of {self.size} pixels at row {row}, column {col} does not fit into "
                f"{height} × {width} pixels: choose another place."
            )
        return row, col
