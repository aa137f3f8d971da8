"""A colour picture is a raster without a position on Earth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from landcover.core.bands import RGB_BANDS
from landcover.core.errors import BadInput
from landcover.core.raster import Raster
from landcover.io.images import picture_of
from tests.support.colour_pictures import pixels


def test_windows_have_the_pixels_of_the_picture() -> None:
    whole = picture_of(pixels(80, 101), "p.png")
    assert (whole.height, whole.width) == (80, 101)
    assert whole.centre_corner(64) == (8, 18)
    middle = whole.centre_window(64)
    assert np.array_equal(middle.data, whole.data[:, 8:72, 18:82])
    assert middle.provenance == whole.provenance
    with pytest.raises(BadInput, match="does not fit"):
        whole.window(17, 0, 64)
    with pytest.raises(BadInput, match="does not fit"):
        whole.window(-1, 0, 64)


def test_image_returns_the_original_bytes() -> None:
    drawn = pixels()
    drawn[0, 0] = (0, 255, 1)
    image = picture_of(drawn, "p.png").image()
    assert np.array_equal(image[..., :3], drawn)
    assert (image[..., 3] == 255).all()


def test_arrays_are_read_only() -> None:
    picture = picture_of(pixels(), "p.png")
    with pytest.raises(ValueError, match="read-only"):
        picture.data[0, 0, 0] = 0.5
    with pytest.raises(ValueError, match="read-only"):
        picture.valid[0, 0] = False


@pytest.mark.parametrize(
    ("brightness", "valid", "message"),
    [
        (np.zeros((2, 64, 64)), np.ones((64, 64)), "3 bands are named"),
        (np.zeros((3, 64, 64)), np.ones((64, 63)), "mask"),
        (np.full((3, 64, 64), 1.5), np.ones((64, 64)), "between 0 and 1"),
        (np.full((3, 64, 64), np.nan), np.ones((64, 64)), "between 0 and 1"),
    ],
)
def test_shapes_and_values_are_checked(
    brightness: np.ndarray, valid: np.ndarray, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        Raster(
            data=brightness,
            valid=valid,
            bands=RGB_BANDS,
            provenance=picture_of(pixels(), "p.png").provenance,
        )


def test_asking_for_its_position_is_an_error() -> None:
    picture = picture_of(pixels(), "p.png")
    assert picture.is_rgb
    assert not picture.has_place
    with pytest.raises(BadInput, match="no position on Earth"):
        _ = picture.centre


def test_a_crs_without_a_transform_is_refused() -> None:
    with pytest.raises(BadInput, match="both or neither"):
        replace(picture_of(pixels(), "p.png"), crs="EPSG:32633")
