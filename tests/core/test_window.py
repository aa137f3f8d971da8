"""Windows on the ground, and squares to cut out of a raster."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasterio.warp import transform as warp

from landcover.core.errors import BadInput
from landcover.core.window import Cut, Window, grid, zone_of

GRID = Window(crs="EPSG:32633", transform=grid(400_000, 5_300_000), width=240, height=180)


@given(latitude=st.floats(-79, 83), longitude=st.floats(-179.9, 179.9), half=st.integers(1, 60))
def test_a_window_around_a_place_contains_it_and_lies_on_the_lattice(
    latitude: float, longitude: float, half: int
) -> None:
    window = Window.around(latitude, longitude, pixels=6 * half)
    assert window.crs == zone_of(latitude, longitude)
    assert window.west % 60 == 0
    assert window.north % 60 == (0 if latitude >= 0 else 40)
    row, col = window.pixel_of(latitude, longitude)
    assert abs(row - 3 * half) <= 3.001
    assert abs(col - 3 * half) <= 3.001


def test_a_window_has_the_requested_size() -> None:
    window = Window.around(48.2, 16.37, pixels=64, pixel_m=20, crs="EPSG:32633")
    assert (window.width, window.height, window.pixel_m) == (64, 64, 20)
    assert window.transform == (20, 0, window.west, 0, -20, window.north)
    fine = window.with_pixels_of(10)
    assert (fine.width, fine.height) == (128, 128)
    for point, same in zip(fine.outline, window.outline, strict=True):
        assert point == pytest.approx(same)


def test_a_window_from_bounds_has_whole_pixels() -> None:
    window = Window.from_bounds("EPSG:32633", (400_003, 5_299_001, 401_200, 5_300_000))
    assert window.transform == grid(400_000, 5_300_000)
    assert (window.width, window.height) == (120, 100)
    with pytest.raises(BadInput, match="west, south, east and north"):
        Window.from_bounds("EPSG:32633", (1, 0, 0, 1))
    with pytest.raises(BadInput, match="west, south, east and north"):
        Window.from_bounds("EPSG:32633", (0, 0, math.inf, 1))


@given(row=st.integers(-50, 200), col=st.integers(-50, 200))
def test_a_part_covers_the_same_ground(row: int, col: int) -> None:
    part = GRID.part(row, col, 60, 30)
    assert (part.height, part.width) == (60, 30)
    assert GRID.pixel_of(*part.outline[0]) == pytest.approx((row, col), abs=1e-3)
    assert GRID.pixel_of(*part.outline[2]) == pytest.approx((row + 60, col + 30), abs=1e-3)


def test_affine_outline_and_centre_agree() -> None:
    x, y = GRID.affine @ (GRID.width / 2, GRID.height / 2)
    (lon,), (lat,) = warp(GRID.crs, "EPSG:4326", [x], [y])
    assert GRID.centre == pytest.approx((lat, lon))
    lats = [lat for lat, _ in GRID.outline]
    lons = [lon for _, lon in GRID.outline]
    assert lats[0] > lats[3]
    assert lons[1] > lons[0]


def test_a_rotated_grid_finds_its_pixels() -> None:
    turned = Window(crs="EPSG:32633", transform=(8, 6, 4e5, 6, -8, 5.3e6), width=100, height=90)
    xs, ys = turned.xy([(20, 30)])
    assert turned.pixels_of(xs, ys) == [pytest.approx((30, 20))]


@pytest.mark.parametrize(
    ("cut", "corner"),
    [
        (Cut(size=120), (30, 60)),
        (Cut(size=100), (36, 66)),
        (Cut(size=120, corner=(7, 11)), (7, 11)),
        (Cut(size=120, place=GRID.part(0, 0, 2, 2).centre), (0, 0)),
        (Cut(size=120, place=GRID.part(170, 230, 2, 2).centre), (60, 120)),
        (Cut(size=120, place=GRID.centre), (30, 60)),
    ],
)
def test_the_corner_of_a_cut(cut: Cut, corner: tuple[int, int]) -> None:
    assert cut.corner_in((180, 240), where=GRID, step=6) == corner


def test_a_cut_that_does_not_fit_is_refused() -> None:
    with pytest.raises(
        BadInput, match=r"100 pixels at row 81, column 0 does not fit into 180 × 240"
    ):
        Cut(size=100, corner=(81, 0)).corner_in((180, 240))
    with pytest.raises(BadInput, match="does not fit"):
        Cut(size=200).corner_in((180, 240))
    with pytest.raises(BadInput, match="lies outside"):
        Cut(size=60, place=(0.0, 0.0)).corner_in((180, 240), where=GRID)
