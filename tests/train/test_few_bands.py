"""Batches in which most bands are estimated from a few."""

from __future__ import annotations

import pytest
import torch

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput
from landcover.train.augment import Augmentation
from landcover.train.few_bands import FEW, estimate_others
from tests.train.test_augment import batch, generator


def kept(pixels: torch.Tensor, found: torch.Tensor) -> frozenset[str]:
    """Names of the bands that are as they were measured."""
    return frozenset(
        name for k, name in enumerate(BAND_NAMES) if torch.equal(pixels[:, k], found[:, k])
    )


def test_every_subset_occurs_and_its_bands_stay_as_measured() -> None:
    pixels, _ = batch(0, 2)
    chance = generator(0)
    drawn = [kept(pixels, estimate_others(pixels, chance)) for _ in range(24)]
    assert set(drawn) == {frozenset(bands) for bands in FEW}
    assert len(FEW) == 5
    found = estimate_others(pixels, chance)
    assert found.shape == pixels.shape
    assert torch.isfinite(found).all()


def test_the_share_of_batches_is_drawn_from_the_generator() -> None:
    pixels, targets = batch(1, 2)
    augment = Augmentation(symmetries=False, brightness=0, band_gain=0, few_bands=0.4)
    chance = generator(2)
    found = [augment(pixels, targets, chance)[0] for _ in range(60)]
    share = sum(not torch.equal(one, pixels) for one in found) / len(found)
    assert 0.25 < share < 0.55
    again = generator(2)
    assert all(torch.equal(one, augment(pixels, targets, again)[0]) for one in found[:8])


def test_without_it_the_other_draws_are_as_before() -> None:
    pixels, targets = batch(3, 2)
    plain, chance = Augmentation(paste=0.5), generator(4)
    found = plain(pixels, targets, chance)[0]
    own = generator(4)
    arranged = plain.drawn(len(pixels), pixels.shape[-1], own).of(pixels)
    assert torch.equal(plain.measured(arranged, own), found)
    assert torch.equal(torch.rand(1, generator=own), torch.rand(1, generator=chance))


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(BadInput, match="few_bands"):
        Augmentation(few_bands=share)
