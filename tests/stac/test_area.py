"""Pixels of several windows from one pass, against the test archive."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from landcover.core.errors import BadInput
from landcover.core.window_grid import Bounds
from landcover.stac import catalog
from landcover.stac.area import fetch_area
from landcover.stac.candidates import SceneQuery
from tests.live.granules import PLACES
from tests.live.range_server import RangeServer

pytestmark = pytest.mark.data

PLACE = PLACES["four patches"]
QUERY = SceneQuery(
    latitude=PLACE.lat,
    longitude=PLACE.lon,
    start=date(2017, 1, 1),
    end=date(2023, 1, 1),
    near=date(2017, 6, 13),
)
AROUND = Bounds(
    south=PLACE.lat - 0.0108,
    north=PLACE.lat + 0.0108,
    west=PLACE.lon - 0.016,
    east=PLACE.lon + 0.016,
)


def test_an_area_is_read_once_and_equals_its_windows(live: RangeServer) -> None:
    area = fetch_area("earth-search", AROUND, QUERY)
    assert (area.grid.rows, area.grid.columns) == (2, 2)
    assert area.raster.extent == area.grid.whole
    once = live.sent
    live.reset()
    for window, (row, col) in zip(area.grid.windows, area.grid.corners, strict=True):
        alone = catalog.fetch(replace(area.candidate, target=window))
        part = area.raster.window(row, col, 120)
        assert np.array_equal(alone.data, part.data)
        assert np.array_equal(alone.valid, part.valid)
    assert once < live.sent


def test_a_large_area_is_refused_before_anything_is_requested(live: RangeServer) -> None:
    large = replace(AROUND, north=AROUND.north + 1)
    with pytest.raises(BadInput, match="at most 64"):
        fetch_area("earth-search", large, QUERY)
    assert live.requests == []


@pytest.mark.usefixtures("live")
def test_an_area_without_scenes_has_a_reason() -> None:
    nowhere = PLACES["nowhere"]
    query = replace(QUERY, latitude=nowhere.lat, longitude=nowhere.lon)
    bounds = Bounds(
        south=nowhere.lat - 0.01,
        north=nowhere.lat + 0.01,
        west=nowhere.lon - 0.01,
        east=nowhere.lon + 0.01,
    )
    with pytest.raises(BadInput, match="No scene shows this place"):
        fetch_area("earth-search", bounds, query)
