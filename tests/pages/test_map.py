"""The map of the Classify page: search, squares, and what it draws without a network."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import folium
import pytest
from streamlit.testing.v1 import AppTest

from landcover.core.errors import FetchError
from landcover.net import nominatim
from pages.parts.classify import map as chart
from pages.parts.classify import squares
from pages.parts.shared import basemap
from tests.pages.conftest import MapStandIn


def search(page: AppTest, text: str) -> None:
    page.text_input[0].input(text)
    next(button for button in page.button if button.label == "Go there").click().run()


def test_a_place_is_found_by_name(page: AppTest, browser_map: MapStandIn) -> None:
    search(page, "vienna")
    assert any("48.2085° N, 16.3721° E" in caption.value for caption in page.caption)
    call = browser_map.calls[-1]
    assert call["center"] == pytest.approx((48.2085, 16.3721), abs=1e-3)
    assert round(call["zoom"]) == squares.PLACE_ZOOM
    # Another place of that name is one click away, and the list stays.
    for _ in range(2):
        page.button(key="classify_search_0").click().run()
        assert any("38.9012° N, 77.2653° W" in caption.value for caption in page.caption)
    search(page, "48.3, 374")
    assert any("48.3000° N, 14.0000° E" in caption.value for caption in page.caption)
    assert not [button for button in page.button if button.key == "classify_search_online"]


def test_an_unknown_place_can_be_searched_online(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def online(text: str, **_: object) -> tuple[nominatim.FoundPlace, ...]:
        asked.append(text)
        if len(asked) == 1:
            raise FetchError("No network: try again.")
        return (nominatim.FoundPlace(name="Hill", latitude=47.5, longitude=13.5),)

    monkeypatch.setattr(nominatim, "search", online)
    search(page, "over the hills")
    assert "‘over the hills’ is not a place" in page.warning[0].value
    assert asked == []
    page.button(key="classify_search_online").click().run()
    assert page.error[0].value == "No network\\: try again\\."
    page.button(key="classify_search_online").click().run()
    assert any("47.5000° N, 13.5000° E" in caption.value for caption in page.caption)
    assert not page.warning
    assert asked == ["over the hills"] * 2


def test_the_square_moves_by_its_own_size(page: AppTest, browser_map: MapStandIn) -> None:
    assert not [button for button in page.button if button.label == "North"]
    search(page, "48.3, 14")
    square = squares.around(48.3, 14.0)
    assert square is not None
    page.button(key="classify_move_east").click().run()
    page.button(key="classify_move_south").click().run()
    latitude, longitude = squares.neighbours(square)["south-east"].centre
    assert browser_map.calls[-1]["center"] == pytest.approx((latitude, longitude), abs=1e-3)
    # A click in a square beside the current one takes exactly that square, once it is visible.
    browser_map.answer = {
        "center": {"lat": latitude, "lng": longitude},
        "zoom": 13,
        "last_object_clicked": {"lat": latitude + 0.009, "lng": longitude - 0.014},
        "last_object_clicked_count": 1,
    }
    page.run()
    assert browser_map.calls[-1]["center"] == pytest.approx(square.centre, abs=1e-3)
    page.selectbox(key="classify_sample").select("austria-fields").run()
    page.button(key="classify_move_west").click().run()
    assert any("in none of the samples" in caption.value for caption in page.caption)


def test_a_click_at_the_poles_has_no_square(page: AppTest, browser_map: MapStandIn) -> None:
    browser_map.answer = {"last_clicked": {"lat": 88.0, "lng": 14.0}}
    page.run()
    assert not [button for button in page.button if button.label == "North"]


def test_places_of_the_map_are_written_in_cells(tmp_path: Path) -> None:
    folder = tmp_path / "static" / "places"
    assert basemap.write_places_if_missing(folder)
    rows = json.loads((folder / "45_15.json").read_text(encoding="utf-8"))
    assert ["Vienna", 48.2085, 16.3721] in [row[:3] for row in rows]
    assert all(45 <= row[1] < 50 and 15 <= row[2] < 20 for row in rows)
    assert [path.name for path in folder.parent.iterdir()] == ["places"]


def test_many_visitors_draw_on_copies_of_one_map() -> None:
    def marks(root: folium.Figure) -> list[str]:
        return [getattr(root, part).render() for part in ("header", "html", "script")]

    fixed = chart.fixed_map(background=True)
    fixed.get_root().render()
    before = marks(fixed.get_root())

    def visit(number: int) -> str:
        own, group = fixed.copy(), folium.FeatureGroup(control=False)
        for _ in range(10):
            icon = folium.DivIcon(html=f"visitor {number}")
            folium.Marker((number, 10), icon=icon, tooltip="here").add_to(group)
        folium.raster_layers.ImageOverlay("data:image/png;base64,", [[0, 0], [1, 1]]).add_to(group)
        group.add_to(own)
        group.render()
        own.get_root().header.render()
        return str(own.get_root().script.render())

    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(visit, range(40)))
    for number, script in enumerate(drawn):
        assert f'visitor {number}"' in script
        assert script.count('"html": "visitor') == 10
    assert marks(fixed.get_root()) == before
