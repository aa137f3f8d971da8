"""Subsets of the bands of a data set, in the requested order."""

from __future__ import annotations

import torch

from landcover.core.bands import BAND_NAMES
from landcover.datasets.band_subset import select_bands
from tests.train.test_loop import store


def test_bands_are_in_the_requested_order() -> None:
    whole = store(5)
    some = select_bands(whole, ("B08", "B02"))
    pixels = some.pixels([3, 0])
    assert pixels.shape == (2, 2, 120, 120)
    expected = whole.pixels([3, 0])[:, [BAND_NAMES.index("B08"), BAND_NAMES.index("B02")]]
    assert torch.equal(pixels, expected)
    assert (len(some), some.ids) == (5, whole.ids)
    assert some.targets is whole.targets


def test_all_bands_need_no_wrapper() -> None:
    whole = store(2)
    assert select_bands(whole, list(BAND_NAMES)) is whole
    reversed_bands = select_bands(whole, BAND_NAMES[::-1])
    assert torch.equal(reversed_bands.pixels([1]), whole.pixels([1]).flip(1))
