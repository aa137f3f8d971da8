"""A readout gives the net's scores, and its maps carry all that they depend on."""

from __future__ import annotations

import pytest
import torch

from landcover.io.samples import read_sample
from landcover.models import readout, registry
from landcover.models.model import Model
from landcover.nets.mosaic import Mosaic
from landcover.nets.spectral_lite0 import SpectralLite
from landcover.nets.trigrid import TriGrid
from tests.support import tiny

SMALL = {"members": 2, "width": 8, "stem": 4, "spectral": 8, "dropout": 0.0}
TAUGHT = {"stem": 8, "widths": [8, 12, 16], "blocks": [1, 1, 1], "covers": 3, "features": 6}


def with_net(net: torch.nn.Module) -> Model:
    """A model of that net whose normalisations are not identities."""
    random = torch.Generator().manual_seed(3)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            for value in (
                module.weight.data,
                module.running_var,
                module.running_mean,
                module.bias.data,
            ):
                assert value is not None
                value.copy_(0.5 + torch.rand(value.shape, generator=random))
    return Model(tiny.tiny_card(b""), net, torch.device("cpu"))


def nets() -> dict[str, torch.nn.Module]:
    torch.manual_seed(0)
    return {
        "trigrid": TriGrid(**SMALL),  # type: ignore[arg-type]
        "lite": SpectralLite(taps=(2, 4), spectral=8),
        "mosaic": Mosaic(
            taught=[TAUGHT],
            lites=[{"taps": [2, 4]}, {"taps": [1, 2], "spectral": 0}],
            shares=[2.0, 1.0, 1.0],
        ),
    }


@pytest.mark.parametrize("name", ["trigrid", "lite", "mosaic"])
def test_a_readout_gives_the_scores_of_the_net_and_does_not_change_it(name: str) -> None:
    model = with_net(nets()[name])
    weights = {key: value.clone() for key, value in model.net.state_dict().items()}
    strides = [value.stride() for value in model.net.parameters()]
    pixels = torch.rand(3, 12, 120, 120, generator=torch.Generator().manual_seed(1))
    net = readout.fold_maps(model)
    assert net is not None
    with torch.no_grad():
        whole = model.scores(pixels)
        torch.testing.assert_close(net.scores(pixels), whole, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(net.answer(net.moments(pixels)), whole, rtol=1e-3, atol=1e-3)
    for key, value in model.net.state_dict().items():
        assert torch.equal(value, weights[key])
    assert [value.stride() for value in model.net.parameters()] == strides


@pytest.mark.parametrize("name", ["trigrid", "lite", "mosaic"])
def test_contributions_of_locations_add_up_to_the_weighted_moments(name: str) -> None:
    net = readout.fold_maps(with_net(nets()[name]))
    assert net is not None
    draw = torch.Generator().manual_seed(2)
    pixels, other = torch.rand(2, 1, 12, 120, 120, generator=draw)
    with torch.no_grad():
        views, others = net.views(pixels), net.views(other)
        moments = [a.moments() - b.moments() for a, b in zip(views, others, strict=True)]
        weights = [torch.randn(2, part.shape[1], generator=draw) for part in moments]
        expected = sum((w @ m[0] for w, m in zip(weights, moments, strict=True)), torch.zeros(2))
        parts = readout.contributions(views, weights, others)
        for cells in (False, True):
            drawn = sum(readout.to_pixels(v, t, (120, 120), cells=cells) for v, t in parts)
            assert isinstance(drawn, torch.Tensor)
            assert drawn.shape == (2, 120, 120)
            torch.testing.assert_close(drawn.sum(dim=(1, 2)), expected, rtol=1e-3, atol=1e-2)


def test_the_symmetry_of_each_view_is_undone() -> None:
    """A bright corner stays in place, whatever the symmetry of the view."""
    net = readout.fold_maps(with_net(nets()["mosaic"]))
    assert net is not None
    pixels = torch.full((1, 12, 120, 120), 0.1)
    marked = pixels.clone()
    marked[..., :24, 72:] = 0.6
    with torch.no_grad():
        views, others = net.views(marked), net.views(pixels)
        weights = [torch.ones(1, view.moments().shape[1]) for view in views]
        parts = readout.contributions(views, weights, others)
    drawn = [readout.to_pixels(v, turn, (120, 120))[0].abs() for v, turn in parts]
    most = max(float(part.sum()) for part in drawn)
    # Deep maps of an untrained net hardly react.
    clear = [k for k, part in enumerate(drawn) if part.sum() > 0.01 * most]
    assert len({parts[k][1] for k in clear}) > 1
    for k in clear:
        assert drawn[k][:60, 60:].sum() > 0.6 * drawn[k].sum()


def test_other_nets_have_no_readout() -> None:
    assert readout.fold_maps(tiny.tiny_model()) is None
    assert readout.fold_maps(tiny.tiny_resnet()) is None


def test_the_readout_of_the_default_model_gives_the_same_scores() -> None:
    model = registry.default().load(registry.DEFAULT_MODEL, "cpu")
    net = readout.fold_maps(model)
    assert net is not None
    pixels = model.tensor(read_sample("finland-lake"))[None]
    with torch.no_grad():
        torch.testing.assert_close(net.scores(pixels), model.scores(pixels), rtol=1e-3, atol=1e-3)
