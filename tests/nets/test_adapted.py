"""Test the correction of a net's scores."""

from __future__ import annotations

import pytest
import torch

from landcover import nets
from landcover.core.classes import CLASS_NAMES
from landcover.nets.adapted import Adapted, directions
from landcover.nets.outputs import FeatureNet
from tests.support import tiny

CLASSES = len(CLASS_NAMES)


def adapted() -> Adapted:
    torch.manual_seed(0)
    return Adapted(tiny.TinyNet(), features=8, classes=CLASSES).eval()


def test_without_a_fit_the_scores_are_those_of_the_net() -> None:
    net = adapted()
    pixels = torch.rand(3, 12, 24, 24)
    assert isinstance(net, FeatureNet)
    assert torch.equal(net(pixels), net.net(pixels))
    assert torch.equal(net.read(pixels).features, net.net.read(pixels).features)


def test_the_calibration_comes_before_the_correction() -> None:
    net = adapted()
    net.scale.fill_(2.0)
    net.shift.fill_(-1.0)
    torch.nn.init.constant_(net.correction.bias, 0.5)
    pixels = torch.rand(2, 12, 24, 24)
    assert torch.allclose(net(pixels), 2 * net.net(pixels) - 0.5)


def test_directions_have_length_one_and_none_at_the_centre() -> None:
    centre = torch.tensor([1.0, 2.0])
    found = directions(torch.tensor([[1.0, 2.0], [4.0, 6.0]]), centre)
    assert found.tolist() == [[0, 0], pytest.approx([0.6, 0.8])]


def test_the_scores_have_gradients() -> None:
    net = adapted()
    torch.nn.init.normal_(net.correction.weight)
    pixels = torch.rand(1, 12, 24, 24, requires_grad=True)
    net(pixels)[0, 0].backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().sum() > 0


def test_it_is_built_from_the_options_of_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    options = {"net": tiny.NAME, "net_options": {"width": 8}, "features": 8, "classes": CLASSES}
    net = nets.build(nets.ADAPTED, **options)
    net.load_state_dict(adapted().state_dict())
    pixels = torch.rand(1, 12, 24, 24)
    assert torch.equal(net.eval()(pixels), adapted()(pixels))
