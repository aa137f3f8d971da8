"""Trends: slopes, intervals, and what dates cannot show."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.time.trend import season_gap, trend_of

START = datetime(2019, 6, 1, tzinfo=UTC)
DATES = st.datetimes(datetime(2015, 7, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
VALUES = st.none() | st.floats(-1e6, 1e6) | st.just(math.nan)


def yearly(count: int) -> list[datetime]:
    return [START.replace(year=START.year + number) for number in range(count)]


def test_a_line_has_its_slope() -> None:
    found = trend_of(yearly(6), [100.0 - 3 * number for number in range(6)])
    assert found.kind == "trend"
    assert found.slope == pytest.approx(-3, rel=1e-3)
    assert found.low <= found.slope <= found.high
    assert found.shown
    assert not found.mixed_seasons
    assert "-3 ha a year" in found.sentence("Water", "ha")


def test_one_odd_date_does_not_move_the_slope() -> None:
    values = [10.0, 11, 12, 13, 14, 15, 16, 500]
    assert trend_of(yearly(8), values).slope == pytest.approx(1, abs=0.01)


def test_dates_within_a_year_are_a_season() -> None:
    dates = [START + timedelta(days=40 * number) for number in range(8)]
    found = trend_of(dates, [float(number) for number in range(8)])
    assert found.kind == "season"
    assert not found.shown
    assert "season, not a trend" in found.sentence("Water", "ha")


def test_a_gap_does_not_count_as_a_date() -> None:
    found = trend_of(yearly(5), [1.0, None, 2.0, math.nan, 3.0])
    assert found.dates == 3
    assert found.kind == "few dates"
    assert "3 dates with a value are too few" in found.sentence("Water", "ha")
    assert "1 date with a value is too" in trend_of(yearly(1), [1.0]).sentence("Water", "ha")


def test_chance_is_no_trend() -> None:
    found = trend_of(yearly(8), [3.0, 1, 4, 1, 5, 2, 6, 1])
    assert not found.shown
    assert "no trend that differs from chance" in found.sentence("Water", "ha")


def test_equal_values_are_no_trend() -> None:
    found = trend_of(yearly(8), [2.0] * 8)
    assert found.slope == 0
    assert found.p == 1
    assert not found.shown


def test_dates_of_different_seasons_are_named() -> None:
    dates = [datetime(2018 + number, 1 + 6 * (number % 2), 1, tzinfo=UTC) for number in range(6)]
    found = trend_of(dates, [float(number) for number in range(6)])
    assert found.mixed_seasons
    assert "seasons differ" in found.sentence("Water", "ha")


def test_the_turn_of_the_year_is_no_gap() -> None:
    assert season_gap(datetime(2020, 12, 30, tzinfo=UTC), datetime(2022, 1, 4, tzinfo=UTC)) <= 6
    dates = [datetime(2018 + n, *((12, 20) if n % 2 else (1, 10)), tzinfo=UTC) for n in range(6)]
    assert not trend_of(dates, [1.0] * 6).mixed_seasons


def test_values_of_one_date_count_as_their_median() -> None:
    dates = [datetime(2018 + n, 7, 1, tzinfo=UTC) for n in range(6)]
    once = trend_of(dates, [float(n) for n in range(6)])
    assert trend_of([*dates, *dates[:2] * 2], [*range(6), -9, -9, 9, 11]) == once
    assert trend_of([dates[0], dates[0], dates[1]], [0.0, 0.0, 0.0]).slope == 0


@given(st.lists(st.tuples(DATES, VALUES), max_size=20))
def test_any_values_have_an_answer(points: list[tuple[datetime, float | None]]) -> None:
    found = trend_of([when for when, _ in points], [value for _, value in points])
    assert 0 <= found.p <= 1
    assert found.dates == len({d for d, v in points if v is not None and math.isfinite(v)})
    assert math.isnan(found.slope) or found.low <= found.slope <= found.high
    assert found.sentence("Water", "ha").endswith(".")


@given(DATES, DATES)
def test_a_season_gap_is_symmetric_and_at_most_half_a_year(a: datetime, b: datetime) -> None:
    assert season_gap(a, b) == season_gap(b, a)
    assert 0 <= season_gap(a, b) <= 183
