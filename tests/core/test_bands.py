"""Bands, grids and composites of Sentinel-2."""

from __future__ import annotations

from landcover.core.bands import (
    BAND_NAMES,
    BANDS,
    BANDS_10M,
    BANDS_20M,
    BANDS_60M,
    COMPOSITES,
    L1C_BAND_NAMES,
    PATCH_M,
)


def test_the_grids_hold_each_band_once() -> None:
    assert sorted(BANDS_10M + BANDS_20M + BANDS_60M) == sorted(BAND_NAMES)
    assert BANDS_10M == ("B02", "B03", "B04", "B08")
    assert BANDS_60M == ("B01", "B09")


def test_level_1c_has_cirrus_between_water_vapour_and_swir() -> None:
    assert L1C_BAND_NAMES[9:12] == ("B09", "B10", "B11")
    assert [name for name in L1C_BAND_NAMES if name != "B10"] == list(BAND_NAMES)


def test_bands_are_in_order_of_wavelength() -> None:
    nm = [band.wavelength_nm for band in BANDS]
    assert nm == sorted(nm)


def test_a_patch_has_whole_pixels_on_every_grid() -> None:
    assert all(PATCH_M % band.resolution_m == 0 for band in BANDS)


def test_composites_use_bands_that_exist() -> None:
    assert all(set(composite.bands) <= set(BAND_NAMES) for composite in COMPOSITES)
    assert all(composite.low < composite.high for composite in COMPOSITES)
