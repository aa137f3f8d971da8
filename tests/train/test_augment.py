"""Augmentation keeps labels valid and can be repeated."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from landcover.core.errors import BadInput
from landcover.datasets.arrays import expand
from landcover.nets.grids import native_grids
from landcover.nets.symmetry import symmetry
from landcover.train.arrangement import ALIGNMENT, Arrangement, frames, rectangles
from landcover.train.augment import Augmentation, gamma_curve, haze, illumination, saturation
from tests.support.examples import examples

SEEDS = st.integers(0, 2**32 - 1)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(seed: int, count: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    chance = generator(seed)
    grids = [
        torch.rand(count, bands, 120 // f, 120 // f, generator=chance).numpy()
        for bands, f in ((4, 1), (6, 2), (2, 6))
    ]
    targets = (torch.rand(count, 19, generator=chance) < 0.3).float()
    return torch.from_numpy(expand(*grids)), targets


def pictures(seed: int, count: int = 6) -> torch.Tensor:
    return torch.rand(count, 3, 64, 64, generator=generator(seed))


def arranged(
    how: Augmentation, pixels: torch.Tensor, targets: torch.Tensor, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Patches and targets after the part that changes what is to be seen where."""
    arrangement = how.drawn(len(pixels), pixels.shape[-1], generator(seed))
    return arrangement.of(pixels), arrangement.labels(targets)


def zoomed(pixels: torch.Tensor, seed: int, *, zoom: float, turn: float) -> torch.Tensor:
    drawn = frames(len(pixels), generator(seed), zoom=zoom, turn=turn)
    return Arrangement(side=pixels.shape[-1], frames=drawn).of(pixels)


def on_native_grids(pixels: torch.Tensor) -> bool:
    """Whether the coarser bands still consist of whole repeated pixels."""
    fine, middle, coarse = (grid.numpy() for grid in native_grids(pixels))
    return torch.allclose(torch.from_numpy(expand(fine, middle, coarse)), pixels, atol=1e-5)


@given(first=st.integers(0, 7), second=st.integers(0, 7))
def test_symmetries_are_a_group(first: int, second: int) -> None:
    pixels = torch.arange(36.0).view(1, 1, 6, 6)
    both = symmetry(symmetry(pixels, first), second)
    assert sum(torch.equal(both, symmetry(pixels, which)) for which in range(8)) == 1


@settings(max_examples=examples(20))
@given(seed=SEEDS)
def test_random_symmetries_only_rotate_and_mirror(seed: int) -> None:
    pixels, targets = batch(seed)
    turned, _ = arranged(Augmentation(), pixels, targets, seed)
    assert on_native_grids(turned)
    for before, after in zip(pixels, turned, strict=True):
        assert any(torch.equal(after, symmetry(before, which)) for which in range(8))


@settings(max_examples=examples(50))
@given(seed=SEEDS, low=st.floats(0.05, 0.5), width=st.floats(0, 0.45))
def test_rectangles_have_the_requested_area(seed: int, low: float, width: float) -> None:
    boxes = rectangles(16, 120, (low, low + width), generator(seed))
    assert len(boxes) == 16
    for box in boxes:
        top, bottom, left, right = box
        assert 0 <= top < bottom <= 120
        assert 0 <= left < right <= 120
        assert all(edge % ALIGNMENT == 0 for edge in box)
        # Rounding to the 60 m grid moves an area by at most a row of cells and a column.
        assert low - 0.06 < (bottom - top) * (right - left) / 120**2 < low + width + 0.06


@settings(max_examples=examples(20))
@given(seed=SEEDS)
def test_pasting_gives_classes_of_both_patches_only(seed: int) -> None:
    pixels, targets = batch(seed)
    mixed, union = arranged(Augmentation(symmetries=False, paste=1.0), pixels, targets, seed)
    assert on_native_grids(mixed)
    for row in range(len(pixels)):
        theirs = (mixed[row] == pixels).flatten(2).all(dim=1).float().mean(dim=1)
        assert theirs[row] > 0.1
        assert theirs.sum() >= 1.0
        partner = int(torch.where(torch.arange(6) == row, -1.0, theirs).argmax())
        possible = torch.maximum(targets[row], targets[partner])
        assert (union[row] <= possible + 1e-6).all()
        assert (union[row] >= 0).all()


def test_a_class_of_both_patches_stays_certain() -> None:
    pixels, _ = batch(0)
    how = Augmentation(symmetries=False, paste=1.0, certainty=2.0)
    _, union = arranged(how, pixels, torch.ones(6, 19), 0)
    assert torch.allclose(union, torch.ones(6, 19))


@settings(max_examples=examples(20))
@given(seed=SEEDS)
def test_blending_mixes_pixels_and_targets_with_equal_shares(seed: int) -> None:
    pixels, targets = batch(seed)
    pixels[:, 0, 0, 0] = targets[:, 0]
    mixed, blended = arranged(Augmentation(symmetries=False, blend=1.0), pixels, targets, seed)
    assert torch.allclose(mixed[:, 0, 0, 0], blended[:, 0], atol=1e-6)
    assert ((blended >= 0) & (blended <= 1)).all()
    assert mixed.min() >= pixels.min() - 1e-6
    assert mixed.max() <= pixels.max() + 1e-6


@settings(max_examples=examples(20))
@given(seed=SEEDS, crop=st.sampled_from([24, 72, 120]))
def test_crops_are_parts_of_their_patches(seed: int, crop: int) -> None:
    pixels, _ = batch(seed)
    how = Augmentation(crop=crop, symmetries=False)
    arrangement = how.drawn(len(pixels), 120, generator(seed))
    parts = arrangement.of(pixels)
    assert parts.shape == (6, 12, crop, crop)
    assert on_native_grids(parts)
    for part, patch, box in zip(parts, pixels, arrangement.cuts or (), strict=True):
        top, bottom, left, right = box
        assert torch.equal(part, patch[:, top:bottom, left:right])


HOW = [
    Augmentation(),
    Augmentation(paste=1.0),
    Augmentation(blend=1.0),
    Augmentation(crop=72, paste=1.0),
    Augmentation(crop=48, symmetries=False, blend=1.0),
]


@settings(max_examples=examples(10))
@given(seed=SEEDS, how=st.sampled_from(HOW))
def test_maps_on_a_coarser_grid_are_arranged_as_the_pixels_are(
    seed: int, how: Augmentation
) -> None:
    pixels, _ = batch(seed)
    arrangement = how.drawn(len(pixels), 120, generator(seed))
    kept = pixels.clone()
    for pixel in (2, 3, 6):
        # B01 and B09 have pixels of 60 m, so that nothing is lost by taking some of them.
        coarse = pixels[:, [0, 9], ::pixel, ::pixel]
        wanted = arrangement.of(pixels)[:, [0, 9], ::pixel, ::pixel]
        assert torch.equal(arrangement.of(coarse, pixel=pixel), wanted)
        half = arrangement.of(coarse.half(), pixel=pixel)
        assert half.dtype == torch.float16
        assert torch.allclose(half.float(), wanted, atol=2e-3)
    assert torch.equal(pixels, kept)


def test_without_a_partner_labels_stay() -> None:
    targets = torch.rand(3, 19)
    assert torch.equal(Arrangement(side=120, turns=[1, 2, 3]).labels(targets), targets)


@settings(max_examples=examples(20))
@given(seed=SEEDS)
def test_illumination_multiplies_each_band_by_one_factor(seed: int) -> None:
    pixels, _ = batch(seed)
    pixels = pixels + 0.01
    factor = illumination(pixels, generator(seed)) / pixels
    assert factor.flatten(2).std(dim=2).max() < 1e-5
    assert 0.5 < factor.min() < factor.max() < 2.0


@settings(max_examples=examples(20))
@given(seed=SEEDS)
def test_a_gamma_curve_keeps_the_order_of_brightness_and_white(seed: int) -> None:
    pixels = pictures(seed)
    pixels[:, :, 0, 0] = 1.0
    changed = gamma_curve(pixels, generator(seed), 0.15)
    assert torch.equal(changed[:, :, 0, 0], torch.ones(6, 3))
    for before, after in zip(pixels, changed, strict=True):
        in_order = after.flatten()[before.flatten().argsort()]
        assert (in_order.diff() >= 0).all()


def test_a_gamma_curve_of_dark_and_negative_reflectance_is_finite() -> None:
    assert gamma_curve(torch.full((6, 12, 6, 6), -0.1), generator(0), 0.15).isfinite().all()


@settings(max_examples=examples(20))
@given(seed=SEEDS)
def test_haze_adds_the_same_to_every_pixel_of_a_band(seed: int) -> None:
    pixels = pictures(seed)
    added = (haze(pixels, generator(seed), 0.03) - pixels).flatten(2)
    assert added.std(dim=2).max() < 1e-5
    assert 0 < added.abs().max() < 0.3


@settings(max_examples=examples(20))
@given(seed=SEEDS)
def test_saturation_changes_colours_but_not_the_mean_of_bands(seed: int) -> None:
    pixels = pictures(seed)
    grey = pixels.mean(dim=1, keepdim=True)
    changed = saturation(pixels, generator(seed), 0.2)
    assert torch.allclose(changed.mean(dim=1, keepdim=True), grey, atol=1e-5)
    factor = (changed - grey).flatten(1).norm(dim=1) / (pixels - grey).flatten(1).norm(dim=1)
    assert torch.allclose(changed - grey, factor.view(-1, 1, 1, 1) * (pixels - grey), atol=1e-5)
    assert not torch.allclose(factor, torch.ones(6))


def test_zoom_and_turn_show_the_centre_of_the_same_picture() -> None:
    ramp = torch.linspace(0, 1, 64).expand(8, 3, 64, 64)
    same = zoomed(ramp, 0, zoom=0.0, turn=0.0)
    assert torch.allclose(same, ramp, atol=1e-5)
    steps = zoomed(ramp, 0, zoom=0.25, turn=0.0)[:, 0, 32].diff(dim=1)[:, 28:36]
    scale = steps.mean(dim=1) * 63
    assert steps.std(dim=1).max() < 1e-4, "a zoomed ramp is a ramp"
    assert math.exp(-0.25) - 0.01 < scale.min() < scale.max() < math.exp(0.25) + 0.01
    assert scale.max() - scale.min() > 0.1, "every picture has its own scale"
    turned = zoomed(ramp, 0, zoom=0.0, turn=20.0)[:, 0]
    down = (turned[:, 36, 32] - turned[:, 28, 32]).abs() / (8 / 63)
    assert 0.02 < down.max() <= math.sin(math.radians(20)) + 0.01
    assert turned.min() >= 0
    assert turned.max() <= 1


def test_zoom_is_for_pictures_only() -> None:
    with pytest.raises(BadInput, match="pictures of red, green and blue"):
        Augmentation(zoom=0.2)(*batch(0), generator(0))


def test_an_augmentation_that_is_off_draws_no_number() -> None:
    pixels, targets = batch(1)
    ours = generator(2)
    turns = torch.randint(0, 8, (len(pixels),), generator=ours).tolist()
    turned = Arrangement(side=120, turns=turns).of(pixels)
    torch.rand(1, generator=ours)  # whether to mix
    plain = illumination(turned, ours)
    assert torch.equal(Augmentation()(pixels, targets, generator(2))[0], plain)


@pytest.mark.parametrize("name", ["gamma", "haze", "saturation", "zoom", "turn"])
def test_each_option_for_pictures_changes_pixels_alone(name: str) -> None:
    targets = torch.eye(6, 10)
    off = Augmentation(symmetries=False, brightness=0, band_gain=0)
    value = 20.0 if name == "turn" else 0.1
    on = replace(off, **{name: value})  # type: ignore[arg-type]
    changed, wanted = on(pictures(3), targets, generator(0))
    assert not torch.allclose(changed, pictures(3), atol=1e-4)
    assert torch.equal(wanted, targets)


def test_the_same_generator_gives_the_same_batch_and_the_input_is_unchanged() -> None:
    pixels, targets = batch(3)
    kept = pixels.clone(), targets.clone()
    for settings_ in (Augmentation(), Augmentation(paste=1.0, blend=0.0), Augmentation(paste=0.0)):
        first = settings_(pixels, targets, generator(5))
        second = settings_(pixels, targets, generator(5))
        assert torch.equal(first[0], second[0])
        assert torch.equal(first[1], second[1])
        assert not torch.equal(first[0], settings_(pixels, targets, generator(6))[0])
    assert torch.equal(pixels, kept[0])
    assert torch.equal(targets, kept[1])


def test_without_augmentations_nothing_changes() -> None:
    pixels, targets = batch(4)
    nothing = Augmentation(symmetries=False, paste=0, blend=0, brightness=0, band_gain=0)
    same = nothing(pixels, targets, generator(0))
    assert torch.equal(same[0], pixels)
    assert torch.equal(same[1], targets)


@pytest.mark.parametrize(
    "wrong",
    [
        {"paste": 0.8, "blend": 0.3},
        {"blend": -0.1},
        {"paste_from": 0.9, "paste_to": 0.1},
        {"alpha": 0.0},
        {"brightness": float("nan")},
        {"crop": 60},
        {"crop": -24},
        {"crop": 144},
        {"crop": 24.0},
        {"gamma": -0.1},
        {"haze": float("inf")},
        {"saturation": -1.0},
        {"zoom": 2.0},
        {"turn": float("nan")},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        Augmentation(**wrong)  # type: ignore[arg-type]
