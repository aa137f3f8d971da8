"""Imagery of an area from archives: a real STAC API and a real file server on loopback."""

from __future__ import annotations

import json
import pickle
from datetime import date
from threading import Event
from urllib.request import urlopen

import numpy as np
import pytest
import shapely

from landcover.areas.area_file import Area
from landcover.areas.imagery import Dates, Imagery, imagery_of
from landcover.areas.imagery_live import items_of
from landcover.areas.plan_area import plans_of
from landcover.core.errors import BadInput, Cancelled
from landcover.core.window import Window
from landcover.stac import catalog
from landcover.stac.candidates import SceneQuery
from tests.live.granules import AUSTRIA, BOADELLA, PLACES, Extent
from tests.live.range_server import RangeServer

pytestmark = pytest.mark.data


def window_of(extent: Extent) -> Window:
    left, _, _, top = extent.bounds
    return Window(
        crs=f"EPSG:{extent.epsg}",
        transform=(10.0, 0.0, float(left), 0.0, -10.0, float(top)),
        width=extent.width // 10,
        height=extent.height // 10,
    )


def area_of(window: Window) -> Area:
    return Area(wkb=shapely.Polygon([(lon, lat) for lat, lon in window.outline]).wkb)


PLACE = PLACES["four patches"]
PATCH = window_of(PLACE.window)
DAY = Dates(start=date(2017, 6, 1), end=date(2017, 6, 30))


def opened(name: str, area: Area, dates: Dates, **more: bool) -> Imagery:
    spec = pickle.loads(pickle.dumps(imagery_of(name, area=area, dates=dates, **more)))
    return spec.open()


@pytest.mark.parametrize("name", ["earth-search", "planetary-computer", "copernicus"])
@pytest.mark.usefixtures("live")
def test_blocks_equal_the_pixels_of_a_click(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANDCOVER_COPERNICUS_KEY", "key")
    monkeypatch.setenv("LANDCOVER_COPERNICUS_SECRET", "secret")
    imagery = opened(name, area_of(PATCH), DAY)
    assert imagery.extent.crs == "EPSG:32633"
    query = SceneQuery(
        latitude=PLACE.lat, longitude=PLACE.lon,
        start=date(2017, 6, 1), end=date(2017, 6, 30),
    )  # fmt: skip
    expected = catalog.fetch_best(name, query)
    found = imagery.read(expected.extent)
    np.testing.assert_array_equal(found.data, expected.data)
    np.testing.assert_array_equal(found.valid, expected.valid)
    assert found.scl is not None
    np.testing.assert_array_equal(found.scl, expected.scl)
    assert found.acquired == imagery.acquired == expected.acquired
    # A block at pixels between the 60 m lattice
    part = imagery.read(expected.extent.part(7, 11, 40, 50))
    np.testing.assert_array_equal(part.data, expected.data[:, 7:47, 11:61])


@pytest.mark.usefixtures("live")
def test_blocks_equal_the_whole_across_two_tiles() -> None:
    dates = Dates(start=date(2018, 7, 1), end=date(2018, 7, 20))
    window = window_of(AUSTRIA).part(300, 200, 360, 360)
    imagery = opened("earth-search", area_of(window), dates)
    whole = imagery.read(window)
    assert whole.provenance.scene is not None
    assert " + " in whole.provenance.scene
    for row in range(0, 360, 120):
        for col in range(0, 360, 96):
            width = min(96, 360 - col)
            block = imagery.read(window.part(row, col, 120, width))
            np.testing.assert_array_equal(
                block.data, whole.data[:, row : row + 120, col : col + width]
            )


@pytest.mark.usefixtures("live")
def test_each_block_has_the_clearest_pass() -> None:
    """On 2020-01-23 clouds hide half of Boadella, five days later nothing."""
    dates = Dates(start=date(2020, 1, 20), end=date(2020, 1, 30), near=date(2020, 1, 23))
    window = window_of(BOADELLA)
    imagery = opened("earth-search", area_of(window), dates)
    assert imagery.acquired is None
    overcast = imagery.read(window_of(PLACES["overcast"].window))
    gap = imagery.read(window_of(PLACES["gap"].window))
    assert overcast.acquired is not None
    assert gap.acquired is not None
    assert overcast.acquired.date() == date(2020, 1, 28)
    one = opened("earth-search", area_of(window), dates, one_pass=True)
    assert one.acquired is not None
    assert one.read(window_of(PLACES["gap"].window)).acquired == one.acquired
    assert "for each block the clearest of 2 passes" in str(imagery.provenance.notes)


@pytest.mark.parametrize("day", ["2022-07-29", "2022-08-13"])
@pytest.mark.usefixtures("live")
def test_wrong_metadata_on_the_offset_are_overruled_once_for_all_blocks(day: str) -> None:
    when = date.fromisoformat(day)
    window = window_of(AUSTRIA).part(60, 60, 480, 480)
    imagery = opened("earth-search", area_of(window), Dates(start=when, end=when))
    whole = imagery.read(window)
    said = whole.provenance.scaling
    for row in (0, 240):
        block = imagery.read(window.part(row, 120, 120, 120))
        assert block.provenance.scaling == said
        np.testing.assert_array_equal(block.data, whole.data[:, row : row + 120, 120:240])


@pytest.mark.usefixtures("live")
def test_a_block_in_another_zone_gets_the_nearest_pixels() -> None:
    imagery = opened("earth-search", area_of(PATCH), DAY)
    latitude, longitude = PATCH.centre
    other = Window.around(latitude, longitude, pixels=48, crs="EPSG:32632")
    found, own = imagery.read(other), imagery.read(PATCH)
    assert found.crs == "EPSG:32632"
    assert found.valid.mean() > 0.9
    assert set(np.unique(found.data[2])) <= set(np.unique(own.data[2])) | {np.float32(0)}


@pytest.mark.usefixtures("live")
def test_a_plan_of_a_live_area() -> None:
    area = area_of(window_of(AUSTRIA).part(100, 100, 300, 300))
    spec = imagery_of("earth-search", area=area, dates=DAY)
    (plan,) = plans_of(area, spec)
    assert plan.window.crs == "EPSG:32633"
    assert plan.window.west % 240 == plan.window.north % 240 == 0
    assert 300 <= plan.window.width <= 360
    assert plan.area is not None
    assert plan.area.area == pytest.approx(9e6, rel=0.01)


@pytest.mark.usefixtures("live")
def test_each_scene_has_the_address_of_its_item() -> None:
    area = area_of(window_of(AUSTRIA).part(100, 100, 300, 300))
    found = items_of(imagery_of("earth-search", area=area, dates=DAY))
    assert found
    for name, address in found.items():
        with urlopen(address) as answer:
            assert json.load(answer)["id"] == name


def test_imagery_of_a_file_has_no_items() -> None:
    assert items_of(None) == {}


@pytest.mark.usefixtures("live")
def test_outside_the_scenes_nothing_is_valid() -> None:
    imagery = opened("earth-search", area_of(PATCH), DAY)
    away = imagery.read(PATCH.part(20_000, 0, 24, 24))
    assert not away.valid.any()
    assert not away.data.any()


@pytest.mark.usefixtures("live")
def test_no_scenes_is_one_sentence() -> None:
    nowhere = PLACES["nowhere"]
    with pytest.raises(BadInput, match=r"No scene of Earth Search .* shows the area from"):
        imagery_of("earth-search", area=area_of(window_of(nowhere.window)), dates=DAY)


def test_a_small_block_is_cached(live: RangeServer) -> None:
    imagery = opened("earth-search", area_of(PATCH), DAY)
    imagery.read(PATCH)
    before = live.sent
    imagery.read(PATCH)
    assert live.sent == before


@pytest.mark.usefixtures("live")
def test_a_user_can_stop_reading() -> None:
    imagery = opened("earth-search", area_of(PATCH), DAY)
    cancel = Event()
    cancel.set()
    with pytest.raises(Cancelled):
        imagery.read(PATCH.part(6, 6, 60, 60), cancel=cancel)
