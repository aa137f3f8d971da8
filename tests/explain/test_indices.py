"""Spectral indices follow their formulas, also where the denominator is 0."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput
from landcover.explain.indices import (
    HIGH_RGB,
    INDICES,
    LOW_RGB,
    MIDDLE_RGB,
    MIN_BRIGHTNESS,
    colour_bar,
    coloured,
    indices,
    normalised_difference,
    number,
)
from landcover.io.samples import read_sample
from tests.support import tiny


def test_each_index_follows_its_formula_on_a_real_patch() -> None:
    patch = read_sample("finland-lake")
    found = indices(patch)
    assert list(found) == ["NDVI", "NDWI", "NDBI", "NBR"] == list(INDICES)
    formulas = {"NDVI": ("B08", "B04"), "NDWI": ("B03", "B08"), "NDBI": ("B11", "B08")}
    for name, (a, b) in {**formulas, "NBR": ("B08", "B12")}.items():
        first, second = patch.band(a).astype(float), patch.band(b).astype(float)
        bright = first + second > MIN_BRIGHTNESS
        expected = ((first - second) / (first + second))[bright]
        np.testing.assert_allclose(found[name].map[bright], expected, atol=1e-5)
        assert found[name].mean == pytest.approx(expected.mean(), abs=1e-5)
        low, high = np.percentile(expected, (10, 90))
        assert (found[name].low, found[name].high) == pytest.approx((low, high), abs=1e-5)
        assert found[name].share == pytest.approx(bright.mean())
        assert number(float(expected.mean())) in found[name].reading


def test_indices_separate_water_from_plants() -> None:
    patch = read_sample("finland-lake")
    lake = patch.band("B08") < 0.05
    found = indices(patch)
    water, land = (np.nanmean(found["NDWI"].map[part]) for part in (lake, ~lake))
    assert water > land + 0.2
    assert np.nanmean(found["NDVI"].map[~lake]) > 0.5 > np.nanmean(found["NDVI"].map[lake])


reflectances = arrays(np.float32, (12, 2, 2), elements=st.floats(-0.25, 2, width=32))


@given(reflectances, arrays(np.bool_, (2, 2)))
def test_values_stay_between_minus_one_and_one_or_are_unknown(
    reflectance: np.ndarray, valid: np.ndarray
) -> None:
    patch = tiny.random_patch(data=reflectance, valid=valid)
    for index in indices(patch).values():
        known = np.isfinite(index.map)
        assert not known[~valid].any()
        assert (np.abs(index.map[known]) <= 1).all()
        assert index.share == pytest.approx(known.mean())
        if known.any():
            assert index.low is not None
            assert index.mean is not None
            assert index.high is not None
            assert index.low <= index.high
            assert index.map[known].min() - 1e-6 <= index.mean <= index.map[known].max() + 1e-6
        else:
            assert index.mean is index.low is index.high is None
            expected = f"{index.name} is unknown here: no pixel is bright enough in both bands."
            assert index.reading == expected


def test_a_dark_patch_has_no_index_and_no_warning() -> None:
    patch = tiny.random_patch(data=np.zeros((12, 120, 120), np.float32))
    assert all(index.mean is None and index.share == 0 for index in indices(patch).values())


def test_without_its_bands_an_index_is_left_out() -> None:
    patch = tiny.random_patch()
    few = replace(patch, data=patch.data[:4], bands=BAND_NAMES[:4])
    assert indices(few) == {}
    with pytest.raises(BadInput, match="no band B08"):
        normalised_difference(few, "B08", "B04")


def test_maps_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        indices(tiny.random_patch())["NDVI"].map[0, 0] = 1.0


@pytest.mark.parametrize("name", list(INDICES))
def test_every_mean_has_a_description(name: str) -> None:
    index = INDICES[name]
    bounds = [bound for bound, _ in index.steps]
    assert bounds == sorted(bounds)
    assert bounds[-1] == 1
    assert {index.reading(mean) for mean in np.linspace(-1, 1, 201)} == {w for _, w in index.steps}


def test_numbers_have_a_typographic_minus_and_no_minus_zero() -> None:
    assert [number(v) for v in (-0.123, 0.0, -0.001, 0.5)] == ["−0.12", "0.00", "0.00", "0.50"]


def test_colours_range_from_brown_to_teal_and_unknown_pixels_are_transparent() -> None:
    picture = coloured(np.array([[-2.0, -1.0, 0.0, 1.0, np.nan]], dtype=np.float32))
    expected = [(*LOW_RGB, 255), (*LOW_RGB, 255), (*MIDDLE_RGB, 255), (*HIGH_RGB, 255)]
    assert [tuple(pixel) for pixel in picture[0, :4].tolist()] == expected
    assert picture[0, 4, 3] == 0
    bar = colour_bar(width=101)
    np.testing.assert_array_equal(bar[0, 50, :3], MIDDLE_RGB)
    np.testing.assert_array_equal(bar[0, [0, -1], :3], [LOW_RGB, HIGH_RGB])
