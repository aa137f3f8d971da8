"""The bands of a stack: by their names, their colours, or the documented order."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.enums import ColorInterp

from landcover.core.bands import BAND_NAMES, L1C_BAND_NAMES
from landcover.core.errors import BadInput
from landcover.io.band_names import band_of
from landcover.io.stack import read_stack
from tests.support.stack_files import numbers, tif


@pytest.mark.parametrize(
    "names",
    [
        ("B1", "b02", "B3 green", "S2_B04_10m", "B05", "B6", "B07", "B08", "b8a", "B9", "B11", "B12"),
        ("coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09", "swir16", "swir22"),
    ],
)  # fmt: skip
def test_descriptions_decide_the_order(names: tuple[str, ...]) -> None:
    order = [11, 3, 0, 8, 7, 1, 2, 10, 4, 5, 6, 9]
    pixels = numbers()
    patch = read_stack(tif(pixels[order], bands=tuple(names[i] for i in order)), "a.tif")
    np.testing.assert_allclose(patch.data, pixels / 1e4, rtol=1e-6)
    assert patch.bands == BAND_NAMES
    assert patch.provenance.band_order == "band descriptions"


@pytest.mark.parametrize(
    "bands",
    [("B04", "B03", "B02"), ("red", "green", "blue", "nir"), (*BAND_NAMES[1:9], "B11", "B12"),
     ("Blue", "Green", "Red", "Narrow NIR", "SWIR 1", "SWIR 2"), BAND_NAMES[1:], BAND_NAMES[:10]],
)  # fmt: skip
def test_any_bands_that_include_blue_green_and_red_are_read(bands: tuple[str, ...]) -> None:
    pixels = numbers(len(bands))
    patch = read_stack(tif(pixels, bands=bands), "a.tif")
    assert patch.bands == tuple(band for band in BAND_NAMES if band in patch.bands)
    assert patch.provenance.missing_bands == tuple(b for b in BAND_NAMES if b not in patch.bands)
    assert len(patch.bands) == len(bands)
    order = [bands.index(name) for name in bands if band_of(name) == "B04"]
    np.testing.assert_allclose(patch.band("B04"), pixels[order[0]] / 1e4, rtol=1e-6)


RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


@pytest.mark.parametrize(
    ("colours", "bands"),
    [
        (RGB, ("B02", "B03", "B04")),
        ((*RGB, ColorInterp.nir), ("B02", "B03", "B04", "B08")),
        ((*RGB, ColorInterp.alpha), ("B02", "B03", "B04")),
    ],
)
def test_three_or_four_bands_without_names_are_known_by_their_colours(
    colours: tuple[ColorInterp, ...], bands: tuple[str, ...]
) -> None:
    data = tif(numbers(len(colours)), photometric="RGB", colours=colours)
    patch = read_stack(data, "a.tif")
    assert patch.bands == bands
    assert patch.band("B04")[0, 0] == pytest.approx(0.05)


def test_further_bands_are_ignored() -> None:
    patch = read_stack(tif(numbers(14), bands=(*BAND_NAMES, "SCL", "AOT")), "a.tif")
    assert patch.bands == BAND_NAMES
    assert patch.provenance.level == "L2A"
    assert "2 other bands ignored" in patch.provenance.band_order


def test_eurosats_order_is_read_from_the_descriptions() -> None:
    names = (*(n for n in L1C_BAND_NAMES if n != "B8A"), "B8A")
    patch = read_stack(tif(numbers(13), bands=names), "a.tif")
    assert patch.bands == L1C_BAND_NAMES
    assert patch.band("B8A")[0, 0] == pytest.approx(0.17)
    assert patch.provenance.level == "L1C"


def test_partial_descriptions_must_agree() -> None:
    patch = read_stack(tif(bands=("B01", "B02", *["" for _ in range(10)])), "a.tif")
    assert "2 band descriptions agree" in patch.provenance.band_order
    with pytest.raises(BadInput, match="band 1 is B02 instead of B01"):
        read_stack(tif(bands=("B02", *["" for _ in range(11)])), "a.tif")
