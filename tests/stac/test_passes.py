"""Squares on Sentinel-2's lattice everywhere on Earth, and granules grouped into passes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st
from rasterio.warp import transform as warp
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from landcover.core.window import Window, zone_of
from landcover.stac.harmonise import Claims
from landcover.stac.passes import area_of, passes, shape_of
from landcover.stac.scene import Scene

PASS = datetime(2022, 7, 1, 10, 10, 31, tzinfo=UTC)
VIENNA = (48.2, 16.37)


def square(latitude: float, longitude: float, crs: str) -> Window:
    return Window.around(latitude, longitude, pixels=120, crs=crs)


latitudes = st.floats(-80, 84)
longitudes = st.floats(-180, 180)


def scene(
    name: str,
    shape: BaseGeometry,
    *,
    after: timedelta = timedelta(),
    crs: str | None = "EPSG:32633",
    tile: str | None = None,
    baseline: str | None = "04.00",
) -> Scene:
    return Scene(
        id=name,
        catalogue="earth-search",
        acquired=PASS + after,
        footprint=json.loads(shapely.to_geojson(shape)),
        bands={},
        crs=crs,
        tile=tile,
        claims=Claims(baseline=baseline),
    )


def around(latitude: float, longitude: float, degrees: float = 0.5) -> BaseGeometry:
    return box(longitude - degrees, latitude - degrees, longitude + degrees, latitude + degrees)


def names(found: Sequence[Scene]) -> list[str]:
    return [one.id for one in found]


# Zones


@pytest.mark.parametrize(
    ("latitude", "longitude", "zone"),
    [
        (48.2, 16.37, 32633),  # Vienna
        (-1.3, 36.8, 32737),  # Nairobi
        (40.0, -75.0, 32618),
        (0.0, 0.0, 32631),  # the equator belongs to the north
        (-0.001, 0.0, 32731),
        (60.39, 5.32, 32632),  # Bergen: zone 32 reaches west to 3°
        (60.39, 2.99, 32631),
        (56.0, 3.0, 32632),
        (55.99, 3.0, 32631),
        (63.99, 11.99, 32632),
        (64.0, 5.0, 32631),
        (60.0, 12.0, 32633),
        (78.22, 15.63, 32633),  # Longyearbyen
        (78.0, 0.0, 32631),
        (78.0, 8.99, 32631),
        (78.0, 9.0, 32633),
        (78.0, 20.99, 32633),
        (78.0, 21.0, 32635),
        (78.0, 33.0, 32637),
        (78.0, 41.99, 32637),
        (78.0, 42.0, 32638),
        (78.0, -0.01, 32630),
        (71.99, 8.0, 32632),
        (-16.8, 179.99, 32760),  # Fiji, on both sides of the antimeridian
        (-16.8, -179.99, 32701),
        (-16.8, 180.0, 32701),
        (-16.8, -180.0, 32701),
    ],
)
def test_zones_and_their_exceptions(latitude: float, longitude: float, zone: int) -> None:
    assert zone_of(latitude, longitude) == f"EPSG:{zone}"


@given(latitude=st.floats(-80, 55.9), longitude=longitudes)
def test_a_place_lies_within_three_degrees_of_its_zones_meridian(
    latitude: float, longitude: float
) -> None:
    crs = zone_of(latitude, longitude)
    assert crs.startswith("EPSG:326" if latitude >= 0 else "EPSG:327")
    meridian = int(crs[-2:]) * 6 - 183
    assert abs((longitude - meridian + 180) % 360 - 180) <= 3


# Squares


@given(latitude=latitudes, longitude=longitudes)
def test_squares_lie_on_the_lattice_around_their_place(latitude: float, longitude: float) -> None:
    crs = zone_of(latitude, longitude)
    target = square(latitude, longitude, crs)
    # Southern northings count down from 10,000,000 m, which is 40 m more than a multiple of 60.
    assert target.west % 60 == 0
    assert target.north % 60 == (0 if latitude >= 0 else 40)
    xs, ys = warp("EPSG:4326", crs, [longitude], [latitude])
    assert abs(target.west + 600 - xs[0]) <= 30.001
    assert abs(target.north - 600 - ys[0]) <= 30.001
    assert target.transform == (10, 0, target.west, 0, -10, target.north)


@given(latitude=latitudes, longitude=longitudes)
def test_a_squares_area_holds_its_place_within_the_world(latitude: float, longitude: float) -> None:
    shape = area_of(square(latitude, longitude, zone_of(latitude, longitude)))
    west, south, east, north = shape.bounds
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90
    here = [shapely.Point(longitude + turn, latitude) for turn in (-360, 0, 360)]
    assert min(shape.distance(point) for point in here) < 1e-9
    # 1.44 km² in whichever parts
    assert shape.is_valid
    metres = shape.area * 111_320**2 * math.cos(math.radians(latitude))
    assert metres == pytest.approx(1.44e6, rel=0.03)


@pytest.mark.parametrize("longitude", [180.0, -180.0, 179.9999, -179.9999])
def test_a_square_across_the_antimeridian_has_two_parts(longitude: float) -> None:
    shape = area_of(square(-16.8, longitude, zone_of(-16.8, longitude)))
    assert shape.geom_type == "MultiPolygon"
    assert shape.bounds[0] == -180
    assert shape.bounds[2] == 180
    assert sorted(part.bounds[2] - part.bounds[0] < 0.02 for part in shapely.get_parts(shape)) == [
        True,
        True,
    ]


def test_a_footprint_across_the_antimeridian_is_split() -> None:
    ring = [(179.5, -17.0), (-179.0, -17.0), (-179.0, -16.0), (179.5, -16.0), (179.5, -17.0)]
    split = shape_of(scene("fiji", shapely.Polygon(ring)))
    assert split.equals(shapely.union(box(179.5, -17, 180, -16), box(-180, -17, -179, -16)))
    # The same footprint in other forms
    parts = shapely.MultiPolygon([box(179.5, -17, 180, -16), box(-180, -17, -179, -16)])
    assert shape_of(scene("fiji", parts)).equals(split)
    assert shape_of(scene("fiji", box(179.5, -17, 181, -16))).equals(split)


def test_a_footprint_that_starts_at_the_antimeridian_is_east_of_it() -> None:
    ring = [(180.0, -17.0), (-179.0, -17.0), (-179.0, -16.0), (180.0, -16.0), (180.0, -17.0)]
    shape = shape_of(scene("fiji", shapely.Polygon(ring)))
    assert shape.area == pytest.approx(1)
    assert shape.intersects(shapely.Point(-179.5, -16.5))
    assert not shape.intersects(shapely.Point(0, -16.5))


# Passes


@given(latitude=st.floats(-79, 83), longitude=longitudes)
def test_a_granule_that_covers_a_place_is_its_candidate(latitude: float, longitude: float) -> None:
    crs = zone_of(latitude, longitude)
    target = square(latitude, longitude, crs)
    whole = shapely.buffer(area_of(target), 0.001)
    assume(whole.bounds[0] > -180)
    assume(whole.bounds[2] < 180)
    (found,) = passes([scene("one", whole, crs=crs)], latitude, longitude)
    assert found.target == target
    assert names(found.scenes) == ["one"]


@pytest.mark.parametrize("longitude", [180.0, -180.0, 179.9999, -179.9999])
def test_fiji_is_covered_by_granules_of_both_zones(longitude: float) -> None:
    ring = [(179.0, -17.5), (-179.0, -17.5), (-179.0, -16.0), (179.0, -16.0), (179.0, -17.5)]
    across = shapely.Polygon(ring)
    granules = [
        scene("west", across, crs="EPSG:32760", tile="60KXF"),
        scene("east", across, crs="EPSG:32701", tile="01KAB"),
    ]
    own = zone_of(-16.8, longitude)
    (both,) = passes(granules, -16.8, longitude)
    assert both.target == square(-16.8, longitude, own)
    for one in granules:
        (found,) = passes([one], -16.8, longitude)
        assert found.target.crs == one.crs
        assert names(found.scenes) == [one.id]


def test_granules_within_a_quarter_of_an_hour_are_one_pass() -> None:
    shape = around(*VIENNA)
    granules = [
        scene("first", shape, tile="33UWP"),
        scene("second", shape, after=timedelta(minutes=14), tile="33UXP"),
        scene("later", shape, after=timedelta(days=5), tile="33UWP"),
        scene("evening", shape, after=timedelta(minutes=16), tile="33UWP"),
    ]
    found = passes(granules, *VIENNA)
    # The time is counted back from the newest granule of a pass.
    assert [set(names(one.scenes)) for one in found] == [
        {"later"},
        {"second", "evening"},
        {"first"},
    ]
    assert [one.acquired for one in found] == sorted((one.acquired for one in found), reverse=True)


def test_of_a_reprocessed_tile_the_newest_processing_is_used() -> None:
    shape = around(*VIENNA)
    granules = [
        scene("old", shape, tile="33UWP", baseline="02.09"),
        scene("new", shape, tile="33UWP", baseline="05.00"),
        scene("nameless", shape, tile="33UWP", baseline=None),
        scene("beside", shape, tile="33UXP", baseline="02.09"),
    ]
    for order in (granules, granules[::-1]):
        (found,) = passes(order, *VIENNA)
        assert names(found.scenes) == ["beside", "new"]


def test_two_granules_of_one_tile_and_processing_are_both_used() -> None:
    latitude, longitude = VIENNA
    halves = [
        scene("n", box(15, latitude, 18, 49), tile="33UXP"),
        scene("s", box(15, 47, 18, latitude), tile="33UXP", after=timedelta(seconds=4)),
    ]
    (found,) = passes(halves, latitude, longitude)
    assert sorted(names(found.scenes)) == ["n", "s"]


def test_granules_are_ordered_by_coverage_without_those_that_cover_nothing() -> None:
    latitude, longitude = VIENNA
    granules = [
        scene("a-third", box(15, 47, longitude - 0.003, 49), tile="33UWP"),
        scene("z-whole", around(latitude, longitude), tile="33UXP"),
        scene("b-whole", around(latitude, longitude), tile="33UYP"),
        scene("elsewhere", box(20, 47, 21, 49), tile="34UCU"),
        scene("beside", box(longitude + 0.1, 47, 18, 49), tile="33UZP"),
    ]
    (found,) = passes(granules, latitude, longitude)
    assert names(found.scenes) == ["b-whole", "z-whole", "a-third"]


def test_the_zone_that_covers_more_is_used_else_that_of_the_place() -> None:
    latitude, longitude = 48.0, 12.001  # just within zone 33
    whole, half = around(latitude, longitude), box(longitude, 47, 13, 49)
    own = scene("own", whole, crs="EPSG:32633", tile="33UTP")
    other = scene("other", whole, crs="EPSG:32632", tile="32UQU")
    narrow = scene("narrow", half, crs="EPSG:32633", tile="33UTP")
    (found,) = passes([other, own], latitude, longitude)
    assert names(found.scenes) == ["own"]
    assert found.target == square(latitude, longitude, "EPSG:32633")
    (found,) = passes([other, narrow], latitude, longitude)
    assert names(found.scenes) == ["other"]
    assert found.target == square(latitude, longitude, "EPSG:32632")


def test_granules_of_different_zones_are_never_joined() -> None:
    latitude, longitude = 48.0, 12.0
    west = scene("west", box(11, 47, longitude, 49), crs="EPSG:32632", tile="32UQU")
    east = scene("east", box(longitude, 47, 13, 49), crs="EPSG:32633", tile="33UTP")
    (found,) = passes([west, east], latitude, longitude)
    assert len(found.scenes) == 1
    assert found.scenes[0].crs == found.target.crs


def test_a_granule_without_a_zone_is_ignored() -> None:
    assert passes([scene("lost", around(*VIENNA), crs=None)], *VIENNA) == []
    assert passes([], *VIENNA) == []


def test_a_footprint_that_crosses_itself_is_repaired() -> None:
    latitude, longitude = VIENNA
    bow = shapely.Polygon([(16, 47.9), (16.8, 48.5), (16.8, 47.9), (16, 48.5), (16, 47.9)])
    assert not bow.is_valid
    found = passes([scene("bow", bow)], latitude, longitude)
    assert [names(one.scenes) for one in found] == [["bow"]]
