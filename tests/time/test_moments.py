"""What a date and a month say: hectares, gaps with their reason, and what clouds leave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from landcover.areas import sky
from landcover.areas.block import Tally
from landcover.areas.hectares import CELL_HA
from landcover.areas.product import AreaRow
from landcover.time.dated import DateMap
from landcover.time.moments import Month, Monthly, moment_of
from landcover.trust.verdict import Finding, Quality, Verdict
from tests.support.dated_maps import COVERS, SIDE, date_map, ground

WHOLE = SIDE**2 * CELL_HA
WATER = COVERS.index("Water")


def rows_of(tally: Tally) -> Sequence[AreaRow]:
    """The mapped hectares, ± 10 %; nothing for what cannot be told apart."""
    areas = tally.covers * CELL_HA
    known = [
        AreaRow(label=name, adjusted_ha=area, low_ha=0.9 * area, high_ha=1.1 * area)
        for name, area in zip(COVERS[1:], areas.tolist()[1:], strict=True)
    ]
    return [AreaRow(label=COVERS[0], windows=3, note="present in 3 windows"), *known]


def cloudy(share: float) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    mask[: round(share * SIDE)] = sky.CLOUD
    return mask


def verdict(decision: str, sentence: str = "") -> Verdict:
    findings = (
        Finding(
            check="haze", level="warn", about="pixels", value=1.0, bound=0.4, sentence=sentence
        ),
    )
    return Verdict(
        decision=decision,  # type: ignore[arg-type]
        reason="Cloud hides everything: choose another date.",
        findings=findings if sentence else (),
        quality=Quality(nodata_fraction=0, cloud_fraction=None, warnings=(), abstained=False),
        checked=("pixels",),
    )


def test_a_clear_date_has_hectares_with_intervals() -> None:
    found = moment_of(date_map(), rows_of)
    water = (ground() == WATER).sum() * CELL_HA
    assert found.gap == ""
    assert found.caution == ""
    assert set(found.hectares) == set(COVERS[1:])
    assert found.hectares["Water"].value == pytest.approx(water, rel=0.1)
    assert found.hectares["Water"].low < found.hectares["Water"].value


def test_a_cloudy_date_is_a_gap_that_says_why() -> None:
    found = moment_of(date_map(mask=cloudy(0.5)), rows_of)
    assert found.gap == "50% of the area is hidden (50% cloud or haze)."
    assert not found.hectares
    assert not found.presence


def test_what_some_cloud_hides_widens_the_interval() -> None:
    clear, some = (moment_of(date_map(mask=cloudy(share)), rows_of) for share in (0.0, 0.1))
    before, after = clear.hectares["Water"], some.hectares["Water"]
    assert some.gap == ""
    assert after.value == pytest.approx(before.value, rel=0.15)
    assert after.high - after.value > before.high - before.value + 0.05 * WHOLE


def test_a_verdict_makes_a_gap_or_a_caution() -> None:
    gap = moment_of(date_map(), rows_of, verdict("cannot tell", "Cloud hides it."))
    assert gap.gap == "Cloud hides everything: choose another date."
    assert gap.caution == ""
    hazy = moment_of(date_map(), rows_of, verdict("warn", "Haze covers 100% of the land."))
    assert hazy.gap == ""
    assert hazy.caution == "Haze covers 100% of the land."
    assert hazy.hectares


def test_without_a_cover_head_there_are_no_hectares() -> None:
    assert not moment_of(date_map(), None).hectares


def test_windows_unlike_anything_learnt_are_a_caution() -> None:
    layers = np.full((1 + 4, 3, 3), 10, dtype=np.uint8)
    layers[1 + 2] = sky.UNLIKE
    found = moment_of(date_map(classes=("Inland waters",), presence=layers), rows_of)
    assert found.caution.startswith("100% of the windows are unlike")
    assert found.presence["Inland waters"] == pytest.approx(0.04)


def months(*dates: DateMap) -> list[Month]:
    monthly = Monthly(rows_of)
    found = [monthly.add(one) for one in dates]
    return [one for one in (*found, monthly.finish()) if one is not None]


def test_dates_of_a_month_see_what_clouds_hid_at_another() -> None:
    upper, lower = cloudy(0.5), cloudy(0.5)[::-1]
    (found,) = months(date_map("2021-06-06", mask=upper), date_map("2021-06-26", mask=lower))
    clear = moment_of(date_map(), rows_of)
    assert (found.month, found.dates, found.unseen, found.gap) == ("2021-06", 2, 0.0, "")
    assert found.hectares["Water"].value == pytest.approx(clear.hectares["Water"].value, rel=0.02)


def test_months_follow_each_other() -> None:
    found = months(date_map("2021-06-06"), date_map("2021-06-26"), date_map("2021-08-01"))
    assert [(one.month, one.dates) for one in found] == [("2021-06", 2), ("2021-08", 1)]


def test_a_month_under_cloud_is_a_gap() -> None:
    (found,) = months(date_map("2021-06-06", mask=cloudy(1.0)))
    assert found.dates == 0
    assert found.unseen == pytest.approx(WHOLE)
    assert found.gap == "100% of the area is hidden at all dates of the month."
    assert not found.hectares


def test_two_dates_of_a_month_are_averaged() -> None:
    flooded = np.full((SIDE, SIDE), WATER)
    (found,) = months(
        date_map("2021-06-06", truth=flooded),
        date_map("2021-06-16", truth=flooded, seed=1),
        date_map("2021-06-26"),
    )
    assert found.hectares["Water"].value > 0.9 * WHOLE


def test_some_haze_is_a_caution() -> None:
    some = moment_of(date_map(haze=0.26, index_water=268.0), rows_of)
    assert some.caution == "Haze covers 26% of the land."
    assert some.index_water == 268
