"""The map of a date: what is seen of it, and how blocks make it."""

from __future__ import annotations

import numpy as np

from landcover.areas import sky
from tests.support.dated_maps import SIDE, date_map


def mask(**rows: int) -> np.ndarray:
    found = np.zeros((SIDE, SIDE), dtype=np.uint8)
    top = 0
    for name, count in rows.items():
        found[top : top + count] = getattr(sky, name)
        top += count
    return found


def test_what_hides_the_ground_is_named() -> None:
    clear = date_map()
    assert clear.hidden_share == 0
    assert clear.hidden_text == ""
    shadows = date_map(mask=mask(SHADE=3, CLOUD=6))
    assert shadows.hidden == {"cloud or haze": 0.1, "shade": 0.05}
    assert shadows.hidden_text == "15% of the area is hidden (10% cloud or haze, 5% shade)"


def test_snow_and_missing_data_hide() -> None:
    found = date_map(mask=mask(SNOW=3, NO_ANSWER=3))
    assert found.hidden == {"snow": 0.05, "no data": 0.05}
    assert found.seen.sum() == SIDE * (SIDE - 6)


def test_an_area_without_cells_is_hidden() -> None:
    assert date_map(inside=np.zeros((SIDE, SIDE), dtype=bool)).hidden_share == 1
