"""Published models: renamed and stored, with one sentence for every error.

No published weights are here: what is converted are weights of the same layout. What the hub's own
library and the nets of the publishers make of it is in ``test_hub_server.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput, CorruptModel, UnknownName
from landcover.models import hub, registry
from landcover.models.model import load_model
from landcover.nets.resnet import ResNet
from tests.support.tiny import random_patch

NAME = "reben:resnet18-s2-v0.2.0"


def published(version: str = "v0.2.0") -> dict[str, Tensor]:
    """A state in the published layout: ten bands, classes in alphabetical order."""
    torch.manual_seed(0)
    net = ResNet(depth=18, bands=hub.ORDERS[version], logarithm=False)
    state = {}
    for name, value in net.state_dict().items():
        if name.startswith("trunk."):
            state["model.vision_encoder." + name.removeprefix("trunk.")] = value.clone()
    state["model.vision_encoder.fc.weight"] = torch.randn(19, 512)
    state["model.vision_encoder.fc.bias"] = torch.arange(19.0)
    return state


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def served(path: Path, state: dict[str, Tensor]) -> Callable[[str, str], Path]:
    """A fetch function that returns a local file."""
    save_file(state, path)

    def fetch(repository: str, name: str) -> Path:
        assert (repository, name) == ("BIFOLD-BigEarthNetv2-0/resnet18-s2-v0.2.0", path.name)
        return path

    return fetch


def test_a_published_model_becomes_a_normal_model_folder(tmp_path: Path, home: Path) -> None:
    folder = hub.folder(NAME, served(tmp_path / "model.safetensors", published()))
    assert folder.is_relative_to(home)
    model = load_model(folder, "cpu")
    assert model.card.name == NAME
    assert model.card.bands == (
        "B02",
        "B03",
        "B04",
        "B05",
        "B06",
        "B07",
        "B08",
        "B8A",
        "B11",
        "B12",
    )
    assert len(model.predict(random_patch()).labels) == 19
    # It is stored: nothing is downloaded again, not even by the registry.
    assert registry.default().folder(NAME) == folder


def test_the_two_versions_use_the_same_bands_in_different_orders() -> None:
    old, new = hub.ORDERS["v0.1.1"], hub.ORDERS["v0.2.0"]
    assert old != new
    assert sorted(old) == sorted(new) == sorted(hub.STATISTICS)
    assert [BAND_NAMES.index(band) for band in new] == sorted(BAND_NAMES.index(b) for b in new)


@pytest.mark.usefixtures("home")
def test_a_file_that_is_not_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\x80\x04pickle")
    with pytest.raises(CorruptModel, match="cannot be read"):
        hub.folder(NAME, lambda *_: tmp_path / "file")


def test_an_unknown_published_model_is_named_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'reben:resnet50-s2-v0\.2\.0'"):
        registry.default().folder("reben:resnet50-s2-v0.3.0")


@pytest.mark.usefixtures("home")
def test_a_missing_download_library_gives_the_install_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(BadInput, match=r"pip install 'landcover\[hub\]'"):
        registry.default().folder(NAME)
