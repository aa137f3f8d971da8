"""A net split in two answers as the whole, and its maps carry all that the answer rests on."""

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


def with_net(net: torch.nn.Module) -> Model:
    """A model of that net, whose normalisations are no identities."""
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
            trigrid=SMALL, lites=[{"taps": [2, 4]}, {"taps": [1, 2], "spectral": 0}], symmetries=2
        ),
    }


@pytest.mark.parametrize("name", ["trigrid", "lite", "mosaic"])
def test_the_split_net_answers_as_the_whole_and_leaves_it_alone(name: str) -> None:
    model = with_net(nets()[name])
    weights = {key: value.clone() for key, value in model.net.state_dict().items()}
    strides = [value.stride() for value in model.net.parameters()]
    pixels = torch.rand(3, 12, 120, 120, generator=torch.Generator().manual_seed(1))
    net = readout.split(model)
    assert net is not None
    with torch.no_grad():
        whole = model.scores(pixels)
        torch.testing.assert_close(net.scores(pixels), whole, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(net.answer(net.moments(pixels)), whole, rtol=1e-3, atol=1e-3)
    for key, value in model.net.state_dict().items():
        assert torch.equal(value, weights[key])
    assert [value.stride() for value in model.net.parameters()] == strides


@pytest.mark.parametrize("name", ["trigrid", "lite", "mosaic"])
def test_any_weighing_of_moments_is_one_of_places(name: str) -> None:
    net = readout.split(with_net(nets()[name]))
    assert net is not None
    draw = torch.Generator().manual_seed(2)
    pixels, other = torch.rand(2, 1, 12, 120, 120, generator=draw)
    with torch.no_grad():
        views, others = net.views(pixels), net.views(other)
        moments = [a.moments() - b.moments() for a, b in zip(views, others, strict=True)]
        weights = [torch.randn(2, part.shape[1], generator=draw) for part in moments]
        expected = sum((w @ m[0] for w, m in zip(weights, moments, strict=True)), torch.zeros(2))
        parts = readout.spread(views, weights, others)
        for cells in (False, True):
            drawn = sum(readout.on_pixels(v, t, (120, 120), cells=cells) for v, t in parts)
            assert isinstance(drawn, torch.Tensor)
            assert drawn.shape == (2, 120, 120)
            torch.testing.assert_close(drawn.sum(dim=(1, 2)), expected, rtol=1e-3, atol=1e-2)


def test_each_look_is_turned_back_to_how_the_patch_lies() -> None:
    """A bright corner stays where it is, in whichever symmetry a part sees it."""
    net = readout.split(with_net(nets()["mosaic"]))
    assert net is not None
    pixels = torch.full((1, 12, 120, 120), 0.1)
    marked = pixels.clone()
    marked[..., :24, 72:] = 0.6
    with torch.no_grad():
        views, others = net.views(marked), net.views(pixels)
        weights = [torch.ones(1, view.moments().shape[1]) for view in views]
        parts = readout.spread(views, weights, others)
    drawn = [readout.on_pixels(v, turn, (120, 120))[0].abs() for v, turn in parts]
    most = max(float(part.sum()) for part in drawn)
    # Deep maps of a net that has learnt nothing hardly react.
    clear = [k for k, part in enumerate(drawn) if part.sum() > 0.01 * most]
    assert len({parts[k][1] for k in clear}) > 1
    for k in clear:
        assert drawn[k][:60, 60:].sum() > 0.6 * drawn[k].sum()


def test_a_net_of_another_kind_is_not_split() -> None:
    assert readout.split(tiny.tiny_model()) is None
    assert readout.split(registry.default().load("resnet-18", "cpu")) is None


def test_the_default_model_is_split_and_answers_the_same() -> None:
    model = registry.default().load(registry.DEFAULT_MODEL, "cpu")
    net = readout.split(model)
    assert net is not None
    pixels = model.tensor(read_sample("finland-lake"))[None]
    with torch.no_grad():
        torch.testing.assert_close(net.scores(pixels), model.scores(pixels), rtol=1e-3, atol=1e-3)
