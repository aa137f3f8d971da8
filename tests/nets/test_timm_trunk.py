"""Trunks of timm, tested with a small stand-in module, since timm itself is not installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from landcover import nets
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.train.recipes.bigearthnet import configuration, find
from landcover.train.recipes.order import Order

STAND_IN = """
import torch

def list_models():
    return ["little", "tokens"]

class Trunk(torch.nn.Module):
    def __init__(self, name, bands):
        super().__init__()
        self.name, self.num_features = name, 6
        self.conv = torch.nn.Conv2d(bands, 6, 3, 32, 1)
    def forward(self, images):
        maps = self.conv(images)
        return maps if self.name == "little" else maps.flatten(2).transpose(1, 2)

def create_model(name, pretrained, in_chans, num_classes, global_pool):
    assert (num_classes, global_pool) == (0, "")
    if pretrained and name == "tokens":
        raise RuntimeError("No pretrained weights exist")
    trunk = Trunk(name, in_chans)
    if pretrained:
        torch.nn.init.constant_(trunk.conv.weight, 0.25)
    return trunk
"""


@pytest.fixture
def timm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "timm.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    yield
    sys.modules.pop("timm", None)


def test_without_timm_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(BadInput, match=r"pip install 'landcover\[hub\]'"):
        nets.build("timm", backbone="resnet18")
    with pytest.raises(
        BadInput, match="comes from timm, which is not installed or cannot be imported"
    ):
        configuration("timm:resnet18", Order())


@pytest.mark.usefixtures("timm")
def test_a_trunk_gets_a_pooled_head_and_any_bands() -> None:
    net = nets.build("timm", backbone="little", bands=["B04", "B08"]).eval()
    assert net(torch.rand(2, 2, 120, 120)).shape == (2, len(CLASS_NAMES))
    assert net.dense(torch.rand(1, 2, 152, 120)).shape[2:] == (2, 1)


@pytest.mark.usefixtures("timm")
def test_unknown_trunks_and_trunks_without_maps_are_refused() -> None:
    with pytest.raises(BadInput, match="has no trunk 'resnet18'"):
        nets.build("timm", backbone="resnet18")
    net = nets.build("timm", backbone="tokens")
    with pytest.raises(BadInput, match="timm's 'tokens' does not return maps"):
        net(torch.rand(1, 12, 120, 120))


@pytest.mark.usefixtures("timm")
def test_a_recipe_starts_from_published_weights() -> None:
    recipe = find("timm:little")
    assert configuration("timm:little", Order()).net_options["backbone"] == "little"
    assert recipe.initial is not None
    assert (recipe.initial()["trunk.conv.weight"] == 0.25).all()
    other = find("timm:tokens")
    assert other.initial is not None
    with pytest.raises(BadInput, match="could not be downloaded or do not exist"):
        other.initial()
