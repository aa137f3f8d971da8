"""Queries, previews, and the choice of the best pass with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.core.errors import BadInput
from landcover.core.window import Window
from landcover.stac.catalog import Candidate, Preview, SceneQuery
from landcover.stac.ranking import MAX_NODATA, choose, order, preview_of
from landcover.stac.scene import Scene

QUERY = SceneQuery(latitude=48.2, longitude=16.4, start=date(2022, 6, 1), end=date(2022, 6, 30))
TARGET = Window.around(48.2, 16.4, pixels=120, crs="EPSG:32633")
CLEAR = Preview(cloud=0, shadow=0, snow=0, nodata=0)


def candidate(
    day: int, preview: Preview | None = CLEAR, stated: Sequence[float | None] = ()
) -> Candidate:
    """A pass on a day of June 2022, with the cloud fractions that its granules state."""
    scenes = tuple(
        Scene(
            id=f"{day}-{number}",
            catalogue="earth-search",
            acquired=datetime(2022, 6, day, 10, tzinfo=UTC),
            footprint={},
            bands={},
            cloud=cloud,
        )
        for number, cloud in enumerate(stated or (None,))
    )
    return Candidate(scenes=scenes, target=TARGET, preview=preview)


def cloudy(cloud: float, *, shadow: float = 0.0, nodata: float = 0.0) -> Preview:
    return Preview(cloud=cloud, shadow=shadow, snow=0, nodata=nodata)


# The choice


def test_if_nothing_is_found_the_reason_says_what_to_do() -> None:
    result = choose([], QUERY, ("a note",))
    assert result.candidates == ()
    assert result.best is None
    assert result.notes == ("a note",)
    assert result.reason == (
        "No scene shows this place from 2022-06-01 to 2022-06-30: widen the dates, or choose "
        "another catalogue."
    )


def test_without_classifications_the_nearest_pass_is_best() -> None:
    result = choose(
        [candidate(20, None), candidate(9, None)], replace(QUERY, near=date(2022, 6, 8))
    )
    assert result.best == 1
    assert result.reason == (
        "The catalogue has no scene classification here, so cloud is not known: this is the "
        "nearest to 8 June 2022 of 2 passes."
    )


@pytest.mark.parametrize(
    ("previews", "best", "reason"),
    [
        (
            {28: CLEAR, 20: CLEAR},
            0,
            ("Clear over this square (0% cloud and shadow) and the newest of 2 checked passes."),
        ),
        (
            {28: cloudy(0.2), 20: cloudy(0.004), 4: None},
            1,
            (
                "Clear over this square (under 1% cloud and shadow) and the newest of "
                "2 checked passes (3 found)."
            ),
        ),
        (
            {28: cloudy(0.05, shadow=0.06), 20: cloudy(0.04, shadow=0.05)},
            1,
            ("Clear over this square (9% cloud and shadow) and the newest of 2 checked passes."),
        ),
        (
            {28: cloudy(0, nodata=0.02), 20: cloudy(0, nodata=0.01)},
            1,
            ("Clear over this square (0% cloud and shadow) and the newest of 2 checked passes."),
        ),
        (
            {28: cloudy(0.9), 20: cloudy(0.3, shadow=0.1), 9: cloudy(0, nodata=0.5)},
            1,
            (
                "None of 3 checked passes is clear enough here: this one hides least (40% cloud and "
                "shadow, 0% no data); widen the dates for a better one."
            ),
        ),
        (
            {28: cloudy(1.0)},
            0,
            (
                "None of 1 checked pass is clear enough here: this one hides least (100% cloud and "
                "shadow, 0% no data); widen the dates for a better one."
            ),
        ),
    ],
)
def test_the_preferred_pass_and_its_reason(
    previews: dict[int, Preview | None], best: int, reason: str
) -> None:
    result = choose([candidate(day, preview) for day, preview in previews.items()], QUERY)
    assert result.best == best
    assert result.reason == reason


def test_of_two_equally_near_passes_the_less_hidden_is_best() -> None:
    query = replace(QUERY, near=date(2022, 6, 10))
    pair = [candidate(12, cloudy(0.08)), candidate(8, cloudy(0.02))]
    assert choose(pair, query).best == 1
    assert choose(pair[::-1], query).best == 0


def test_snow_hides_nothing() -> None:
    result = choose([candidate(12, Preview(cloud=0, shadow=0, snow=1, nodata=0))], QUERY)
    assert result.reason.startswith("Clear over this square")


previews = st.builds(
    lambda a, b, c: Preview(cloud=a * (1 - b), shadow=(1 - a) * (1 - b), snow=0.0, nodata=b * c),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
)


@given(
    passes=st.lists(st.tuples(st.integers(1, 30), st.none() | previews), min_size=1, max_size=8),
    near=st.none() | st.integers(1, 30),
    max_cloud=st.floats(0, 1),
)
def test_no_clear_pass_is_nearer_than_the_best(
    passes: list[tuple[int, Preview | None]], near: int | None, max_cloud: float
) -> None:
    day = date(2022, 6, near) if near else None
    query = replace(QUERY, near=day, max_cloud=max_cloud)
    found = [candidate(day, preview) for day, preview in passes]
    result = choose(found, query)
    assert result.candidates == tuple(found)
    assert result.best is not None
    best = found[result.best]

    def away(one: Candidate) -> timedelta:
        return abs(one.acquired.date() - query.best_day)

    checked = [(one, one.preview) for one in found if one.preview]
    clear = [
        one
        for one, preview in checked
        if preview.cloud + preview.shadow <= max_cloud and preview.nodata <= MAX_NODATA
    ]
    if clear:
        assert best in clear
        assert away(best) == min(map(away, clear))
        assert result.reason.startswith("Clear")
    elif checked:
        assert best.preview is not None
        assert best.preview.hidden == min(preview.hidden for _, preview in checked)
        assert result.reason.startswith("None of")
    else:
        assert away(best) == min(map(away, found))
    assert "\n" not in result.reason
    assert result.reason.endswith(".")


# Order of previews


def test_near_passes_are_previewed_first_and_overcast_ones_last() -> None:
    found = [
        candidate(28, stated=[0.95]),
        candidate(20, stated=[0.5]),
        candidate(26, stated=[0.97, 0.2]),
        candidate(10),
    ]
    assert order(found, QUERY) == [2, 1, 3, 0]
    assert order(found, replace(QUERY, near=date(2022, 6, 11))) == [3, 1, 2, 0]


# Previews


def scl(*rows: tuple[int, int]) -> Any:
    """A classification of 60 × 60 pixels, given as (class, number of rows) from the top."""
    column = np.concatenate([np.full(count, name, np.uint8) for name, count in rows])
    return np.repeat(column[:, None], 60, axis=1)


def test_shares_of_a_classification() -> None:
    rows = [(0, 3), (1, 3), (3, 6), (8, 6), (9, 3), (10, 3), (11, 12), (4, 12), (6, 12)]
    found = preview_of([{"SCL": scl(*rows)}])
    assert found == Preview(cloud=0.2, shadow=0.1, snow=0.2, nodata=0.1)
    assert found is not None
    assert found.hidden == pytest.approx(0.4)
    assert found.picture is None


def test_classifications_of_granules_fill_each_others_gaps() -> None:
    upper, lower = scl((9, 20), (0, 40)), scl((4, 30), (9, 30))
    assert preview_of([{"SCL": upper}, {"SCL": lower}]) == cloudy(50 / 60)
    assert preview_of([{"SCL": lower}, {"SCL": upper}]) == cloudy(30 / 60)


def test_pictures_of_granules_are_joined_and_transparent_elsewhere() -> None:
    left = np.zeros((120, 120, 3), np.uint8)
    left[:, :50] = 10, 0, 0
    right = np.zeros((120, 120, 3), np.uint8)
    right[:, 40:100] = 0, 20, 0
    ground = scl((4, 60))
    found = preview_of([{"SCL": ground, "visual": left}, {"SCL": ground, "visual": right}])
    assert found is not None
    assert found.picture is not None
    assert found.picture.shape == (120, 120, 4)
    assert (found.picture[:, :50] == [10, 0, 0, 255]).all()
    assert (found.picture[:, 50:100] == [0, 20, 0, 255]).all()
    assert not found.picture[:, 100:].any()


def test_without_a_classification_there_is_no_preview() -> None:
    assert preview_of([{"SCL": scl((4, 60))}, {}]) is None


# Queries


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latitude": 84.01}, r"no pictures at 84\.0100, 16\.4000: choose a place between 80"),
        ({"latitude": -80.01}, "no pictures at"),
        ({"latitude": float("nan")}, "no pictures at nan"),
        ({"latitude": float("inf")}, "no pictures at inf"),
        ({"longitude": 180.01}, "no pictures at"),
        ({"longitude": -180.01}, "no pictures at"),
        ({"longitude": float("nan")}, "no pictures at"),
        ({"end": date(2022, 5, 1)}, "run backwards, from 2022-06-01 to 2022-05-01: exchange"),
        ({"start": date(2000, 1, 1), "end": date(2014, 1, 1)}, "No Sentinel-2 picture is from"),
        ({"start": date(2999, 1, 1), "end": date(2999, 1, 1)}, "No Sentinel-2 picture is from"),
        ({"months": frozenset({0})}, "Months are numbers from 1 to 12"),
        ({"months": frozenset({13, 4})}, "Months are numbers from 1 to 12"),
        ({"max_cloud": -0.1}, "a fraction from 0 to 1"),
        ({"max_cloud": 10}, "a fraction from 0 to 1"),
        ({"max_cloud": float("nan")}, "a fraction from 0 to 1"),
    ],
)
def test_invalid_queries_are_refused_with_a_sentence(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        replace(QUERY, **change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("latitude", "longitude"), [(84, 180), (-80, -180), (0, 0)])
def test_the_limits_themselves_are_valid(latitude: float, longitude: float) -> None:
    assert replace(QUERY, latitude=latitude, longitude=longitude).best_day == date(2022, 6, 30)


def test_queries_around_a_day_or_for_the_latest_imagery() -> None:
    today = datetime.now(UTC).date()
    lately = SceneQuery.around(48.2, 16.4)
    assert (lately.end - lately.start).days == 180
    assert abs((lately.end - today).days) <= 1
    day = SceneQuery.around(48.2, 16.4, date(2020, 1, 23))
    assert (day.start, day.end) == (date(2019, 11, 24), date(2020, 3, 23))
    assert day.best_day == date(2020, 1, 23)
    assert SceneQuery.around(48.2, 16.4, today).end == today
    with pytest.raises(BadInput, match="No Sentinel-2 picture"):
        SceneQuery.around(48.2, 16.4, today + timedelta(days=365))
