"""Published models: renamed and reordered, with one sentence for every error.

No published weights are here: what is converted are weights of the same layout.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, CorruptModel, FetchError, UnknownName
from landcover.models import hub, registry
from landcover.models.model import load_model
from landcover.nets.resnet import ResNet
from tests.support.tiny import random_patch

NAME = "reben:resnet18-s2-v0.2.0"
LEXICAL = sorted(CLASS_NAMES)


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


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("version", hub.ORDERS)
def test_it_gives_the_scores_of_the_published_net(version: str, tmp_path: Path) -> None:
    state = published(version)
    save_file(state, tmp_path / "weights")
    folder = hub.folder(f"reben:resnet18-s2-{version}", lambda *_: tmp_path / "weights")
    patch = random_patch(3)
    prediction = load_model(folder, "cpu").predict(patch)
    # Computed as its authors do: digital numbers, their statistics, their class order.
    net = ResNet(depth=18, bands=hub.ORDERS[version], logarithm=False).eval()
    prefix = "model.vision_encoder."
    net.trunk.load_state_dict(
        {k.removeprefix(prefix): v for k, v in state.items() if ".fc." not in k}
    )
    rows = [
        (patch.band(band) * 10_000 - hub.STATISTICS[band][0]) / hub.STATISTICS[band][1]
        for band in hub.ORDERS[version]
    ]
    with torch.inference_mode():
        features = net.trunk(torch.from_numpy(np.stack(rows))[None].float()).mean(dim=(2, 3))
        logits = features @ state[f"{prefix}fc.weight"].T + state[f"{prefix}fc.bias"]
    for label, logit in zip(LEXICAL, logits[0].tolist(), strict=True):
        assert prediction.of(label).score == pytest.approx(logit, abs=1e-3)


def test_the_two_versions_use_the_same_bands_in_different_orders() -> None:
    old, new = hub.ORDERS["v0.1.1"], hub.ORDERS["v0.2.0"]
    assert old != new
    assert sorted(old) == sorted(new) == sorted(hub.STATISTICS)
    assert [BAND_NAMES.index(band) for band in new] == sorted(BAND_NAMES.index(b) for b in new)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: state.pop("model.vision_encoder.layer1.0.conv1.weight"),
        lambda state: state.update({"model.vision_encoder.fc.weight": torch.zeros(10, 512)}),
        lambda state: state.update({"model.vision_encoder.extra": torch.zeros(1)}),
        lambda state: state.update(
            {"model.vision_encoder.conv1.weight": torch.zeros(64, 12, 7, 7)}
        ),
        lambda state: state.clear(),
    ],
)
def test_other_weights_are_refused(
    spoil: Callable[[dict[str, Tensor]], object], tmp_path: Path, home: Path
) -> None:
    state = published()
    spoil(state)
    with pytest.raises(CorruptModel, match="not those of ResNet-18"):
        hub.folder(NAME, served(tmp_path / "model.safetensors", state))
    assert not list(home.rglob("card.json"))


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


@pytest.mark.usefixtures("home")
def test_an_unreachable_hub_gives_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "huggingface_hub.py").write_text(
        "def hf_hub_download(repo_id, filename):\n    raise FileNotFoundError('offline')\n"
        "def hf_hub_url(repo_id, filename):\n    return 'https://huggingface.co/x'\n"
        "def get_hf_file_metadata(url, timeout):\n    raise ConnectionError('offline')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "huggingface_hub", raising=False)
    with pytest.raises(FetchError, match=r"could not be fetched from huggingface\.co"):
        registry.default().folder(NAME)
    sys.modules.pop("huggingface_hub", None)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("stated", ["5_000_000_000", "None"])
def test_a_file_that_is_too_large_is_not_read(
    stated: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whether the hub states its size before the download or not."""
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(3_000_000_000)  # takes no space
    (tmp_path / "huggingface_hub.py").write_text(
        "from types import SimpleNamespace\n"
        "downloaded = []\n"
        "def hf_hub_url(repo_id, filename):\n    return 'https://huggingface.co/x'\n"
        "def get_hf_file_metadata(url, timeout):\n"
        f"    return SimpleNamespace(size={stated})\n"
        "def hf_hub_download(repo_id, filename):\n"
        f"    downloaded.append(filename)\n    return {str(large)!r}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "huggingface_hub", raising=False)
    with pytest.raises(FetchError, match=r"000 MB, more than the 2,000 MB of a published model"):
        registry.default().folder(NAME)
    assert bool(sys.modules.pop("huggingface_hub").downloaded) == (stated == "None")
