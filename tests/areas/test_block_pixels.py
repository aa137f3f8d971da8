"""The pixels of a block: parts are cut out of it, and gaps in them are filled."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from landcover.areas.block_pixels import BlockPixels
from landcover.core.raster import FloatArray

ALL = slice(0, 240), slice(0, 240)


@pytest.fixture
def values() -> FloatArray:
    found = np.random.default_rng(0).random((3, 240, 240), dtype=np.float32)
    found.flags.writeable = False
    return found


def test_a_part_is_a_copy_of_the_pixels(values: FloatArray) -> None:
    for own in (values, torch.tensor(values)):
        part = BlockPixels.of(own, None).part(slice(8, 32), slice(16, 64))
        assert part.shape == (3, 24, 48)
        assert np.array_equal(part.numpy(), values[:, 8:32, 16:64])
        part += 1.0
        assert np.array_equal(np.asarray(own), values)


def test_a_gap_is_filled_with_the_mean_of_what_is_around_it(values: FloatArray) -> None:
    valid = np.ones((240, 240), dtype=bool)
    valid[100:130, 100:130] = False
    torn = np.where(valid, values, np.float32(9.0))  # numbers without data do not count
    block = BlockPixels.of(torn, valid)
    found = block.whole().numpy()
    assert np.array_equal(found[:, valid], values[:, valid])
    # The cell in the middle of the gap: 15 × 15 cells around it, from 8 * (14 - 7) on.
    near = slice(56, 176)
    wanted = [band[near, near][valid[near, near]].mean() for band in values]
    assert np.allclose(found[:, 116, 116], wanted, rtol=1e-5)
    # A part is filled like the whole.
    part = block.part(slice(96, 136), slice(88, 120)).numpy()
    assert np.array_equal(part, found[:, 96:136, 88:120])


def test_far_from_all_data_the_mean_of_the_block_is_taken(values: FloatArray) -> None:
    valid = np.zeros((240, 240), dtype=bool)
    valid[:, :40] = True
    block = BlockPixels.of(values, valid)
    wanted = values[:, :, :40].mean(axis=(1, 2))
    assert np.allclose(block.whole()[:, 5, 235].numpy(), wanted, rtol=1e-5)
    assert block.has_data(slice(0, 240), slice(32, 48))
    assert not block.has_data(slice(0, 240), slice(40, 240))


def test_a_block_without_data_is_filled_with_finite_numbers(values: FloatArray) -> None:
    block = BlockPixels.of(values, np.zeros((240, 240), dtype=bool))
    assert not block.has_data(*ALL)
    assert bool(block.whole().isfinite().all())
