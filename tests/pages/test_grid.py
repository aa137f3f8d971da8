"""A drawn rectangle on the Classify page: windows of uploads, of live imagery, and too many."""

from __future__ import annotations

import csv
import io
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import folium
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from landcover.core.errors import FetchError
from landcover.core.raster import Raster
from landcover.core.window_grid import Bounds, window_grid
from landcover.io.samples import read_sample
from landcover.stac import area as stac_area
from landcover.stac.candidates import Candidate, SceneQuery
from landcover.stac.scene import Scene
from pages.parts.classify import grid, grid_results
from pages.parts.shared import choice, holdings
from tests.pages.conftest import MapStandIn
from tests.support.held import hold

SCENE = Scene(
    id="S2A_TEST",
    catalogue="test",
    acquired=datetime(2026, 6, 1, tzinfo=UTC),
    footprint={},
    bands={},
)


def tiled(rows: int, columns: int) -> Raster:
    """A raster of several windows, each with the pixels of the Austrian sample."""
    sample = read_sample("austria-fields")
    return replace(
        sample,
        data=np.tile(sample.data, (1, rows, columns)),
        valid=np.tile(sample.valid, (rows, columns)),
        scl=None,
    )


def draw(page: AppTest, browser_map: MapStandIn, south: float, west: float, *size: float) -> None:
    north, east = south + size[0], west + size[1]
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    browser_map.answer = {
        "center": {"lat": south, "lng": west},
        "zoom": 12,
        "last_active_drawing": {"geometry": {"type": "Polygon", "coordinates": [ring]}},
    }
    page.run()


def coloured(browser_map: MapStandIn) -> int:
    """Number of coloured squares on the map."""
    chart = folium.Map()
    browser_map.calls[-1]["feature_group_to_add"].add_to(chart)
    return int(chart.get_root().render().count('"lc-window"'))


def finish(page: AppTest) -> None:
    """Rerun, as the browser does, until the job has ended."""
    for _ in range(200):
        if not [button for button in page.button if button.label == "Cancel"]:
            return
        time.sleep(0.1)
        page.run()
    raise AssertionError("the job did not end")


def test_a_rectangle_on_an_upload_classifies_its_windows(
    page: AppTest, browser_map: MapStandIn
) -> None:
    image = tiled(3, 2)
    hold(page.session_state, uploads={"upload:x": image})
    south, west = image.extent.part(350, 10, 1, 1).centre
    north, east = image.extent.part(10, 230, 1, 1).centre
    draw(page, browser_map, south, west, north - south, east - west)
    finish(page)
    assert page.header[0].value == "6 windows in your rectangle"
    assert any("**6 of 6 windows**" in text.value for text in page.markdown)
    table = page.table[0].value
    assert list(table["Window"]) == ["1", "2", "3", "4", "5", "6"]
    # All windows hold the same pixels, so all have the result of the sample.
    assert len(set(table["Land covers"])) == len(set(table["Verdict"])) == 1
    assert "Arable land" in table["Land covers"][0]
    assert coloured(browser_map) == 6
    # A click on a square opens it, and the squares stay on the map.
    place = image.extent.part(130, 10, 90, 90).centre
    # The component reports the outline of a square that is clicked as a drawing.
    outline = [[lon, lat] for lat, lon in image.extent.part(120, 0, 120, 120).outline]
    browser_map.answer |= {
        "last_object_clicked": {"lat": place[0], "lng": place[1]},
        "last_object_clicked_count": 1,
        "last_active_drawing": {
            "geometry": {"type": "Polygon", "coordinates": [[*outline, outline[0]]]}
        },
    }
    page.run()
    chosen = page.session_state["classify_trail"][-1]
    assert (chosen.upload, chosen.row, chosen.col) == ("upload:x", 120, 0)
    assert coloured(browser_map) == 6
    page.button(key="classify_back").click().run()
    assert page.header[0].value == "6 windows in your rectangle"
    page.selectbox(key="classify_grid_open").select(5).run()
    chosen = page.session_state["classify_trail"][-1]
    assert (chosen.row, chosen.col) == (240, 120)
    # Its answer can be corrected like others.
    assert any(button.label == "Keep this correction" for button in page.button)


def test_the_table_to_download_has_all_windows(
    page: AppTest, browser_map: MapStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[str] = []
    monkeypatch.setattr(
        grid_results.st, "download_button", lambda _, data, *__, **___: saved.append(data)
    )
    image = tiled(2, 2)
    hold(page.session_state, uploads={"upload:x": image})
    south, west = image.extent.part(230, 10, 1, 1).centre
    north, east = image.extent.part(10, 230, 1, 1).centre
    draw(page, browser_map, south, west, north - south, east - west)
    finish(page)
    rows = list(csv.DictReader(io.StringIO(saved[-1])))
    assert len(rows) == 4 * 19
    assert len({(row["latitude"], row["longitude"]) for row in rows}) == 4
    assert {row["label"] for row in rows} >= {"Arable land", "Pastures"}


def test_a_rectangle_without_pixels_says_what_it_would_fetch(
    page: AppTest, browser_map: MapStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Bounds] = []

    def fetch_area(_: str, bounds: Bounds, query: SceneQuery, **__: Any) -> stac_area.Area:
        asked.append(bounds)
        if len(asked) == 1:
            raise FetchError("The archive did not answer: try again.")
        assert bounds.centre == (query.latitude, query.longitude)
        found = window_grid(bounds)
        image = replace(tiled(found.rows, found.columns), **_place(found.whole))
        return stac_area.Area(
            raster=image, grid=found, candidate=Candidate(scenes=(SCENE,), target=found.whole)
        )

    monkeypatch.setattr(stac_area, "fetch_area", fetch_area)
    draw(page, browser_map, 47.0, 11.0, 0.021, 0.03)
    assert page.header[0].value == "4 windows in your rectangle"
    assert any("at most about 12 MB" in text.value for text in page.markdown)
    assert asked == []
    press(page)
    assert "did not answer" in page.error[0].value
    press(page)
    assert any("**4 of 4 windows**" in text.value for text in page.markdown)
    page.selectbox(key="classify_grid_open").select(0).run()
    chosen = page.session_state["classify_trail"][-1]
    assert chosen.live in page.session_state[holdings.KEY].fetched
    assert (chosen.scene.scene, chosen.scene.day) == ("S2A_TEST", SCENE.acquired.date())


def _place(whole: Any) -> dict[str, Any]:
    return {"crs": whole.crs, "transform": whole.transform}


def press(page: AppTest) -> None:
    next(b for b in page.button if b.label == "Fetch and classify 4 windows").click().run()
    finish(page)


def test_too_many_windows_are_counted_and_one_is_shown_instead(
    page: AppTest, browser_map: MapStandIn
) -> None:
    draw(page, browser_map, 47.0, 11.0, 1.0, 1.0)
    assert "at most 64 are classified at once" in page.warning[0].value
    assert "one window only" in page.warning[0].value
    assert any(button.label == "Fetch the best image" for button in page.button)


def test_a_rectangle_of_one_window_is_that_window(page: AppTest, browser_map: MapStandIn) -> None:
    draw(page, browser_map, 47.0, 11.0, 0.009, 0.013)
    assert page.header[0].value == "No image of this place yet"
    assert not page.warning


def test_a_rectangle_across_the_date_line_is_one_area(
    page: AppTest, browser_map: MapStandIn
) -> None:
    draw(page, browser_map, -16.8, 179.98, 0.03, 0.04)
    assert page.header[0].value.endswith("windows in your rectangle")
    plan = grid.plan_of(choice.Chosen(drawn=((-16.8, 179.98), (-16.77, 180.02))))
    assert plan is not None
    assert abs(plan.bounds.centre[1]) == pytest.approx(180.0)
