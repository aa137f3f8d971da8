"""Grids of windows over rectangles of any size and place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.core.bands import ALIGNMENT
from landcover.core.errors import BadInput
from landcover.core.window import LATTICE_M, Window, grid
from landcover.core.window_grid import MAX_WINDOWS, Bounds, window_grid

KM = 1 / 111.2
"""Degrees of latitude."""
SCENE = Window(crs="EPSG:32633", transform=grid(400_000, 5_300_000), width=700, height=500)


def box(latitude: float, longitude: float, height_km: float, width_deg: float) -> Bounds:
    half = height_km * KM / 2
    return Bounds(
        south=latitude - half,
        north=latitude + half,
        west=longitude - width_deg / 2,
        east=longitude + width_deg / 2,
    )


@pytest.mark.parametrize(
    ("height_km", "width_km", "size"),
    [(0.1, 0.1, (1, 1)), (1.2, 1.2, (1, 1)), (1.4, 1.2, (1, 1)), (1.8, 1.2, (2, 1)),
     (4.8, 3.6, (4, 3)), (9.6, 9.6, (8, 8))],
)  # fmt: skip
def test_a_rectangle_gets_the_windows_that_cover_it(
    height_km: float, width_km: float, size: tuple[int, int]
) -> None:
    found = window_grid(box(0.0, 15.0, height_km, width_km * KM))
    assert (found.rows, found.columns) == size
    assert found.whole.centre == pytest.approx((0.0, 15.0), abs=0.001)


@given(
    st.floats(-75, 80),
    st.floats(-180, 180),
    st.floats(0.1, 8.0),
    st.floats(0.001, 0.1),
)
def test_windows_lie_side_by_side_on_the_lattice(
    latitude: float, longitude: float, height: float, width: float
) -> None:
    found = window_grid(box(latitude, longitude, height, width), limit=1000)
    windows = found.windows
    assert len(windows) == found.rows * found.columns == len(found.corners)
    base = 10_000_000 if found.whole.crs.startswith("EPSG:327") else 0
    assert found.whole.west % LATTICE_M == 0
    assert (found.whole.north - base) % LATTICE_M == 0
    for index, window in enumerate(windows):
        row, column = divmod(index, found.columns)
        assert window.west == found.whole.west + 1200 * column
        assert window.north == found.whole.north - 1200 * row
        assert (window.width, window.height) == (120, 120)


def test_the_date_line_is_crossed() -> None:
    found = window_grid(Bounds(south=-16.82, west=179.96, north=-16.78, east=180.04))
    assert found.rows == 4
    assert found.columns in {7, 8}
    lons = [window.centre[1] for window in found.windows]
    assert min(lons) < -179.9
    assert max(lons) > 179.9


@pytest.mark.parametrize(
    ("height_km", "width_deg"), [(12.0, 0.15), (100.0, 2.0), (5000.0, 100.0), (20_000.0, 360.0)]
)
def test_a_large_rectangle_is_refused_with_its_number_of_windows(
    height_km: float, width_deg: float
) -> None:
    with pytest.raises(BadInput, match=r"needs [\d,]+ windows of 1200 m .* at most 64 .* smaller"):
        window_grid(box(48.0, 15.0, height_km, width_deg))


def test_windows_inside_an_image_lie_on_its_grid() -> None:
    south, west = SCENE.part(470, 30, 1, 1).centre
    north, east = SCENE.part(50, 600, 1, 1).centre
    found = window_grid(Bounds(south=south, west=west, north=north, east=east), inside=SCENE)
    assert (found.rows, found.columns) == (4, 5)
    row, col = SCENE.pixels_of([found.whole.west], [found.whole.north])[0]
    assert row % ALIGNMENT == col % ALIGNMENT == 0
    assert row >= 0
    assert col >= 0
    assert row + found.whole.height <= SCENE.height
    assert col + found.whole.width <= SCENE.width


def test_a_rectangle_that_exceeds_an_image_gets_the_windows_of_the_image() -> None:
    found = window_grid(Bounds(south=46.0, west=12.0, north=49.0, east=15.0), inside=SCENE)
    assert (found.rows, found.columns) == (4, 5)
    assert len(found.windows) <= MAX_WINDOWS


def test_a_rectangle_outside_an_image_is_refused() -> None:
    for place in ((40.0, 15.0), (47.8, -160.0), (-80.0, 15.0)):
        with pytest.raises(BadInput, match="outside the image"):
            window_grid(box(*place, 5.0, 0.1), inside=SCENE)


def test_an_image_smaller_than_a_window_has_no_grid() -> None:
    small = SCENE.part(0, 0, 100, 300)
    with pytest.raises(BadInput, match="100 × 300 pixels, less than one window"):
        window_grid(box(*small.centre, 5.0, 0.1), inside=small)
