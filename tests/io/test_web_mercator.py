"""Images for web maps have the position of their patches."""

from __future__ import annotations

import numpy as np
import pytest

from landcover.core.bands import COMPOSITES
from landcover.core.window import Window, grid
from landcover.io.samples import NAMES, read_sample
from landcover.io.web_mercator import FINER, MAX_SIDE, map_picture, warp_layers
from tests.support.tiny import random_patch


@pytest.mark.parametrize("name", NAMES)
def test_the_edges_are_those_of_the_patch(name: str) -> None:
    patch = read_sample(name)
    picture = map_picture(patch, COMPOSITES[0])
    lats, lons = zip(*patch.outline, strict=True)
    # To within two pixels of 10 m, because the warped image has another grid.
    near = 20 / 111_000
    assert picture.south == pytest.approx(min(lats), abs=near)
    assert picture.north == pytest.approx(max(lats), abs=near)
    assert picture.west == pytest.approx(min(lons), abs=3 * near)
    assert picture.east == pytest.approx(max(lons), abs=3 * near)


def test_a_marked_corner_stays_in_its_corner() -> None:
    pixels = np.zeros((12, 120, 120), dtype=np.float32)
    pixels[:, :12, :12] = 0.5
    picture = map_picture(random_patch(data=pixels), COMPOSITES[0])
    rows, cols = np.nonzero(picture.rgba[..., 0] > 200)
    height, width = picture.rgba.shape[:2]
    assert rows.max() < height / 5
    assert cols.max() < width / 5


def test_pixels_without_data_are_transparent() -> None:
    valid = np.ones((120, 120), dtype=bool)
    valid[60:] = False
    picture = map_picture(random_patch(valid=valid), COMPOSITES[0])
    half = picture.rgba.shape[0] // 2
    assert (picture.rgba[: half - 4, 10:-10, 3] == 255).mean() > 0.95
    assert not picture.rgba[half + 6 :, :, 3].any()


def test_large_pictures_are_thinned() -> None:
    picture = map_picture(random_patch(size=1200), COMPOSITES[0])
    assert max(picture.rgba.shape) <= FINER * MAX_SIDE


def test_layers_have_the_value_of_nothing_outside_their_window() -> None:
    # Six degrees beside the middle of its zone, the grid is tilted on the map.
    window = Window(crs="EPSG:32635", transform=grid(200_000, 6_800_000, 80), width=15, height=15)
    layers = np.full((2, 15, 15), 7, dtype=np.uint8)
    found, (south, west, north, east) = warp_layers(layers, window, finer=8, empty=255)
    assert found.shape == (2, 120, 120)
    assert set(np.unique(found)) == {7, 255}
    assert 0.7 < (found == 7).mean() < 0.98
    assert south < window.centre[0] < north
    assert west < window.centre[1] < east
