"""What the map of the Area page reports, which may be anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.parts.area.map_reply import read

RING = [[14.0, 48.0], [14.1, 48.0], [14.05, 48.1], [14.0, 48.0]]


def drawn(coordinates: object, kind: str = "Polygon") -> dict[str, Any]:
    return {"last_active_drawing": {"geometry": {"type": kind, "coordinates": coordinates}}}


def test_a_polygon_becomes_geojson() -> None:
    found = read(drawn([RING])).drawn
    assert found is not None
    assert json.loads(found) == {"type": "Polygon", "coordinates": [RING]}


def test_a_polygon_on_another_turn_of_the_map_is_brought_back() -> None:
    found = read(drawn([[[x + 360, y] for x, y in RING]])).drawn
    assert found is not None
    assert json.loads(found)["coordinates"] == [RING]


def test_view_and_click_are_taken() -> None:
    found = read(
        {"center": {"lat": 48, "lng": 14}, "zoom": 9, "last_clicked": {"lat": 1, "lng": 361}}
    )
    assert found.view == ((48.0, 14.0), 9.0)
    assert found.clicked == (1.0, 1.0)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        7,
        drawn(RING),
        drawn([RING, RING]),
        drawn([RING], "LineString"),
        drawn([[[14.0, 48.0]] * 3]),
        drawn([[*RING[:3], ["14", 48.0]]]),
        drawn([[*RING[:3], [14.0, 1e9]]]),
        drawn([[[14.0, 48.0]] * 5000]),
        {"last_active_drawing": {"geometry": 3}},
    ],
)
def test_anything_else_is_no_drawing(answer: object) -> None:
    assert read(answer).drawn is None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["geometry", "type", "coordinates", "lat", "lng"]), inner)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["last_active_drawing", "last_clicked", "center"]), JSON))
def test_nothing_raises(answer: dict[str, Any]) -> None:
    read(answer)
