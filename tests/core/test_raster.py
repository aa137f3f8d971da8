"""Rasters are validated, read-only and cut into windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.core.bands import BAND_NAMES, COMPOSITES
from landcover.core.errors import BadInput
from landcover.core.raster import Raster
from landcover.core.window import check_projected, grid
from tests.support import tiny


def make(height: int = 120, width: int = 120, **changes: object) -> Raster:
    pixels = np.random.default_rng(0).uniform(0, 0.5, (12, height, width)).astype(np.float32)
    valid = np.ones((height, width), dtype=bool)
    return tiny.random_patch(**{"data": pixels, "valid": valid, **changes})  # type: ignore[arg-type]


def test_a_mask_of_measured_pixels_must_be_on_the_grid() -> None:
    with pytest.raises(BadInput, match="measured pixels must be on the grid"):
        tiny.random_patch(measured=np.ones((3, 3), dtype=bool))


def test_the_pixels_cannot_be_changed() -> None:
    patch = make()
    with pytest.raises(ValueError, match="read-only"):
        patch.data[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        patch.valid[0, 0] = False


def test_the_callers_array_stays_writeable() -> None:
    pixels = np.zeros((12, 120, 120), dtype=np.float32)
    make(data=pixels)
    pixels[0] = 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data": np.zeros((11, 120, 120), np.float32)}, "12 bands are named"),
        ({"data": np.zeros((120, 120), np.float32)}, "12 bands are named"),
        ({"valid": np.ones((120, 119), bool)}, "give a mask of the same shape"),
        ({"crs": "EPSG:4326"}, "not a projected CRS"),
        ({"data": np.full((12, 120, 120), np.nan, np.float32)}, "NaN or infinite"),
    ],
)
def test_inconsistent_values_are_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        make(**changes)


@given(st.integers(0, 120), st.integers(0, 90))
def test_a_window_covers_the_same_ground(row: int, col: int) -> None:
    patch = make(240, 210)
    window = patch.window(row, col, 120)
    assert np.array_equal(window.data, patch.data[:, row : row + 120, col : col + 120])
    assert patch.pixel_of(*window.outline[0]) == pytest.approx((row, col), abs=1e-3)
    assert patch.pixel_of(*window.outline[2]) == pytest.approx((row + 120, col + 120), abs=1e-3)


@pytest.mark.parametrize(("row", "col"), [(-1, 0), (0, -1), (121, 0), (0, 91)])
def test_a_window_outside_is_refused(row: int, col: int) -> None:
    with pytest.raises(BadInput, match="does not fit"):
        make(240, 210).window(row, col, 120)


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_a_window_around_a_place_contains_it_and_keeps_the_60_m_grid(
    down: float, right: float
) -> None:
    patch = make(377, 380)
    (north, west), _, (south, east), _ = patch.outline
    latitude, longitude = north + down * (south - north), west + right * (east - west)
    row, col = patch.pixel_of(latitude, longitude)
    if not (0 <= row < 377 and 0 <= col < 380):
        return
    window = patch.window_around(latitude, longitude, 120)
    row0, col0 = (round(v) for v in patch.pixel_of(*window.outline[0]))
    assert row0 % 6 == col0 % 6 == 0
    r, c = window.pixel_of(latitude, longitude)
    # If the raster is no multiple of 60 m, its last few pixels are beyond the last step.
    assert -1e-3 <= r <= 125
    assert -1e-3 <= c <= 125


def test_a_place_outside_is_refused() -> None:
    with pytest.raises(BadInput, match="outside this picture"):
        make().window_around(0.0, 0.0, 120)


def test_the_centre_window_of_a_patch_is_the_patch() -> None:
    patch = make()
    assert np.array_equal(patch.centre_window(120).data, patch.data)


def test_a_known_place() -> None:
    """Central meridian of zone 33, on the equator: 15° east by definition."""
    patch = make(transform=grid(500_000 - 600, 600))
    assert patch.centre == pytest.approx((0.0, 15.0), abs=1e-6)


def test_a_missing_band_is_named() -> None:
    with pytest.raises(BadInput, match="no band B10"):
        make().band("B10")
    assert np.array_equal(make().band("B04"), make().data[BAND_NAMES.index("B04")])


def test_an_image_has_the_stated_stretch_and_is_transparent_without_data() -> None:
    pixels = np.zeros((12, 120, 120), dtype=np.float32)
    true_colour = COMPOSITES[0]
    pixels[BAND_NAMES.index("B04")] = true_colour.high
    valid = np.ones((120, 120), dtype=bool)
    valid[0, 0] = False
    picture = make(data=pixels, valid=valid).image(true_colour)
    assert picture[5, 5].tolist() == [255, 0, 0, 255]
    assert picture[0, 0, 3] == 0


def test_nodata_fraction() -> None:
    valid = np.ones((120, 120), dtype=bool)
    valid[:30] = False
    assert make(valid=valid).nodata_fraction == pytest.approx(0.25)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:2263", "not a crs", ""])
def test_only_a_projected_crs_in_metres_is_accepted(crs: str) -> None:
    with pytest.raises(BadInput):
        check_projected(crs)


def test_a_utm_crs_is_accepted() -> None:
    assert check_projected("EPSG:32633").to_epsg() == 32633


def test_the_composites_are_those_of_the_bands() -> None:
    patch = tiny.random_patch()
    assert patch.composites == COMPOSITES
    few = Raster(
        data=patch.data[1:4], bands=BAND_NAMES[1:4], valid=patch.valid, provenance=patch.provenance
    )
    assert few.composites == COMPOSITES[:1]
