"""The grids and blocks of a map."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from landcover.areas.plan import CELL, CONTEXT, LARGEST_BLOCK, plan
from landcover.core.bands import PATCH_PIXELS
from landcover.core.errors import BadInput
from landcover.core.window import Window

STEPS = st.integers(1, 15).map(lambda n: n * CELL)


def rectangle(width: int, height: int) -> Window:
    return Window(
        crs="EPSG:32633",
        transform=(10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_040.0),
        width=width,
        height=height,
    )


@given(STEPS, st.integers(24, LARGEST_BLOCK), st.integers(1, 4000), st.integers(1, 4000))
def test_blocks_cover_the_rectangle_once(step: int, block: int, width: int, height: int) -> None:
    made = plan(rectangle(width, height), step=step, block=block)
    assert made.window.width >= width
    assert made.window.height >= height
    count = np.zeros((made.window.height // CELL, made.window.width // CELL), dtype=int)
    for index in made.indices:
        one = made.block_at(index)
        assert one.height % CELL == one.width % CELL == 0
        assert one.height % step == one.width % step == 0
        rows = slice(one.top // CELL, (one.top + one.height) // CELL)
        columns = slice(one.left // CELL, (one.left + one.width) // CELL)
        count[rows, columns] += 1
    assert (count == 1).all()


@given(STEPS)
def test_a_pixel_of_presence_lies_in_the_middle_of_its_window(step: int) -> None:
    made = plan(rectangle(3000, 3000), step=step)
    start = made.window.part(made.first, made.first, PATCH_PIXELS, PATCH_PIXELS)
    assert made.presence.part(0, 0, 1, 1).centre == pytest.approx(start.centre, abs=1e-9)
    assert made.first % CELL == 0


@given(STEPS)
def test_a_block_is_read_with_its_windows_and_their_surroundings(step: int) -> None:
    made = plan(rectangle(3000, 3000), step=step)
    assert made.halo >= max(CONTEXT - made.first, 72)  # cells depend on this much, at any step
    last = made.first + made.block - step + PATCH_PIXELS
    assert made.block + made.halo >= last + CONTEXT
    one = made.block_at((0, 0))
    assert one.read.west == made.window.west - 10 * made.halo
    assert one.read.height == one.height + 2 * made.halo


@pytest.mark.parametrize("step", [8, 32, 120])
@pytest.mark.parametrize(("width", "height"), [(10980, 10980), (2500, 700), (100, 4000)])
def test_even_blocks_are_as_many_and_nearly_equal(step: int, width: int, height: int) -> None:
    window = rectangle(width, height)
    usual = plan(window, step=step, block=2400)
    even = plan(window, step=step, block=2400, even=True)
    assert (even.rows, even.columns) == (usual.rows, usual.columns)
    assert even.window == usual.window
    assert even.block <= usual.block
    if width == height:
        last = even.block_at(even.indices[-1])
        assert last.width > 0.8 * even.block


def test_blocks_beside_the_area_are_left_out() -> None:
    west, north = 600_000.0, 5_300_040.0
    corner = shapely.box(west, north - 3000, west + 3000, north)
    made = plan(rectangle(4800, 4800), block=1200, outline=shapely.to_wkb(corner))
    assert made.indices == ((0, 0),)


@pytest.mark.parametrize("step", [0, -8, 7, 12, 128])
def test_steps_are_multiples_of_cells(step: int) -> None:
    with pytest.raises(BadInput, match="multiple of 8"):
        plan(rectangle(1200, 1200), step=step)


@pytest.mark.parametrize("block", [0, 23, LARGEST_BLOCK + 1])
def test_blocks_have_a_sensible_size(block: int) -> None:
    with pytest.raises(BadInput, match="Blocks have"):
        plan(rectangle(1200, 1200), block=block)


def test_an_empty_rectangle_is_refused() -> None:
    with pytest.raises(BadInput, match="empty"):
        plan(rectangle(0, 10))
