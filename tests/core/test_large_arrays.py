"""Memory that the arrays of one block leave to the next."""

from __future__ import annotations

import gc

import numpy as np

from landcover.core.large_arrays import kept, large_array


def address(values: np.ndarray) -> int:
    return int(values.__array_interface__["data"][0])


def test_memory_is_used_again_when_the_last_view_is_gone() -> None:
    with kept():
        first = large_array((3, 1000, 1000), np.float32)
        first[:] = 1.5
        where, view = address(first), first[1:, 10:20]
        del first
        gc.collect()
        other = large_array((3, 1000, 1000), np.float32)
        assert address(other) != where
        assert (view == 1.5).all()
        del view
        gc.collect()
        again = large_array((2, 900, 1600), np.float32)
        assert address(again) == where
        assert again.shape == (2, 900, 1600)
        assert again.flags.writeable


def test_a_much_smaller_array_takes_no_memory_from_a_larger_one() -> None:
    with kept():
        large = large_array((20_000_000,), np.uint8)
        where = address(large)
        del large
        small = large_array((5_000_000,), np.uint8)
        assert address(small) != where


def test_nothing_is_kept_outside() -> None:
    with kept(), kept():
        large_array((20_000_000,), np.uint8)[:] = 7
    fresh = large_array((20_000_000,), np.uint8)  # new memory of the system is filled with zeros
    assert not fresh.any()


def test_small_arrays_are_as_usual() -> None:
    assert large_array((2, 3), np.int16).shape == (2, 3)
    assert large_array((0, 3), np.int16).size == 0
