"""The engine for blocks: its answers are those of the net's windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from landcover import nets
from landcover.areas import engine
from landcover.areas.engine import Engine
from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput, ModelMismatch
from landcover.models import registry
from landcover.models.band_subset import derive
from landcover.models.model import Model
from landcover.nets.adapted import Adapted
from landcover.nets.windows import CELL_PIXELS


@pytest.fixture(scope="module")
def mosaic() -> Model:
    return registry.default().load("landcover-mosaic", "cpu")


@pytest.fixture(scope="module")
def lean(mosaic: Model) -> Model:
    """A small net with random weights, and the statistics of bands that the mosaic knows."""
    torch.manual_seed(0)
    options = {"stem": 8, "widths": [12, 16, 24], "blocks": [1, 1, 1]}
    options |= {"shrink": 2, "mirror": 32}
    net = nets.build("taught", **options)
    known = {k: v for k, v in mosaic.net.state_dict().items() if k.startswith("taught.0.log_")}
    net.load_state_dict({k.removeprefix("taught.0."): v for k, v in known.items()}, strict=False)
    return Model(mosaic.card.with_fields(net="taught", net_options=options), net, mosaic.device)


@pytest.fixture(scope="module")
def block() -> Tensor:
    """Reflectance of a landscape of patches of one cover, each with some texture."""
    chance = torch.Generator().manual_seed(3)
    covers = torch.rand(1, 12, 4, 4, generator=chance) * 0.4
    smooth = torch.nn.functional.interpolate(covers, size=(240, 240), mode="bicubic")
    texture = 1.0 + 0.1 * torch.randn(1, 12, 240, 240, generator=chance)
    return (smooth * texture).clamp(0.001, 1.0)[0]


def test_a_block_of_one_tile_gets_the_answers_of_the_net(mosaic: Model, block: Tensor) -> None:
    found = Engine(mosaic, precision="float32").answer(block, step=24)
    with torch.inference_mode():
        wanted = mosaic.net.dense(block[None], 24)[0]  # type: ignore[operator]
    assert found.logits.shape == wanted.shape == (19, 6, 6)
    assert torch.allclose(found.logits, wanted, atol=2e-3)
    assert torch.equal(found.share_valid, torch.ones(6, 6))


def test_features_are_those_that_a_patch_has(mosaic: Model, block: Tensor) -> None:
    patch = block[:, :120, :120]
    found = Engine(mosaic, precision="float32").answer(patch, step=24)
    with torch.inference_mode():
        wanted = mosaic.net.read(patch[None])  # type: ignore[operator]
    assert torch.allclose(found.features[:, 0, 0], wanted.features[0], atol=2e-3)
    assert torch.allclose(found.logits[:, 0, 0], wanted.scores[0], atol=2e-3)


def test_a_block_is_mirrored_at_its_edges_as_a_patch_is(lean: Model, block: Tensor) -> None:
    patch = block[:, :120, :120]
    (found,) = Engine(lean, precision="float32").answer(patch, step=24).logits.flatten(1).T
    bare = nets.build("taught", **{**lean.card.net_options, "mirror": 0}).eval()
    bare.load_state_dict(lean.net.state_dict())
    with torch.inference_mode():
        (wanted,), (zeros,) = lean.net(patch[None]), bare(patch[None])
    assert float((found - wanted).abs().mean()) < 0.2 * float((zeros - wanted).abs().mean())


def test_tiles_hardly_change_an_answer(
    lean: Model, block: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Engine(lean, precision="float32").answer(block, step=40)
    monkeypatch.setattr(engine, "TILE", 96)
    tiled = Engine(lean, precision="float32").answer(block, step=40)
    gap = (torch.sigmoid(tiled.logits) - torch.sigmoid(whole.logits)).abs()
    assert 0.0 < float(gap.max()) < 0.05
    assert float(gap.mean()) < 0.005


def test_an_answer_is_the_same_to_the_bit_on_any_number_of_cores(
    lean: Model, block: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "TILE", 96)
    one, three = (Engine(lean, cores=cores).answer(block, step=40) for cores in (1, 3))
    assert torch.equal(one.logits, three.logits)
    assert torch.equal(one.features, three.features)
    assert one.cells is not None
    assert three.cells is not None
    assert torch.equal(one.cells, three.cells)


def test_windows_begin_where_they_are_asked_for(lean: Model, block: Tensor) -> None:
    own = Engine(lean, precision="float32")
    every = own.answer(block, step=8)
    some = own.answer(block, step=24, first=32, shape=(2, 3))
    assert torch.allclose(some.logits, every.logits[:, 4:8:3, 4:13:3], atol=1e-5)


def test_cells_without_data_say_nothing_and_windows_know_their_share(
    lean: Model, block: Tensor
) -> None:
    own = Engine(lean)
    valid = np.ones((240, 240), dtype=bool)
    valid[:, 120:] = False
    torn = block.clone()
    torn[:, :, 120:] = 0.0
    found = own.answer(torn, valid, step=24)
    whole = own.answer(block, step=24)
    assert torch.allclose(found.share_valid[0], torch.tensor([1.0, 0.8, 0.6, 0.4, 0.2, 0.0]))
    assert bool(found.logits.isfinite().all())
    # The first window has all its data; the second lost a fifth that looks like the rest.
    gap = (torch.sigmoid(found.logits) - torch.sigmoid(whole.logits)).abs()
    assert float(gap[:, :, 0].mean()) < 0.02
    dark = own.answer(torn, step=24)
    assert float((dark.logits - whole.logits)[:, :, 1].abs().mean()) > float(
        (found.logits - whole.logits)[:, :, 1].abs().mean()
    )


def test_a_block_without_any_data_gets_finite_numbers(lean: Model) -> None:
    nothing = np.zeros((120, 120), dtype=bool)
    found = Engine(lean).answer(torch.zeros(12, 120, 120), nothing, step=8)
    assert float(found.share_valid) == 0.0
    assert bool(found.logits.isfinite().all())


def test_cells_are_kept_on_request_only(lean: Model, block: Tensor) -> None:
    kept = Engine(lean).answer(block, step=24).cells
    assert kept is not None
    assert kept.shape[2:] == (240 // CELL_PIXELS, 240 // CELL_PIXELS)
    assert Engine(lean, cells=False).answer(block, step=24).cells is None


def test_other_nets_and_steps_are_refused(block: Tensor) -> None:
    with pytest.raises(ModelMismatch, match="choose landcover-area"):
        Engine(registry.default().load("landcover-cnn", "cpu"))
    own = Engine(registry.default().load("landcover-mosaic", "cpu"))
    with pytest.raises(BadInput, match="multiples of 8"):
        own.answer(block, step=20)
    with pytest.raises(BadInput, match="smaller than one window"):
        own.answer(block[:, :96, :96], step=24)


def test_an_adapted_net_answers_as_for_a_patch(mosaic: Model, block: Tensor) -> None:
    torch.manual_seed(1)
    patch = block[:, :120, :120]
    features = mosaic.net.read(patch[None]).features.shape[1]  # type: ignore[operator]
    adapted = Adapted(mosaic.net, features=features, classes=19).eval()
    torch.nn.init.normal_(adapted.correction.weight)
    model = Model(mosaic.card, adapted, mosaic.device)
    found = Engine(model, precision="float32").answer(patch, step=24)
    with torch.inference_mode():
        wanted = adapted.read(patch[None]).scores[0]
    assert torch.allclose(found.logits[:, 0, 0], wanted, atol=5e-3)
    assert not torch.allclose(wanted, mosaic.net(patch[None])[0], atol=0.1)


def test_missing_bands_are_estimated(mosaic: Model, block: Tensor) -> None:
    names = ("B02", "B03", "B04", "B08")
    model = derive(mosaic, names)
    patch = block[[BAND_NAMES.index(name) for name in names], :120, :120]
    found = Engine(model, precision="float32").answer(patch, step=24)
    with torch.inference_mode():
        wanted = model.net(patch[None])[0]
    assert torch.allclose(found.logits[:, 0, 0], wanted, atol=5e-3)
