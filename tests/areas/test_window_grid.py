"""Windows of a block, and means over them."""

from __future__ import annotations

import pytest
import torch

from landcover.areas.window_grid import WindowGrid


def cells(rows: int = 40, columns: int = 33) -> torch.Tensor:
    made = torch.rand(1, 6, rows, columns, generator=torch.Generator().manual_seed(1))
    return made.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("step", "first"), [(8, 0), (24, 16), (32, 8), (120, 0)])
def test_a_mean_is_that_of_the_window_s_cells(step: int, first: int) -> None:
    made = cells()
    grid = WindowGrid.within(40, 33, step=step, first=first, shape=None)
    found = grid.mean(made)
    assert found.shape == (grid.rows, grid.columns, 6)
    for row in range(grid.rows):
        for column in range(grid.columns):
            left = (first + step * column) // 8
            top = (first + step * row) // 8
            wanted = made[0, :, top : top + 15, left : left + 15].mean(dim=(1, 2))
            assert torch.allclose(found[row, column], wanted, atol=1e-6)
    # The last window fits, and the next one would not.
    assert (first + step * (grid.rows - 1)) // 8 + 15 <= 40 < (first + step * grid.rows) // 8 + 15


def test_cells_without_data_do_not_count_and_stay_as_they_are() -> None:
    made = cells()
    weights = torch.ones(1, 1, 40, 33)
    weights[:, :, 3:20, 5:9] = 0.0
    made[:, :, 3:20, 5:9] = 1e6
    before = made.clone()
    grid = WindowGrid.within(40, 33, step=8, first=0, shape=(2, 3))
    found = grid.moments(made, weights).reshape(2, 3, 6)
    own = weights[0, 0, 1:16, 2:17].bool()
    wanted = made[0, :, 1:16, 2:17][:, own].mean(dim=1)
    assert torch.allclose(found[1, 2], wanted, rtol=1e-5)
    assert torch.equal(made, before)


def test_a_window_without_data_has_finite_moments() -> None:
    grid = WindowGrid.within(40, 33, step=8, first=0, shape=(1, 1))
    assert bool(grid.moments(cells(), torch.zeros(1, 1, 40, 33)).isfinite().all())


def test_scores_of_windows_are_put_back_on_their_grid() -> None:
    grid = WindowGrid(step=1, first=0, rows=2, columns=3)
    flat = torch.arange(24.0).reshape(6, 4)
    assert torch.equal(grid.folded(flat)[:, 1, 2], flat[5])
