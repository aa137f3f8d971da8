"""What is refused and what is warned of before two maps are compared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from landcover.areas import sky
from landcover.core.errors import BadInput
from landcover.time.guard import checked_pair
from tests.support.dated_maps import SIDE, date_map, grid


def cloudy(rows: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    mask[:rows] = sky.CLOUD
    return mask


def presence_unlike() -> dict[str, Any]:
    layers = np.full((1 + 4, 3, 3), 10, dtype=np.uint8)
    layers[1 + 2] = sky.UNLIKE
    return {"classes": ("Water",), "presence": layers}


def test_two_dates_of_one_season_pass_without_a_word() -> None:
    pair = checked_pair(date_map("2020-06-21"), date_map("2021-06-26"))
    assert pair.warnings == ()
    assert pair.before.facts.day == "2020-06-21"


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"when": "2020-06-21"}, "Both are of 2020-06-21:"),
        ({"acquired": datetime(2020, 6, 21, 10, 40, 29, tzinfo=UTC)}, "Both are of 2020-06-21:"),
        ({"level": "L1C"}, "L2A and"),
        ({"model": "landcover-cnn"}, "made by landcover-mosaic and landcover-cnn"),
        ({"card": "xyz"}, "two versions of landcover-mosaic"),
        ({"covers": ("A", "B", "C", "D")}, "do not have the same covers"),
        ({"grid": replace(grid(), crs="EPSG:32632")}, "EPSG:32631 and EPSG:32632"),
        ({"grid": replace(grid(), transform=(80, 0, 480_040, 0, -80, 4_690_080))}, "same cells"),
        ({"mask": cloudy(SIDE - 1)}, "clear view at both dates"),
    ],
)
def test_a_meaningless_comparison_is_refused_in_a_sentence(
    second: Mapping[str, Any], message: str
) -> None:
    given = {"when": "2021-06-26", **second}
    with pytest.raises(BadInput, match=message) as error:
        checked_pair(date_map("2020-06-21"), date_map(**given))
    said = str(error.value)
    assert said.endswith(".")
    assert ": " in said  # what is wrong, then what to do


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"when": "2021-01-10"}, "163 days of the year apart"),
        ({"when": None}, "states no single date"),
        ({"baseline": "04.00"}, "03.01 and 04.00, of which one adds 1000 .* was removed, but"),
        ({"baseline": "02.14"}, "baselines are 03.01 and 02.14"),
        ({"baseline": None}, "does not state its processing baseline"),
        (
            {"mask": cloudy(SIDE // 2)},
            "50% of the area is hidden .50% cloud or haze. on 2021-06-26",
        ),
        (presence_unlike(), "unlike anything"),
        ({"dark": 0.11}, "darkest ground of 2021-06-26 is brighter by 0.10"),
        ({"haze": 0.26}, "26% of the land is hazy on 2021-06-26"),
    ],
)
def test_what_may_be_no_change_is_said(second: Mapping[str, Any], message: str) -> None:
    given = {"when": "2021-06-26", **second}
    pair = checked_pair(date_map("2020-06-21", dark=0.01), date_map(**given))
    (warning,) = pair.warnings
    assert re.search(message, warning)


def test_dates_in_the_wrong_order_are_swapped_and_said() -> None:
    pair = checked_pair(date_map("2021-06-26"), date_map("2020-06-21"))
    assert pair.before.facts.day == "2020-06-21"
    assert "swapped" in pair.warnings[0]


def test_an_unreadable_baseline_is_only_another_one() -> None:
    pair = checked_pair(date_map("2020-06-21"), date_map("2021-06-26", baseline="05.x and 02.13"))
    assert len(pair.warnings) == 1
