"""The parts of the faithfulness measurement: correlations, curves, shuffling, noise, pointing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr
from torch import Tensor

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.explain.faithfulness import curves, pointing, randomisation, similarity
from landcover.explain.faithfulness import noise_stability as stability
from landcover.explain.faithfulness.pointing import Scene
from landcover.models import registry
from tests.support import tiny

VALUES = arrays(np.float64, (8, 8), elements=st.integers(-4, 4).map(float))


@given(VALUES, VALUES)
def test_rank_correlation_is_spearmans(first: np.ndarray, second: np.ndarray) -> None:
    found = similarity.spearman(first, second)
    if np.ptp(first) and np.ptp(second):
        assert found == pytest.approx(spearmanr(first.ravel(), second.ravel()).statistic, abs=1e-9)
    else:
        assert found == 0.0


def test_ssim_is_high_only_for_similar_maps() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(15, 15))
    assert similarity.ssim(values, 3 * values) == pytest.approx(1.0)
    assert similarity.ssim(values, -values) < -0.5
    assert abs(similarity.ssim(values, random.normal(size=(15, 15)))) < 0.3


def test_cells_are_means() -> None:
    values = np.kron(np.arange(6.0).reshape(2, 3), np.ones((8, 8))).astype(np.float32)
    values[0, 0] += 64.0
    np.testing.assert_allclose(similarity.cells(values), [[1, 1, 2], [3, 4, 5]])
    assert similarity.cells(np.ones((65, 71), np.float32)).shape == (8, 8)


# If the score is a sum over places, the curves are known.


def summed(weight: Tensor) -> curves.Score:
    return lambda pixels: (pixels * weight).sum(dim=(1, 2, 3))[:, None]


@given(seed=st.integers(0, 1000))
def test_no_order_beats_the_true_one_where_the_score_is_a_sum(seed: int) -> None:
    random = np.random.default_rng(seed)
    weight = torch.from_numpy(random.normal(size=(2, 40, 40)))
    pixels = torch.from_numpy(random.uniform(size=(1, 2, 40, 40)))
    filled = torch.zeros_like(pixels)
    score = summed(weight)
    ends = score(pixels).numpy()[0], score(filled).numpy()[0]

    def gain(order: curves.Order) -> float:
        deletion, insertion = curves.curves(score, pixels, filled, order, ends)
        assert deletion.shape == insertion.shape == (len(curves.SHARES), 1)
        assert deletion[0] == insertion[-1] == ends[0]
        assert deletion[-1] == insertion[0] == ends[1]
        # The remaining and the inserted places add up to the full sum.
        assert np.abs(deletion + insertion - ends[0] - ends[1]).max() < 1e-6
        return curves.area(insertion[:, 0]) - curves.area(deletion[:, 0])

    truth = (weight * pixels[0]).sum(dim=0).numpy()
    best, worst = (gain(curves.order_of(sign * truth, random)) for sign in (1, -1))
    others = curves.reference_orders(pixels.float(), random)
    assert tuple(others) == curves.REFERENCES
    assert all(worst - 1e-9 <= gain(order) <= best + 1e-9 for order in others.values())


@given(arrays(np.float32, (40, 24), elements=st.floats(-1, 1, width=32)), st.integers(0, 99))
def test_orders_contain_each_cell_once(values: np.ndarray, seed: int) -> None:
    random = np.random.default_rng(seed)
    order = curves.order_of(values, random)
    assert sorted(order) == list(range(15))
    sorted_cells = similarity.cells(values).ravel()[order]
    assert (np.diff(sorted_cells) <= 0).all()
    for other in curves.reference_orders(torch.from_numpy(values)[None, None], random).values():
        assert sorted(other) == list(range(15))


def test_equal_cells_come_in_random_order() -> None:
    flat = np.zeros((40, 40), np.float32)
    random = np.random.default_rng(0)
    first, second = (curves.order_of(flat, random) for _ in range(2))
    assert (first != second).any()
    assert (first != np.arange(25)).any()


def test_random_patches_are_connected() -> None:
    """Neighbouring cells have similar ranks, as in a map and unlike a random order."""
    orders = curves.reference_orders(torch.rand(1, 12, 120, 120), np.random.default_rng(0))

    def roughness(order: curves.Order) -> float:
        rank = np.empty(225)
        rank[order] = np.arange(225)
        return float(np.abs(np.diff(rank.reshape(15, 15), axis=1)).mean())

    assert roughness(orders["random patches"]) < 0.6 * roughness(orders["random"])


# Randomisation


@pytest.mark.parametrize("name", [registry.DEFAULT_MODEL, "resnet"])
def test_weights_are_listed_from_the_output_backwards(name: str) -> None:
    model = tiny.load(name)
    pixels = model.tensor(tiny.random_patch())[None]
    layers = randomisation.layers_from_output(model, pixels)
    names = [name for layer in layers for name in layer]
    weights = dict(model.net.named_parameters())
    assert len(set(names)) == len(names)
    assert set(names) <= set(weights)
    assert len(names) > 0.9 * len(weights)
    # The heads have one output per class; each layer has a matrix or convolutions.
    assert any(weights[name].shape[0] == len(CLASS_NAMES) for name in layers[0])
    assert len(layers) > 3
    assert all(any(weights[name].dim() > 1 for name in layer) for layer in layers[:-1])
    assert not any(weights[name].requires_grad for name in names)


def test_shuffling_keeps_the_values_and_the_model() -> None:
    model = tiny.tiny_model()
    pixels = model.tensor(tiny.random_patch())[None]
    layers = randomisation.layers_from_output(model, pixels)
    assert [set(layer) for layer in layers] == [
        {"head.bias", "head.weight"},
        {"conv.bias", "conv.weight"},
    ]
    before = {name: value.clone() for name, value in model.net.named_parameters()}
    head = dict(randomisation.shuffled(model, layers, 0.0, seed=1).net.named_parameters())
    assert {n for n in before if not torch.equal(before[n], head[n])} == set(layers[0])
    every = dict(randomisation.shuffled(model, layers, 1.0, seed=1).net.named_parameters())
    for name, value in model.net.named_parameters():
        assert torch.equal(value, before[name])
        assert not torch.equal(value, every[name])
        assert torch.equal(value.flatten().sort().values, every[name].flatten().sort().values)
    again = dict(randomisation.shuffled(model, layers, 1.0, seed=1).net.named_parameters())
    assert all(torch.equal(every[name], again[name]) for name in every)


# Stability


def test_noise_is_the_same_for_pixels_measured_together() -> None:
    pixels = torch.full((1, 12, 120, 120), 0.3)
    found = stability.noisy(pixels, BAND_NAMES, np.random.default_rng(0))
    change = found / pixels - 1
    assert float(change.std()) == pytest.approx(stability.NOISE, rel=0.1)
    fine, middle, coarse = (change[0, BAND_NAMES.index(band)] for band in ("B02", "B11", "B01"))
    assert (fine[::2] != fine[1::2]).all()
    assert torch.equal(middle[::2, ::2], middle[1::2, 1::2])
    assert torch.equal(coarse[::6, ::6], coarse[5::6, 5::6])
    assert (coarse[5, :-6:6] != coarse[6, 6::6]).all()


def test_sensitivity_is_the_change_relative_to_the_map() -> None:
    values = np.ones((4, 4), np.float32)
    assert stability.sensitivity(values, values) == 0.0
    assert stability.sensitivity(values, 1.5 * values) == pytest.approx(0.5)
    assert stability.sensitivity(0 * values, 0 * values) == 0.0


# Pointing


@given(st.integers(0, 500), st.floats(0.1, 0.7))
def test_a_map_equal_to_the_mask_points_and_a_flat_one_does_not(seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).uniform(size=(30, 30)) < share
    mask[0, 0] = True
    found = pointing.point(mask.astype(np.float32), mask)
    assert found.energy == 1.0
    assert found.strongest == pytest.approx(min(1.0, mask.mean() / pointing.STRONGEST), abs=0.2)
    flat = pointing.point(np.ones((30, 30), np.float32), mask)
    assert flat.energy == pytest.approx(mask.mean())
    assert flat.strongest == pytest.approx(mask.mean())
    against = pointing.point(-mask.astype(np.float32), mask)
    assert against.energy == against.share


def test_halves_are_of_both_patches() -> None:
    first, second = torch.zeros(1, 2, 8, 8), torch.ones(1, 2, 8, 8)
    masks = []
    for side in range(5):
        pixels, mask = pointing.halves(first, second, side)
        assert mask.mean() == 0.5
        assert (pixels[:, :, torch.from_numpy(mask)] == 0).all()
        assert (pixels[:, :, torch.from_numpy(~mask)] == 1).all()
        masks.append(mask)
    assert len({mask.tobytes() for mask in masks}) == 4


def test_targets_are_windows_with_part_of_a_land_cover() -> None:
    codes = np.zeros((200, 200), np.uint8)
    codes[:60, :150] = 1
    codes[60:] = 2
    scene = Scene(name="here", patch=tiny.random_patch(size=200), land_cover=codes)
    found = pointing.targets([scene])
    # The upper windows have both, the left one more water; the lower ones have only trees.
    assert [(t.place, t.land_cover, float(t.mask.mean())) for t in found] == [
        ("here", "water", 0.5),
        ("here", "trees", 0.5),
    ]
    assert all((t.patch.height, t.patch.width) == (120, 120) for t in found)


def test_mapped_classes_are_in_the_nomenclature() -> None:
    named = [label for _, labels in pointing.MAPPED_CLASSES.values() for label in labels]
    assert set(named) <= set(CLASS_NAMES)
    assert len(set(named)) == len(named)


@pytest.mark.data
def test_the_codes_of_the_maps_match_their_spectra(shared_data: Path) -> None:
    """The files do not define codes: water is dark in infrared, trees are green, sand is bright."""
    scenes = pointing.read_scenes(shared_data / "scenes" / "terramind")
    assert len(scenes) == 3
    coast = next(scene for scene in scenes if (scene.land_cover == 1).mean() > 0.5)
    green, red, infrared = (coast.patch.band(name) for name in ("B03", "B04", "B08"))
    ndvi, ndwi = (infrared - red) / (infrared + red), (green - infrared) / (green + infrared)
    water, trees, sand = (coast.land_cover == code for code in (1, 2, 6))
    assert np.median(ndwi[water]) > 0.2
    assert np.median(ndvi[trees]) > 0.8
    assert np.median(coast.patch.band("B11")[sand]) > 0.4
    found = pointing.targets(scenes)
    assert len({target.place for target in found}) == 3
    assert {target.land_cover for target in found} >= {"water", "trees", "crops", "rangeland"}


def test_a_folder_without_maps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no land-cover maps: give a folder with LULC"):
        pointing.read_scenes(tmp_path)
