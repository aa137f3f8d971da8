"""Projections: the only module that calls GDAL's and PROJ's functions for coordinates.

A file can state any coordinate reference system (CRS) and any grid in it, so every conversion can
fail, and GDAL reports this in many ways: as exceptions without a common base class, and as
infinite coordinates. Here all of them become :class:`~landcover.core.errors.BadInput`.

PROJ brings an angle to one turn by subtracting turns, so that an easting of 1e20 m in Web Mercator
takes hours and cannot be stopped. So coordinates, and the numbers in a CRS that is not one of
EPSG's, are checked before.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy.typing as npt
from affine import Affine
from rasterio import warp
from rasterio.crs import CRS
from rasterio.enums import Resampling

from landcover.core.errors import BadInput
from landcover.core.gdal_errors import GDAL_ERRORS
from landcover.core.text import plain

__all__ = [
    "LONGEST_CRS",
    "MOST",
    "Crs",
    "OffEarth",
    "crs_of",
    "crs_of_code",
    "epsg_of",
    "is_geographic",
    "is_metric",
    "metres_per_unit",
    "project",
    "project_bounds",
    "same_crs",
    "text_of",
    "warp_nearest",
    "wkt_of",
]

Crs: TypeAlias = "str | CRS"
"""A CRS, or its text: ``"EPSG:32633"`` or WKT."""
MOST: Final = 2e8
"""Largest coordinate, and largest number in the definition of a CRS: the Earth has 4e7 m around."""
FEW: Final = 8
"""Points up to which a conversion is remembered."""
LONGEST_CRS: Final = 100_000
"""Maximum characters of a CRS as text; that of a UTM zone has a thousand."""


_EPSG: Final = re.compile(r"EPSG:[0-9]{1,6}")
_DEFINITION: Final = re.compile(
    r"\s*(?:(?:EPSG|ESRI|IGNF|OGC|IAU_\d+):[\w.-]+\s*$|[A-Za-z]\w*\s*\[|\+[\w=.,+\- ]+$)",
    re.ASCII,
)
"""A code, WKT, or a definition for PROJ without files. GDAL also takes addresses, which it asks,
and paths, which it reads."""
_QUOTED: Final = re.compile(r'"(?:[^"]|"")*"')
_NUMBER: Final = r"([-+]?[0-9.][-+0-9.eE]*)"
_BOUNDS: Final = (
    (re.compile(rf"[\[,]\s*{_NUMBER}"), 0.0, MOST),
    (re.compile(rf'ELLIPSOID\["",{_NUMBER}'), 1e5, MOST),
    (re.compile(rf'LENGTHUNIT\["",{_NUMBER}'), 1e-3, 1e3),
    (re.compile(rf'ANGLEUNIT\["",{_NUMBER}'), 1e-7, 10.0),
    (re.compile(rf'PARAMETER\["",{_NUMBER},\s*SCALEUNIT'), 0.1, 10.0),
)
"""Pattern of numbers in WKT, without names, and the least and the largest that is usual."""


class OffEarth(BadInput):
    """Coordinates cannot be converted: they or their CRS do not exist on Earth."""

    def __init__(
        self,
        message: str = "This position is nowhere on Earth: check the coordinate reference system "
        "and the geotransform.",
    ) -> None:
        super().__init__(message)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except BadInput:
        raise
    except GDAL_ERRORS:
        raise OffEarth from None


def _check(source: Crs, target: Crs, numbers: Iterable[float]) -> None:
    """Check that coordinates and CRSs are such that PROJ answers in time.

    Raises:
        OffEarth: they are not.
    """
    if not all(abs(number) <= MOST for number in numbers):  # also rejects NaN
        raise OffEarth
    for crs in (source, target):
        if not (isinstance(crs, str) and _EPSG.fullmatch(crs)):
            text = crs if isinstance(crs, str) else wkt_of(crs)
            if not _is_sane(text):
                raise OffEarth


@lru_cache(maxsize=256)
def _is_sane(text: str) -> bool:
    """Whether the numbers in the definition of a CRS are those of a planet."""
    try:
        with _errors():
            wkt = str(crs_of(text).to_wkt(version="WKT2_2019"))
    except OffEarth:
        return False
    wkt = _QUOTED.sub('""', wkt)
    return all(
        least <= abs(float(number)) <= most
        for pattern, least, most in _BOUNDS
        for number in pattern.findall(wkt)
    )


def project(
    source: Crs, target: Crs, xs: Sequence[float], ys: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Convert points from one CRS to another.

    Args:
        source: CRS of the points.
        target: CRS of the result.
        xs: eastings or longitudes.
        ys: northings or latitudes, as many.

    Raises:
        OffEarth: a CRS does not exist, or the place of a point is not defined in it.
    """
    named = isinstance(source, str) and isinstance(target, str)
    convert = _remembered if named and len(xs) <= FEW else _converted
    east, north = convert(source, target, tuple(xs), tuple(ys))
    return list(east), list(north)


def _converted(
    source: Crs, target: Crs, xs: tuple[float, ...], ys: tuple[float, ...]
) -> tuple[Sequence[float], Sequence[float]]:
    _check(source, target, (*xs, *ys))
    with _errors():
        east, north = warp.transform(source, target, xs, ys)[:2]
    if not all(map(math.isfinite, (*east, *north))):
        raise OffEarth
    return east, north


# The corners of squares are asked for again and again.
_remembered: Final = lru_cache(maxsize=4096)(_converted)


def project_bounds(
    source: Crs, target: Crs, bounds: tuple[float, float, float, float], *, points: int = 21
) -> tuple[float, float, float, float]:
    """Bounds in another CRS: west, south, east and north.

    Args:
        source: CRS of the bounds.
        target: CRS of the result.
        bounds: west, south, east and north.
        points: added along each side, which is curved in the other CRS.

    Raises:
        OffEarth: as for :func:`project`.
    """
    _check(source, target, bounds)
    with _errors():
        west, south, east, north = warp.transform_bounds(
            source, target, *bounds, densify_pts=points
        )
    if not all(map(math.isfinite, (west, south, east, north))):
        raise OffEarth
    return west, south, east, north


def warp_nearest(
    pixels: npt.NDArray[Any],
    out: npt.NDArray[Any],
    *,
    source: tuple[Crs, Affine],
    target: tuple[Crs, Affine],
) -> None:
    """Resample pixels ``(band, y, x)`` by nearest neighbour to another grid.

    Args:
        pixels: to resample.
        out: takes the result; unchanged outside the source.
        source: CRS and transform of the pixels.
        target: CRS and transform of the result.

    Raises:
        OffEarth: as for :func:`project`.
    """
    corners = [
        number
        for transform, shape in ((source[1], pixels.shape), (target[1], out.shape))
        for corner in ((0, 0), (shape[-1], 0), (0, shape[-2]), (shape[-1], shape[-2]))
        for number in transform @ corner
    ]
    _check(source[0], target[0], corners)
    with _errors():
        warp.reproject(
            pixels,
            out,
            src_crs=source[0],
            src_transform=source[1],
            dst_crs=target[0],
            dst_transform=target[1],
            resampling=Resampling.nearest,
            init_dest_nodata=False,
        )


def crs_of(crs: Crs) -> CRS:
    """Parse a CRS.

    Raises:
        OffEarth: the text is not a CRS.
    """
    if not isinstance(crs, str) or (len(crs) <= LONGEST_CRS and _DEFINITION.match(crs)):
        with suppress(OffEarth), _errors():
            return CRS.from_user_input(crs)
    text = plain(crs)[:60] if isinstance(crs, str) else "This"
    raise OffEarth(f"'{text}' is not a coordinate reference system: give one such as EPSG:32633.")


def crs_of_code(epsg: int) -> CRS:
    """Look up a CRS by its EPSG code.

    Raises:
        OffEarth: there is none.
    """
    return crs_of(f"EPSG:{epsg}")


def wkt_of(crs: CRS) -> str:
    """A CRS as WKT.

    Raises:
        OffEarth: GDAL cannot write it.
    """
    with _errors():
        return str(crs.to_wkt())


def text_of(crs: Crs) -> str:
    """EPSG code of a CRS, or of a similar one; WKT if there is none.

    Raises:
        OffEarth: as for :func:`crs_of` and :func:`wkt_of`.
    """
    with _errors():
        return str(crs_of(crs).to_string())


def epsg_of(crs: CRS) -> int | None:
    """EPSG code of a CRS; None if it has none."""
    try:
        with _errors():
            code = crs.to_epsg()
    except OffEarth:
        return None
    return None if code is None else int(code)


def same_crs(one: Crs | None, other: Crs | None) -> bool:
    """Whether two CRSs are the same; False if one of them is None or not a CRS."""
    if one is None or other is None:
        return False
    try:
        with _errors():
            return bool(crs_of(one) == crs_of(other))
    except OffEarth:
        return False


def metres_per_unit(crs: CRS) -> float | None:
    """Metres in a unit of a projected CRS; None if it is not projected."""
    try:
        with _errors():
            metres = float(crs.linear_units_factor[1]) if crs.is_projected else math.nan
    except OffEarth:
        return None
    return metres if math.isfinite(metres) and metres > 0 else None


def is_geographic(crs: CRS) -> bool:
    """Whether coordinates in a CRS are longitudes and latitudes."""
    try:
        with _errors():
            return bool(crs.is_geographic)
    except OffEarth:
        return False


def is_metric(crs: CRS) -> bool:
    """Whether a CRS is projected and in metres."""
    metres = metres_per_unit(crs)
    return metres is not None and abs(metres - 1.0) < 1e-9
