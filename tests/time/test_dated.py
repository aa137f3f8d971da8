"""The map of a date: what is seen of it, and how blocks make it."""

from __future__ import annotations

import numpy as np
import pytest

from landcover.areas import sky
from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.time.dated import check_cells
from tests.support.dated_maps import SIDE, date_map, grid


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


def test_an_area_that_fits_into_no_memory_is_said_with_its_size() -> None:
    check_cells(grid())
    with limits.changed(compared_cells=1000), pytest.raises(BadInput, match=r"23 km².* 6 km²"):
        check_cells(grid())
