"""The registry of architectures, and the properties of TriGrid."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam

from landcover import nets
from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, UnknownName
from landcover.datasets.arrays import expand
from landcover.nets.grids import native_grids, spectra_at_20m
from landcover.nets.reflectance import log_reflectance
from landcover.nets.symmetry import symmetry
from landcover.nets.trigrid import TriGrid

SMALL = {"members": 2, "width": 8, "stem": 4, "spectral": 8}


def patches(count: int = 2, side: int = 120, seed: int = 0) -> torch.Tensor:
    """Make random digital numbers on native grids, repeated to 10 m like real patches."""
    random = np.random.default_rng(seed)
    grids = [
        random.integers(1, 6000, (count, bands, side // factor, side // factor), dtype=np.uint16)
        for bands, factor in ((4, 1), (6, 2), (2, 6))
    ]
    return torch.from_numpy(expand(*grids)) / 10_000


def small_net(*, bands: tuple[str, ...] = BAND_NAMES, **options: int) -> TriGrid:
    """Make a net whose batch statistics differ from their initial values."""
    torch.manual_seed(0)
    columns = [BAND_NAMES.index(name) for name in bands]
    net = TriGrid(bands=bands, **{**SMALL, **options})  # type: ignore[arg-type]
    net.initialise(patches(8)[:, columns], torch.rand(8, len(CLASS_NAMES)).round())
    net.train()
    for seed in range(3):
        net(patches(8, seed=seed)[:, columns])
    return net.eval()


def test_an_unknown_net_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UnknownName, match="did you mean 'trigrid'"):
        nets.build("trigird")


def test_the_default_net_is_small_enough_to_ship() -> None:
    net = nets.build("trigrid")
    assert sum(p.numel() for p in net.parameters()) <= 5_000_000


def test_native_grids_are_recovered() -> None:
    random = np.random.default_rng(1)
    g10 = random.random((2, 4, 120, 120), dtype=np.float32)
    g20 = random.random((2, 6, 60, 60), dtype=np.float32)
    g60 = random.random((2, 2, 20, 20), dtype=np.float32)
    found = native_grids(torch.from_numpy(expand(g10, g20, g60)))
    for grid, original in zip(found, (g10, g20, g60), strict=True):
        np.testing.assert_allclose(grid.numpy(), original, rtol=1e-6)


def test_normalisation_is_that_of_the_training_patches() -> None:
    net, pixels = small_net(), patches(8)
    for grid in net.grids(pixels):
        assert grid.mean(dim=(0, 2, 3)).numpy() == pytest.approx(np.zeros(grid.shape[1]), abs=0.01)
        assert grid.std(dim=(0, 2, 3)).numpy() == pytest.approx(np.ones(grid.shape[1]), abs=0.02)


def test_the_first_scores_are_the_frequencies_of_the_classes() -> None:
    torch.manual_seed(0)
    net = TriGrid(**SMALL)  # type: ignore[arg-type]
    targets = torch.zeros(8, len(CLASS_NAMES))
    targets[:2, 3] = 1
    net.initialise(patches(8), targets)
    for member in net.members:
        assert torch.sigmoid(member.head.bias[3]).item() == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize("value", [-0.2, 0.0, 20.0])
def test_impossible_reflectance_gives_finite_scores_and_gradients(value: float) -> None:
    net = small_net()
    pixels = torch.full((1, 12, 120, 120), value, requires_grad=True)
    logits = net(pixels)
    (gradient,) = torch.autograd.grad(logits.sum(), pixels)
    assert torch.isfinite(logits).all()
    assert torch.isfinite(gradient).all()


def test_logarithm_is_clipped_at_both_ends() -> None:
    ends = log_reflectance(torch.tensor([-1.0, 0.0, 1.5, 9.0]))
    assert ends.tolist() == pytest.approx([math.log(0.01)] * 2 + [math.log(1.51)] * 2)


def test_scores_do_not_depend_on_the_other_patches_of_a_batch() -> None:
    net, pixels = small_net(), patches(6)
    with torch.inference_mode():
        together = net(pixels)
        alone = torch.cat([net(one[None]) for one in pixels])
    assert torch.allclose(together, alone, atol=1e-5)
    assert together.std() > 1e-3


def test_members_are_averaged_and_differ() -> None:
    net, pixels = small_net(), patches()
    with torch.inference_mode():
        each = [member(net.grids(pixels)) for member in net.members]
        assert torch.allclose(net(pixels), torch.stack(each).mean(dim=0), atol=1e-5)
    assert not torch.allclose(each[0], each[1], atol=1e-3)


def test_each_member_is_trained_on_its_own_share_of_the_batch() -> None:
    net = small_net().train()
    pixels = patches(8)
    net(pixels)[:4].sum().backward()
    first, second = net.members
    assert first.head.weight.grad is not None
    assert first.head.weight.grad.abs().sum() > 0
    assert second.head.weight.grad is not None
    assert second.head.weight.grad.abs().sum() == 0


def test_a_batch_too_small_for_the_members_is_refused() -> None:
    with pytest.raises(BadInput, match="4 or more"):
        small_net().train()(patches(3))


def test_grad_cam_hooks_the_cam_layer() -> None:
    net, pixels = small_net(), patches()
    heat = LayerGradCam(net, net.cam_layer).attribute(pixels, target=1)
    assert heat.shape == (2, 1, 15, 15)
    assert heat.abs().sum() > 0


def test_the_scores_depend_on_the_cam_layer_only() -> None:
    net, pixels = small_net(), patches(1)
    before = net(pixels)
    handle = net.cam_layer.register_forward_hook(lambda _layer, _given, cells: cells * 0)
    silent = net(pixels)
    assert torch.equal(silent, net(patches(1, seed=9)))
    handle.remove()
    assert not torch.allclose(before, silent, atol=1e-3)


def test_dense_scores_of_one_window_are_those_of_the_patch() -> None:
    net, pixels = small_net(), patches()
    with torch.inference_mode():
        dense = net.dense(pixels)
        assert dense.shape == (2, len(CLASS_NAMES), 1, 1)
        assert torch.allclose(dense[:, :, 0, 0], net(pixels), atol=1e-4)


def test_windows_of_an_area_are_close_to_patches_cut_out() -> None:
    net, area = small_net(), patches(1, side=240)
    with torch.inference_mode():
        dense = net.dense(area, step=24)
        assert dense.shape == (1, len(CLASS_NAMES), 6, 6)
        cut = net(area[:, :, 48:168, 72:192])
        assert torch.allclose(dense[:, :, 2, 3], cut, atol=0.25 * float(cut.std()) + 0.1)
        # A corner window shares two of its four edges with the area.
        other = net(area[:, :, 120:, 120:])
        assert (dense[:, :, 5, 5] - other).abs().mean() < (dense[:, :, 5, 5] - cut).abs().mean()


def test_dense_refuses_other_steps_and_small_areas() -> None:
    net = small_net()
    with pytest.raises(BadInput, match="multiples of 8"):
        net.dense(patches(1), step=12)
    with pytest.raises(BadInput, match="smaller than one window"):
        net.dense(patches(1, side=96))


@pytest.mark.parametrize(
    ("bands", "grids"),
    [
        (("B04", "B03", "B02"), (3, 0, 0)),
        (("B04", "B03", "B02", "B08"), (4, 0, 0)),
        (("B08", "B11", "B12"), (1, 2, 0)),
        (("B02", "B01"), (1, 0, 1)),
    ],
)
def test_a_net_for_some_bands_has_no_grid_without_bands(
    bands: tuple[str, ...], grids: tuple[int, int, int]
) -> None:
    columns = [BAND_NAMES.index(name) for name in bands]
    net, pixels = small_net(bands=bands), patches()[:, columns]
    found = net.grids(pixels)
    assert tuple(grid.shape[1] for grid in found) == grids
    assert [tuple(grid.shape[2:]) for grid in found] == [(120, 120), (60, 60), (20, 20)]
    names = {name.split(".")[2] for name in net.state_dict() if name.startswith("members.0")}
    assert ("middle" in names, "coarse" in names) == (grids[1] > 0, grids[2] > 0)
    with torch.inference_mode():
        logits = net(pixels)
        assert torch.allclose(net.dense(pixels)[:, :, 0, 0], logits, atol=1e-4)
    assert logits.shape == (2, len(CLASS_NAMES))
    with pytest.raises(BadInput, match="the bands that its card names"):
        net(patches())


def test_a_net_for_some_bands_takes_each_from_its_own_column() -> None:
    net = small_net(bands=("B11", "B08", "B02"))
    pixels = patches()[:, [BAND_NAMES.index(name) for name in ("B11", "B08", "B02")]]
    fine, middle, _ = net.grids(pixels)
    logs = (log_reflectance(pixels) - net.log_mean.view(-1, 1, 1)) / net.log_std.view(-1, 1, 1)
    assert torch.allclose(fine[:, 0], logs[:, 2], atol=1e-5)  # grids keep the product's order
    assert torch.allclose(fine[:, 1], logs[:, 1], atol=1e-5)
    assert torch.allclose(middle[:, 0], logs[:, 0, ::2, ::2], atol=1e-5)


@pytest.mark.parametrize("bands", [("B04", "B10"), ("B04", "B04"), ("B05", "B01"), ()])
def test_unsuitable_bands_are_refused(bands: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"not bands of Level-2A|measured at 10 m"):
        TriGrid(bands=bands)


@pytest.mark.parametrize("shape", [(1, 11, 120, 120), (12, 120, 120), (1, 12, 100, 120)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput):
        small_net()(torch.zeros(shape))


def test_a_rotated_patch_keeps_its_colours() -> None:
    net, pixels = small_net(), patches(1)
    (member, _) = net.members
    with torch.inference_mode():
        plain = member.colours(spectra_at_20m(net.grids(pixels))).mean(dim=(2, 3))
        for which in range(8):
            turned = member.colours(spectra_at_20m(net.grids(symmetry(pixels, which)))).mean(
                dim=(2, 3)
            )
            assert torch.allclose(plain, turned, atol=1e-5)
