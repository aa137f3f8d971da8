"""Every fault of a coordinate reference system or a grid is one sentence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS

from landcover.core import projection
from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput
from landcover.core.projection import OffEarth
from landcover.core.raster import Provenance, Raster
from landcover.core.window import WGS84, Cut, Window, grid

LOCAL = 'LOCAL_CS["yard",UNIT["metre",1]]'
ENGINEERING = (
    'ENGCRS["site",EDATUM["peg"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],'
    'LENGTHUNIT["metre",1]]'
)
GEOCENTRIC = "EPSG:4978"
NO_ZONE = "EPSG:32600"
"""Exists as a code of EPSG that GDAL parses, but not as a zone."""
CRSS = ("EPSG:32633", "EPSG:3857", "EPSG:3035", NO_ZONE, LOCAL, ENGINEERING, GEOCENTRIC, "x" * 999)
numbers = st.floats() | st.floats(-1e8, 1e8)


def at(crs: str, transform: tuple[float, ...]) -> Raster:
    a, b, c, d, e, f = transform
    return Raster(
        data=np.zeros((len(BAND_NAMES), 6, 6), np.float32),
        valid=np.ones((6, 6), np.bool_),
        bands=BAND_NAMES,
        crs=crs,
        transform=(a, b, c, d, e, f),
        provenance=Provenance(source="made here"),
    )


@settings(max_examples=200, deadline=None)
@given(crs=st.sampled_from(CRSS), transform=st.tuples(*[numbers] * 6))
def test_any_grid_is_refused_or_has_a_place(crs: str, transform: tuple[float, ...]) -> None:
    try:
        raster = at(crs, transform)
    except BadInput:
        return
    assert all(math.isfinite(number) for point in raster.outline for number in point)
    assert raster.where != "place unknown"


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:32633", grid(3e7, 5e6)),
        ("EPSG:3857", grid(1e20, 5e6)),
        ("EPSG:32633", grid(math.nan, 5e6)),
        ("EPSG:32633", (1e-300, 0, 4e5, 0, -1e-300, 5e6)),
        ("EPSG:32633", (10, 10, 4e5, 10, 10, 5e6)),
        (NO_ZONE, grid(4e5, 5e6)),
    ],
)
def test_a_raster_nowhere_on_earth_is_refused(crs: str, transform: tuple[float, ...]) -> None:
    with pytest.raises(OffEarth, match=r"nowhere on Earth|not a coordinate reference system"):
        at(crs, transform)


@settings(max_examples=100, deadline=None)
@given(source=st.sampled_from(CRSS), target=st.sampled_from(CRSS), x=numbers, y=numbers)
def test_points_are_finite_or_refused(source: str, target: str, x: float, y: float) -> None:
    try:
        east, north = projection.project(source, target, [x], [y])
        bounds = projection.project_bounds(source, target, (x, y, x + 1, y + 1))
    except OffEarth:
        return
    assert all(map(math.isfinite, (*east, *north, *bounds)))


def planet(
    axis: str = "6378137", factor: str = "0.9996", east: str = "5e5", unit: str = "1"
) -> str:
    return (
        'PROJCS["own",GEOGCS["own",DATUM["own",SPHEROID["o""wn",' + axis + ",298.25]],"
        'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],'
        'PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",0],'
        'PARAMETER["central_meridian",15],PARAMETER["scale_factor",' + factor + "],"
        'PARAMETER["false_easting",' + east + '],PARAMETER["false_northing",0],'
        'UNIT["metre",' + unit + "]]"
    )


def test_a_crs_of_its_own_is_used() -> None:
    (lon,), (lat,) = projection.project(planet(), WGS84, [5e5], [5.3e6])
    assert lon == pytest.approx(15)
    assert 47 < lat < 48


@pytest.mark.parametrize(
    "crs",
    [
        planet(axis="1e-9"),
        planet(axis="1"),
        planet(factor="1e-30"),
        planet(east="1e30"),
        planet(unit="1e25"),
        "EPSG:3857",
    ],
)
def test_numbers_that_would_take_hours_are_refused_at_once(crs: str) -> None:
    with pytest.raises(OffEarth):
        projection.project(crs, WGS84, [1e20], [5e6])
    if crs != "EPSG:3857":
        with pytest.raises(OffEarth):
            projection.project(crs, WGS84, [4e5], [5e6])
    with pytest.raises(OffEarth):
        projection.project_bounds(crs, WGS84, (1e20, 0, 2e20, 1))
    pixels = np.zeros((1, 4, 4), np.uint8)
    there, here = Affine(10, 0, 1e20, 0, -10, 5e6), Affine(10, 0, 4e5, 0, -10, 5e6)
    with pytest.raises(OffEarth):
        projection.warp_nearest(
            pixels, pixels.copy(), source=(crs, there), target=("EPSG:32633", here)
        )


def test_a_place_far_away_is_outside_a_window() -> None:
    window = Window(crs="EPSG:32633", transform=grid(4e5, 5.3e6), width=120, height=120)
    assert window.covers(*window.centre)
    assert not window.covers(-60.0, 170.0)
    with pytest.raises(BadInput, match="lies outside this picture"):
        Cut(size=120, place=(0.0, 105.0)).corner_in((120, 120), where=window)


@pytest.mark.parametrize("crs", [NO_ZONE, LOCAL, ENGINEERING, GEOCENTRIC, WGS84])
def test_facts_of_a_crs_do_not_fail(crs: str) -> None:
    try:
        parsed = projection.crs_of(crs)
    except OffEarth:
        return
    assert projection.epsg_of(parsed) in (None, 32600, 4326, 4978)
    metres = projection.metres_per_unit(parsed)
    assert metres is None or metres > 0
    assert projection.same_crs(parsed, parsed)
    assert not projection.same_crs(parsed, "EPSG:3035")


@pytest.mark.parametrize("text", ["", "\n\x1b[31m", "EPSG:99999999", "x" * 5000, "(" * 200_000])
def test_a_text_that_is_no_crs_is_quoted_in_one_short_line(text: str) -> None:
    with pytest.raises(OffEarth) as error:
        projection.crs_of(text)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 200


def test_warping_from_nowhere_is_refused() -> None:
    pixels = np.zeros((1, 4, 4), np.uint8)
    here = Affine(10, 0, 4e5, 0, -10, 5e6)
    with pytest.raises(OffEarth):
        projection.warp_nearest(
            pixels, pixels.copy(), source=("nowhere", here), target=("EPSG:32633", here)
        )


def test_an_empty_crs_is_no_crs_of_a_raster() -> None:
    with pytest.raises(BadInput):
        at(CRS().to_wkt(), grid(4e5, 5e6))


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:9/crs", "https://example.org/EPSG:4326", "/etc/hostname", "DICT:/etc/x,1",
        "+proj=utm +zone=33 +nadgrids=/etc/hostname", "+proj=utm +zone=33 +nadgrids=@null",
        "IMPORT:x", "file:///etc/hostname", "EPSG:4326 /etc/hostname", "",
    ],
)  # fmt: skip
def test_addresses_and_paths_are_no_crs(text: str) -> None:
    with pytest.raises(projection.OffEarth, match="is not a coordinate reference system"):
        projection.crs_of(text)
