"""The map's answer is read strictly: it comes from the browser."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.parts.classify.map_answer import MapAnswer, read

SQUARE = [[16.0, 48.0], [16.0, 48.1], [16.2, 48.1], [16.2, 48.0], [16.0, 48.0]]


def drawing(ring: Any) -> dict[str, Any]:
    return {"last_active_drawing": {"geometry": {"type": "Polygon", "coordinates": [ring]}}}


def test_an_honest_answer_is_read() -> None:
    answer = read(
        {
            "center": {"lat": 48, "lng": 376.5},
            "zoom": 11.5,
            "last_clicked": {"lat": 48.1, "lng": 16.2},
            "last_object_clicked": {"lat": 48.2, "lng": 16.3},
            "last_object_clicked_count": 3,
            **drawing(SQUARE),
        }
    )
    assert answer == MapAnswer(
        view=((48.0, 376.5), 11.5),
        on_map=(48.1, 16.2),
        on_object=((48.2, 16.3), 3),
        drawn=(48.0, 16.0, 48.1, 16.2),
    )


@pytest.mark.parametrize(
    "ring",
    [
        [], None, "ring", [[1, 2]], SQUARE * 4, [[10**400, 1]] * 5, [[1, float("nan")]] * 5,
        [["16", "48"]] * 5, [[True, False], [False, True]], [[0, 95], [1, 96]], [[-300, 1], [300, 2]],
        [[0, 0], [1, 1], [2, 2]], [{}, {}],
    ],
)  # fmt: skip
def test_other_shapes_are_no_rectangle(ring: Any) -> None:
    assert read(drawing(ring)).drawn is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
        ["lat", "lng", "geometry", "type", "coordinates", "Polygon"]), inner, max_size=4),
)  # fmt: skip
KEYS = ["center", "zoom", "last_clicked", "last_object_clicked", "last_object_clicked_count",
        "last_active_drawing"]  # fmt: skip


@given(st.dictionaries(st.sampled_from(KEYS), JSON) | JSON)
def test_anything_else_is_read_without_an_error(answer: Any) -> None:
    found = read(answer)
    places = [found.on_map, found.on_object and found.on_object[0], found.view and found.view[0]]
    assert all(-90 <= place[0] <= 90 for place in places if place)
