"""The structure of nets: compared with figures by hand, cards, gradients and torch's counter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from landcover import nets
from landcover.core.bands import BAND_NAMES
from landcover.core.errors import CorruptModel
from landcover.models import registry
from landcover.models.structure import structure
from landcover.nets.anatomy import INPUT, Anatomy, Block, anatomy_of, blank
from landcover.nets.copies import grouped
from landcover.nets.efficientnet_lite0 import STAGES
from landcover.nets.mosaic import Mosaic
from landcover.nets.spectral_lite0 import SpectralLite
from landcover.nets.taught import TaughtNet
from landcover.nets.trigrid import TriGrid

SHIPPED = registry.default().shipped_names()
PATCH = (12, 120, 120)
TRIGRID: dict[str, tuple[tuple[int, ...], int, int, int]] = {
    # Shape, parameters, multiply-adds, receptive field. A convolution has weights for each pair
    # of channels and pixel of its kernel, and its normalisation has two values a channel.
    "fine": ((24, 60, 60), 24 * 4 * 9 + 48, 60 * 60 * 24 * 4 * 9, 3),
    "middle": ((24, 60, 60), 24 * 6 * 9 + 48, 60 * 60 * 24 * 6 * 9, 6),
    "coarse": ((8, 20, 20), 8 * 2 + 16, 20 * 20 * 8 * 2, 6),
    # Three pixels of 20 m, of which the outer ones may lie in two pixels of 60 m: 12 pixels.
    "shapes.0": ((48, 30, 30), 48 * 56 * 9 + 96, 30 * 30 * 48 * 56 * 9, 12),
    # Five pixels of 40 m, each with 20 m at both ends from the 3 × 3 stems: 4 × 4 + 14 = 30.
    "shapes.1": ((48, 30, 30), 2 * (48 * 48 * 9 + 96), 2 * 30 * 30 * 48 * 48 * 9, 30),
    "layout.0": ((96, 15, 15), 96 * 48 * 9 + 192, 15 * 15 * 96 * 48 * 9, 36),
    "layout.1": ((96, 15, 15), 2 * (96 * 96 * 9 + 192), 2 * 15 * 15 * 96 * 96 * 9, 68),
    "spectrum.0": ((64, 60, 60), 64 * 16 + 128, 60 * 60 * 64 * 16, 6),
    "spectrum.1": ((64, 60, 60), 64 * 64 + 128, 60 * 60 * 64 * 64, 6),
}
ESTIMATED: dict[str, Any] = {
    "net": "trigrid",
    "net_options": {"members": 1},
    "bands": ["B02", "B03", "B04", "B08"],
    "needs": list(BAND_NAMES),
    "components": 3,
}


def built(name: str, **options: Any) -> nn.Module:
    with torch.device("meta"):
        return blank(nets.build(name, **options))


def block(found: Anatomy, name: str) -> Block:
    return next(each for each in found.blocks if each.name == name)


@pytest.mark.parametrize("member", range(4))
def test_the_blocks_of_trigrid_are_those_computed_by_hand(member: int) -> None:
    found = structure(registry.default().card("landcover-cnn"))
    own = f"members.{member}."
    for name, (shape, parameters, operations, field) in TRIGRID.items():
        each = block(found, own + name)
        seen = (each.shape, each.parameters, each.multiply_adds, each.field)
        assert (name, *seen) == (name, shape, parameters, operations, field)
    assert block(found, own + "shapes.0").inputs == tuple(
        own + stem for stem in ("fine", "middle", "coarse")
    )
    for name in ("fine", "middle", "coarse", "spectrum.0"):
        assert block(found, own + name).inputs == (INPUT,)
    assert found.metres(block(found, own + "layout.1")) == 680
    head = block(found, own + "head")
    assert (head.shape, head.parameters, head.field) == ((19,), 19 * 416 + 19, None)
    assert head.name in found.last


def test_the_receptive_fields_of_lite0_are_those_of_the_formula() -> None:
    """Each k × k convolution adds k - 1 times the product of the strides before it."""
    found = structure(registry.default().card("efficientnet-lite0"))
    field, stride = 3, 2
    for number, (blocks, kernel, first, _, channels) in enumerate(STAGES):
        for index in range(blocks):
            field += (kernel - 1) * stride
            stride *= 1 if index else first
            each = block(found, f"trunk.stages.{number}.{index}")
            assert (each.field, each.shape[0]) == (field, channels)
    assert field == 851


@pytest.mark.parametrize("name", SHIPPED)
def test_totals_are_those_of_the_card_and_of_torch(name: str) -> None:
    card = registry.default().card(name)
    found = structure(card)
    assert found.parameters == card.parameters
    own = sum(each.parameters for each in found.blocks)
    assert own in {card.parameters, 0}  # none if its tables are not trained
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        built(card.net, **card.net_options)(torch.zeros(1, *found.input_shape))
    assert found.multiply_adds == counter.get_total_flops() / 2
    assert found.between == 0
    groups = grouped(found)
    assert sum(each.multiply_adds for each in groups) == found.multiply_adds
    assert sum(each.parameters for each in groups) == own
    names = {INPUT, *(each.block.name for each in groups)}
    assert all(set(each.block.inputs) <= names for each in groups)


@pytest.mark.parametrize(
    ("make", "cells"),
    [
        (lambda: TriGrid(members=1, width=4, stem=4, spectral=4), 240),
        (lambda: TaughtNet(stem=4, widths=(4, 4, 4), covers=2, features=4), 288),
        (lambda: TaughtNet(stem=4, widths=(4, 4, 4), covers=2, features=4, blocks=(1, 1, 1)), 288),
        (lambda: SpectralLite(spectral=4, taps=(1, 2)), 240),
        (lambda: nets.build("random-convolution", filters=4), 240),
    ],
)
def test_receptive_fields_are_as_wide_as_gradients(
    make: Callable[[], nn.Module], cells: int
) -> None:
    torch.manual_seed(0)
    net = make().eval()
    for each in net.modules():
        if isinstance(each, nn.Conv2d):  # averages, which neither cancel out nor reach a limit
            nn.init.constant_(each.weight, 1 / each.weight[0].numel())
        if isinstance(each, nn.BatchNorm2d):
            nn.init.ones_(each.weight)
    kept: list[Tensor] = []
    layer = net.cam_layer
    assert isinstance(layer, nn.Module)
    handle = layer.register_forward_hook(lambda *parts: kept.append(parts[2]))
    pixels = torch.rand(1, 12, cells, cells).mul(0.2).add(0.4).requires_grad_()
    net(pixels)
    handle.remove()
    (maps,) = kept
    middle, widest = maps.shape[2] // 2, 0
    for row in range(middle - 2, middle + 2):
        (grad,) = torch.autograd.grad(maps[0, :, row, middle].sum(), pixels, retain_graph=True)
        seen = grad[0].abs().sum(dim=(0, 2)).nonzero()
        widest = max(widest, int(seen.max() - seen.min()) + 1)
    assert block(anatomy_of(net, PATCH), "cam_layer").field == widest


def test_several_looks_at_a_patch_are_counted() -> None:
    once, fourfold = (
        anatomy_of(built("rgb-lite0", symmetries=count), (3, 64, 64)) for count in (1, 4)
    )
    stem = [block(found, "trunk.stem") for found in (once, fourfold)]
    assert [each.runs for each in stem] == [1, 4]
    assert stem[1].multiply_adds == 4 * stem[0].multiply_adds
    assert stem[1].parameters == stem[0].parameters
    # Turned maps have their cells elsewhere, so that together they see a little more.
    fields = [block(found, "cam_layer").field for found in (once, fourfold)]
    assert fields[0] is not None
    assert fields[1] is not None
    assert fields[0] < fields[1] < fields[0] + 64


def test_a_mixture_is_told_part_by_part() -> None:
    net = Mosaic(
        taught=[{}, {}, {"widths": (48, 80, 112)}],
        lites=[{"taps": [2, 4]}],
        shares=[1, 1, 1, 1],
        sets=5,
    )
    found = anatomy_of(net.eval(), PATCH)
    copies = {each.block.name: each.copies for each in grouped(found)}
    assert copies["taught.0.trunk.stem"] == 2
    assert copies["taught.2.trunk.stem"] == 1
    assert "taught.1.trunk.stem" not in copies
    assert block(found, "lites.0.trunk.stem").runs == 2
    assert block(found, "prior").inputs == tuple(
        f"{part}.head" for part in ("taught.0", "taught.1", "taught.2", "lites.0")
    )
    assert found.last == ("prior",)


def test_an_estimate_of_missing_bands_is_a_block_before_the_net() -> None:
    found = anatomy_of(built("estimated-bands", **ESTIMATED), (4, 120, 120))
    estimate = block(found, "estimate")
    # Bands of 60 m are estimated from the means of 6 × 6 pixels.
    assert (estimate.shape, estimate.field, estimate.inputs) == (PATCH, 6, (INPUT,))
    assert estimate.stored
    assert estimate.multiply_adds
    assert block(found, "net.members.0.fine").inputs == ("estimate",)


def test_a_correction_is_a_block_behind_the_net() -> None:
    net = built("trigrid", members=1)
    with torch.inference_mode():
        features = net.read(torch.zeros(1, *PATCH)).features.shape[1]  # type: ignore[operator]
    options = {"net": "trigrid", "net_options": {"members": 1}, "features": features, "classes": 19}
    found = anatomy_of(built("adapted", **options), PATCH)
    correction = block(found, "correction")
    assert correction.parameters == 19 * (features + 19 + 1)
    assert set(correction.inputs) == {"net.members.0.norm", "net.members.0.head"}
    assert set(found.last) == {"net.members.0.head", "correction"}


def test_what_is_no_map_sees_the_whole_patch_or_nothing() -> None:
    forest = structure(registry.default().card("band-statistics"))
    assert [(each.name, each.field) for each in forest.blocks] == [("net", None)]
    prior = structure(registry.default().card("class-prior"))
    assert [(each.name, each.field) for each in prior.blocks] == [("net", 0)]
    assert prior.last == ()


def test_blocks_that_follow_each_other_are_no_copies() -> None:
    found = anatomy_of(built("resnet", depth=18), PATCH)
    assert all(each.copies == 1 for each in grouped(found))
    stages = [f"trunk.layer{stage}.{index}" for stage in range(1, 5) for index in range(2)]
    # 7 × 7 of stride 2, pooling of 3, then twice two convolutions of 3 × 3 a stage.
    assert [block(found, name).field for name in stages] == [27, 43, 67, 99, 147, 211, 307, 435]
    layers = [each.name for each in block(found, "trunk.layer1.0").layers]
    assert [name.rpartition(".")[2] for name in layers] == ["conv1", "bn1", "relu", "conv2", "bn2"]


def test_a_net_is_left_as_it_was() -> None:
    torch.manual_seed(0)
    net = TriGrid(members=1).eval()
    pixels = torch.rand(1, *PATCH)
    with torch.inference_mode():
        before = net(pixels)
        anatomy_of(net, PATCH)
        assert torch.equal(net(pixels), before)


@pytest.mark.parametrize(
    "options", [{"width": "many"}, {"members": 0}, {"stem": -1}, {"members": 10**7}]
)
def test_a_card_that_fits_no_net_is_refused(options: dict[str, Any]) -> None:
    card = registry.default().card("landcover-cnn").with_fields(net_options=options)
    with pytest.raises(CorruptModel):
        structure(card)
