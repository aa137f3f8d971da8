"""Plans of areas: on the grid of a file, or in the UTM zones of many scenes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from landcover.areas.area_file import Area, read_area
from landcover.areas.ground import box_of, ground_of
from landcover.areas.imagery import imagery_of
from landcover.areas.plan_area import notes_of, plans_of
from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.core.window import Window, zone_of
from landcover.core.zones import zone_strip, zones_of
from tests.support.stack_files import from_origin, numbers, tif


@dataclass(frozen=True)
class Grids:
    """Imagery of which only the grids are asked for."""

    grids: tuple[Window, ...]
    identity: str = ""

    def open(self, **_: object) -> Grids:
        return self


def tile(crs: str, west: float, north: float, side: int = 10_980) -> Window:
    return Window(crs=crs, transform=(10, 0, west, 0, -10, north), width=side, height=side)


def box(*bounds: float) -> Area:
    return Area(wkb=shapely.box(*bounds).wkb)


def test_a_file_is_mapped_on_its_grid(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tif(numbers(side=300), transform=from_origin(399_960, 5_300_040, 10, 10)))
    spec = imagery_of(path)
    (one,) = plans_of(None, spec, step=24)
    assert one.window.crs == "EPSG:32633"
    assert one.window.west % 240 == one.window.north % 240 == 0
    assert one.window.west <= 399_960 < one.window.west + 240
    assert one.window.north - 240 < 5_300_040 <= one.window.north
    assert one.window.west + 10 * one.window.width >= 402_960
    assert one.outline is not None
    assert shapely.from_wkb(one.outline).equals(box_of(spec.open().extent))
    latitude, longitude = spec.open().extent.centre
    area = box(longitude - 0.005, latitude - 0.004, longitude + 0.005, latitude + 0.004)
    (part,) = plans_of(area, spec)
    assert part.window.west % 240 == part.window.north % 240 == 0
    assert part.area is not None
    assert part.area.area == pytest.approx(area.km2 * 1e6, rel=0.01)
    assert part.window.width * 10 < 1_600


def test_other_grids_keep_their_pixels() -> None:
    grid = Window(
        crs="EPSG:3035", transform=(10, 0, 4_321_003, 0, -10, 3_210_007), width=900, height=700
    )
    (one,) = plans_of(None, Grids((grid,)))
    assert one.window.transform == grid.transform
    latitude, longitude = grid.centre
    (part,) = plans_of(box(longitude, latitude, longitude + 0.01, latitude + 0.01), Grids((grid,)))
    ((row, col),) = grid.pixels_of([part.window.west], [part.window.north])
    assert row % 24 == pytest.approx(0, abs=1e-6)
    assert col % 24 == pytest.approx(0, abs=1e-6)


def test_an_area_elsewhere_is_refused_with_both_extents() -> None:
    grids = Grids((tile("EPSG:32633", 399_960, 5_300_040),))
    for area in (box(-60, -30, -59, -29), box(15.4, 47.7, 15.5, 47.8)):
        with pytest.raises(BadInput, match=r"The area \(.*° .*does not overlap the imagery \(4"):
            plans_of(area, grids)
    assert plans_of(box(14.9, 47.3, 15.5, 47.8), grids)


def test_an_area_with_latitudes_first_is_told_so() -> None:
    grids = Grids((tile("EPSG:32633", 399_960, 5_300_040),))
    with pytest.raises(BadInput, match="seem to be exchanged, so give longitudes first"):
        plans_of(box(47.3, 14.5, 47.4, 14.6), grids)


def test_what_is_not_mapped_of_an_area_is_said() -> None:
    grids = Grids((tile("EPSG:32633", 399_960, 5_300_040),))
    inside = Area(wkb=shapely.box(14.5, 47.3, 14.6, 47.4).wkb, notes=("Repaired.",))
    assert notes_of(inside, grids) == ("Repaired.",)
    assert notes_of(None, grids) == ()
    # A degree to the east of the tile, whose eastern edge is at 15.16°.
    said = notes_of(box(14.7, 47.3, 15.7, 47.4), grids)
    assert len(said) == 1
    share = re.match(r"(\d+\.\d)% of the area \(\d+\.\d\d km²\) lies outside", said[0])
    assert share is not None
    east = ground_of(grids.grids[0]).bounds[2]
    assert float(share[1]) == pytest.approx((15.7 - east) * 100, abs=1)


@pytest.mark.parametrize("step", [8, 24, 120])
def test_an_area_without_a_cell_is_refused(step: int) -> None:
    grids = Grids((tile("EPSG:32633", 399_960, 5_300_040),))
    (whole,) = plans_of(box(14.5, 47.3, 14.6, 47.4), grids, step=step)
    latitude, longitude = whole.cover.part(30, 30, 1, 1).centre
    around = box(longitude - 1e-4, latitude - 1e-4, longitude + 1e-4, latitude + 1e-4)
    assert plans_of(around, grids, step=step)
    beside = box(longitude + 1e-4, latitude + 1e-4, longitude + 3e-4, latitude + 3e-4)
    with pytest.raises(BadInput, match="holds the centre of no cell of 80 m"):
        plans_of(beside, grids, step=step)


def test_too_large_areas_are_refused_with_their_size() -> None:
    grids = Grids((tile("EPSG:32633", 399_960, 5_300_040),))
    with (
        limits.changed(area_km2=10_000),
        pytest.raises(BadInput, match=r"of 12,\d+ km², whose imagery has 3 GB"),
    ):
        plans_of(None, grids)


def test_an_area_in_two_zones_is_cut_between_them() -> None:
    area = box(11.9, 48.0, 12.1, 48.1)
    grids = Grids((tile("EPSG:32632", 699_960, 5_400_000), tile("EPSG:32633", 199_980, 5_400_000)))
    first, second = plans_of(area, grids)
    assert (first.window.crs, second.window.crs) == ("EPSG:32632", "EPSG:32633")
    assert first.area is not None
    assert second.area is not None
    total = (first.area.area + second.area.area) / 1e6
    assert total == pytest.approx(area.km2, rel=0.005)
    (only,) = plans_of(area, Grids((grids.grids[1],)))
    assert only.area is not None
    assert only.area.area == pytest.approx(area.km2 * 1e6, rel=0.005)


def test_an_area_over_the_antimeridian_has_a_plan_in_each_zone() -> None:
    area = read_area("179.95,-17.1,-179.95,-17.0")
    zones = zones_of(area.geometry)
    assert zones == ("EPSG:32701", "EPSG:32760")
    grids = []
    for zone in zones:
        window = Window.around(-17.05, 180.0, pixels=3_000, crs=zone)
        grids.append(window)
    plans = plans_of(area, Grids(tuple(grids)))
    assert len(plans) == 2
    total = sum(one.area.area for one in plans if one.area is not None) / 1e6
    assert total == pytest.approx(area.km2, rel=0.005)
    (one,) = plans_of(area, Grids((grids[0],)))
    assert one.area is not None
    assert one.area.area / 1e6 == pytest.approx(area.km2, rel=0.005)
    assert 0 <= (one.window.north - 10_000_000) % 240 < 1e-6


@settings(max_examples=60)
@given(st.floats(-79, 83), st.floats(-179.9, 179.9))
def test_strips_of_zones_are_where_places_have_them(latitude: float, longitude: float) -> None:
    point = shapely.Point(longitude, latitude)
    own = zone_of(latitude, longitude)
    strip = zone_strip(own, among=[own, "EPSG:32601", "EPSG:32731"])
    assert strip.buffer(1e-9).covers(point)
    around = shapely.box(*np.array(point.buffer(1e-6).bounds))
    assert own in zones_of(around)


def test_strips_cover_the_earth_once() -> None:
    used = ["EPSG:32632", "EPSG:32633", "EPSG:32733"]
    strips = [zone_strip(zone, among=used) for zone in used]
    assert sum(strip.area for strip in strips) == pytest.approx(360 * 180)
    assert shapely.union_all(strips).area == pytest.approx(360 * 180)
