"""Trunks of timm itself, with weights of their layout from a server in place of the hub."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from landcover import nets
from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.nets.anatomy import anatomy_of, blank
from landcover.nets.drawing import drawing_of
from landcover.nets.timm_import import load_timm
from landcover.nets.timm_trunk import timm_trunk
from landcover.train.recipes.bigearthnet import configuration, find
from landcover.train.recipes.order import Order
from tests.live.loopback import Fault
from tests.support.examples import sampled
from tests.support.hub_server import WEIGHTS, HubServer, needs_hub

REPOSITORY = "timm/resnet18.a1_in1k"
QUICK = ("resnet18", "resnet18.a1_in1k", "mobilenetv3_small_050", "convnext_atto")
TRUNKS = [
    *QUICK,
    # One of each way to make maps: with another width than timm names, with other strides.
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in (
            *("resnet34", "resnet50", "resnet101", "resnet152", "seresnet50", "resnext50_32x4d"),
            *("efficientnet_b0", "tf_efficientnetv2_b0", "mobilenetv2_100", "densenet121"),
            *("regnety_004", "cs3darknet_s", "convmixer_768_32", "edgenext_xx_small", "dpn48b"),
            *("cpubone_nano", "ghostnet_050"),
        )
    ),
]


def test_without_timm_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(BadInput, match=r"pip install 'landcover\[hub\]'"):
        nets.build("timm", backbone="resnet18")
    with pytest.raises(BadInput, match="comes from timm, which is not installed"):
        configuration("timm:resnet18", Order())


BROKEN = {
    "timm": "raise RuntimeError('operator torchvision::other does not exist')",
    "torchvision": "import torchvision_needs",
}


@pytest.mark.parametrize("broken", sampled(BROKEN, list(BROKEN)[:1]))
def test_a_timm_that_cannot_be_imported_is_not_called_missing(broken: str, tmp_path: Path) -> None:
    """In a process of its own, since modules that failed to be imported leave parts behind."""
    (tmp_path / "timm.py").write_text("import torchvision\n")
    (tmp_path / "torchvision.py").write_text("")
    (tmp_path / f"{broken}.py").write_text(BROKEN[broken])
    code = (
        "from landcover import nets\nfrom landcover.core.errors import BadInput\n"
        "try:\n    nets.build('timm', backbone='resnet18')\n"
        "except BadInput as error:\n    print(error)\n"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "is installed but cannot be imported: install a torchvision that fits" in done.stdout


@needs_hub
@pytest.mark.parametrize("name", TRUNKS)
def test_a_trunk_gets_a_pooled_head_and_any_bands(name: str) -> None:
    torch.manual_seed(0)
    net = nets.build("timm", backbone=name, bands=["B04", "B08"])
    pixels = torch.rand(2, 2, 120, 120, requires_grad=True)
    scores = net(pixels)
    assert scores.shape == (2, len(CLASS_NAMES))
    scores[:, 3].sum().backward()
    assert pixels.grad is not None
    assert (pixels.grad.abs().amax(dim=(0, 2, 3)) > 0).all()
    trained = [value for value in net.parameters() if value.requires_grad]
    assert sum(value.grad is not None for value in trained) >= len(trained) - 2
    with pytest.raises(BadInput, match=r"needs pixels of shape \(n, 2, y, x\)"):
        net(torch.rand(1, 12, 120, 120))
    # Published weights, which are those of a net with classes, have all that the trunk needs.
    whole = load_timm("The test").create_model(name, in_chans=2).state_dict()
    for own, value in net.trunk.state_dict().items():  # type: ignore[union-attr]  # a module
        assert whole[own].shape == value.shape


@needs_hub
@pytest.mark.parametrize(
    "name",
    [
        "vit_tiny_patch16_224",  # tokens, for pictures of one size
        "swin_tiny_patch4_window7_224",
        "mixer_s32_224",
        "csatv2",  # for three bands
        *("dla34", "hrnet_w18_small"),  # for sides that are multiples of 32
        "coat_tiny",  # always pools
    ],
)
def test_trunks_without_maps_of_a_patch_are_refused_before_a_training(name: str) -> None:
    refused = pytest.raises(BadInput, match=f"timm's '{name}' does not return maps of 12 bands")
    with refused, torch.device("meta"):  # as the page counts parameters
        nets.build("timm", backbone=name)
    with pytest.raises(BadInput, match="choose a convolutional trunk"):
        nets.build("timm", backbone=name)


@needs_hub
@pytest.mark.parametrize("count", [2, 4, 7, 12])
def test_a_trunk_on_which_torch_crashes_is_trained(count: int) -> None:
    """Its first layer has a strided 1 × 1 convolution of few channels."""
    net = nets.build("timm", backbone="repvgg_a0", bands=BAND_NAMES[:count])
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pixels = torch.rand(2, count, 120, 120)
    net(pixels).sum().backward()
    assert all(each.grad is not None for each in net.parameters())
    plain = timm_trunk("repvgg_a0", count)
    plain.load_state_dict(net.trunk.state_dict())
    with torch.inference_mode():
        assert torch.allclose(net.eval().trunk(pixels), plain.eval()(pixels), atol=1e-4)


@needs_hub
@pytest.mark.parametrize("name", ["resnet18x", "resnet18.nobody", "hf-hub:somebody/x", "*", ""])
def test_unknown_trunks_are_refused(name: str) -> None:
    with pytest.raises(BadInput, match="timm has no trunk"):
        nets.build("timm", backbone=name)


@needs_hub
def test_a_trunk_is_drawn() -> None:
    with torch.device("meta"):
        net = nets.build("timm", backbone="resnet18")
    drawing = drawing_of(anatomy_of(blank(net), (12, 120, 120)))
    assert drawing.box("trunk.layer4.1").shape == (512, 4, 4)
    assert {box.lane for box in drawing.boxes} == {0}


# Published weights


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer() as running:
        running.use(monkeypatch, tmp_path / "cache")
        yield running


def published(server: HubServer) -> dict[str, Tensor]:
    """Publish a ResNet-18 as timm does: for three bands and the 1000 classes of ImageNet."""
    torch.manual_seed(1)
    net: nn.Module = load_timm("The test").create_model("resnet18")
    state = {name: value.clone() for name, value in net.state_dict().items()}
    config = {
        "architecture": "resnet18",
        "num_classes": 1000,
        "num_features": 512,
        "pretrained_cfg": {"tag": "a1_in1k", "input_size": [3, 224, 224], "classifier": "fc"},
    }
    server.publish(REPOSITORY, state, config)
    return state


def initial(bands: Sequence[str] = BAND_NAMES) -> dict[str, Tensor]:
    start = find("timm:resnet18").initial
    assert start is not None
    return start(bands)


@needs_hub
@pytest.mark.parametrize("bands", [BAND_NAMES, ("B04", "B03", "B02"), ("B08", "B11")])
def test_a_training_starts_from_published_weights(bands: Sequence[str], server: HubServer) -> None:
    state, found = published(server), initial(bands)
    # timm repeats the weights for red, green and blue, so that the sum over the bands stays.
    first = state["conv1.weight"].repeat(1, 4, 1, 1)[:, : len(bands)] * 3 / len(bands)
    assert torch.allclose(found.pop("trunk.conv1.weight"), first)
    for name, value in found.items():
        assert torch.equal(value, state[name.removeprefix("trunk.")])
    assert set(found) == {f"trunk.{name}" for name in state if name[:3] != "fc."} - {
        "trunk.conv1.weight"
    }
    net = nets.build("timm", backbone="resnet18", bands=bands)
    assert net.state_dict()["trunk.conv1.weight"].shape == first.shape
    missing, extra = net.load_state_dict(found, strict=False)
    assert not extra
    assert set(missing) == {"mean", "std", "head.weight", "head.bias", "trunk.conv1.weight"}


def cut(files: dict[str, bytes], _: dict[str, Tensor]) -> None:
    files[WEIGHTS] = files[WEIGHTS][:-100]


def less(files: dict[str, bytes], state: dict[str, Tensor]) -> None:
    files[WEIGHTS] = save({name: value for name, value in state.items() if "layer4" not in name})


def other(files: dict[str, bytes], state: dict[str, Tensor]) -> None:
    files[WEIGHTS] = save({**state, "layer1.0.conv1.weight": torch.zeros(64, 32, 3, 3)})


def none(files: dict[str, bytes], _: dict[str, Tensor]) -> None:
    files.clear()


@needs_hub
@pytest.mark.parametrize("spoil", [cut, less, other, none])
def test_other_weights_give_one_sentence(
    spoil: Callable[[dict[str, bytes], dict[str, Tensor]], Any], server: HubServer
) -> None:
    state = published(server)
    spoil(server.repositories[REPOSITORY], state)
    with pytest.raises(BadInput, match="could not be downloaded, do not exist or are damaged"):
        initial()


@needs_hub
def test_a_hub_without_a_network_gives_one_sentence(server: HubServer) -> None:
    published(server)
    server.fault("*", Fault(kind="status", status=403))
    with pytest.raises(BadInput, match="could not be downloaded, do not exist or are damaged"):
        initial()


@needs_hub
def test_a_trunk_without_published_weights_gives_one_sentence(server: HubServer) -> None:
    start = find("timm:resnet18d.no").initial
    assert start is not None
    with pytest.raises(BadInput, match="timm has no trunk"):
        start(BAND_NAMES)
    assert not server.requests
