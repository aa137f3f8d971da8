"""Bands, dates, levels and places, as people and products write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.core.bands import L1C_BAND_NAMES
from landcover.core.errors import BadInput
from landcover.core.place import parse_place
from landcover.io.band_names import band_of
from landcover.io.guard import shown
from landcover.io.names import band_of_file, baseline_in, level_in, time_in


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("B1", "B01"), ("b01", "B01"), ("B8A", "B8A"), ("b08a", "B8A"), ("B08", "B08"),
        ("B01 coastal", "B01"), ("S2_B04_10m", "B04"), ("B10", "B10"), ("SWIR 2", "B12"),
        ("Red", "B04"), ("water_vapour", "B09"), ("nir", "B08"), ("nir08", "B8A"),
        ("B13", None), ("B4A", None), ("SCL", None), ("", None), (None, None), ("B02 B03", None),
        ("band", None), ("rgb1", None),
    ],
)  # fmt: skip
def test_band_of(text: str | None, band: str | None) -> None:
    assert band_of(text) == band


@pytest.mark.parametrize(
    ("name", "band"),
    [
        ("S2A_26_57_B8A.tif", "B8A"), ("x_B01.TIFF", "B01"), ("B12.tif", "B12"),
        ("S2A_B13.tif", None), ("S2A_B01.json", None), ("AB01.tif", None),
    ],
)  # fmt: skip
def test_band_of_file(name: str, band: str | None) -> None:
    assert band_of_file(name) == band


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57", (2017, 6, 13, 10, 10, 31)),
        ("S2B_MSIL2A_20170924T93020_69_24", (2017, 9, 24, 9, 30, 20)),
        ("S2B_MSIL2A_20180204T94161_57_38", (2018, 2, 4)),
        ("Boadella_2020-01-23.tif", (2020, 1, 23)),
        ("2020_01_23", (2020, 1, 23)),
        ("2021-07-23T13:22:41.000000000", (2021, 7, 23, 13, 22, 41)),
        ("20130101", None), ("20991231", None), ("20201301", None), ("637U_59R_1_3.tif", None),
        ("120200123", None), ("", None),
    ],
)  # fmt: skip
def test_time_in(text: str, time: tuple[int, ...] | None) -> None:
    expected = None if time is None else datetime(*time, tzinfo=UTC)  # type: ignore[misc, arg-type]
    assert time_in(text) == expected


def test_level_and_baseline() -> None:
    assert level_in("S2A_MSIL1C_20200123T105321_N0208") == "L1C"
    assert level_in("Level-2A") == "L2A"
    assert level_in("SL2AB") is None
    assert baseline_in("S2A_MSIL2A_20220601T103041_N0400_R108") == "04.00"
    assert baseline_in("stack.tif") is None


@pytest.mark.parametrize(
    "text",
    ["48.2, 16.37", "48.2 16.37", "48.2,16.37", "48.2N 16.37E", "48.2° N, 16.37° E", "(48.2; 16.37)",
     "16.37E 48.2N", "E16.37, N48.2", "48,2; 16,37", "48,2 16,37", "48°12'0\"N 16°22'12\"E"],
)  # fmt: skip
def test_places_as_people_write_them(text: str) -> None:
    assert parse_place(text) == pytest.approx((48.2, 16.37))


def test_signs_and_hemispheres() -> None:
    assert parse_place("-33.9, 18.4") == pytest.approx((-33.9, 18.4))
    assert parse_place("33.9S 18.4W") == pytest.approx((-33.9, -18.4))
    assert parse_place("−33.5; −18.25") == pytest.approx((-33.5, -18.25))


@pytest.mark.parametrize(
    ("text", "longitude"), [("0, 181", -179), ("0, 374", 14), ("0, -200", 160), ("0, 180", 180)]
)
def test_longitudes_are_wrapped_as_web_maps_count_them(text: str, longitude: float) -> None:
    assert parse_place(text) == pytest.approx((0, longitude))


@pytest.mark.parametrize(
    "text", ["", "Vienna", "48.2", "48.2, 16.37, 3", "a.tif", "4 8 2", "x" * 500]
)
def test_other_texts_are_not_places(text: str) -> None:
    assert parse_place(text) is None


@pytest.mark.parametrize(
    ("text", "words"), [("91, 0", "nowhere"), ("0, 541", "nowhere"), ("48N 16N", "two latitudes")]
)
def test_impossible_places_are_refused(text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        parse_place(text)


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_a_written_place_is_parsed_again(latitude: float, longitude: float) -> None:
    assert parse_place(f"{latitude:.6f},{longitude:.6f}") == pytest.approx(
        (latitude, longitude), abs=1e-6
    )


@given(st.text())
def test_any_text_can_be_parsed(text: str) -> None:
    assert band_of(text) in {None, *L1C_BAND_NAMES}
    moment = time_in(text)
    assert moment is None or moment.tzinfo is UTC
    name = shown(text)
    assert name.isprintable()
    assert 0 < len(name) <= 80


def test_shown_removes_folders_and_control_characters() -> None:
    assert shown("/home/me/a\x1b[31m.tif") == "a[31m.tif"
    assert shown("C:\\Users\\me\\a.tif") == "a.tif"
    assert len(shown("x" * 500)) <= 80
