"""The recipe of the lean net: it learns what the mosaic answers, and its folder is a model's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, UnknownName
from landcover.datasets import Dataset, open_dataset
from landcover.datasets.composites import Composites
from landcover.models import registry
from landcover.models.card import WEIGHTS_FILE
from landcover.models.model import load_model
from landcover.nets.mosaic import Mosaic
from landcover.nets.taught import TaughtNet
from landcover.train.frozen_head import fit_to_answers
from landcover.train.recipes import area
from landcover.train.recipes.area import Settings, lean, settings
from landcover.train.recipes.order import Order
from landcover.train.recipes.table import make, patch_fit
from tests.datasets.test_unlabelled import pictures, write
from tests.support import bigearthnet_tree as tree
from tests.train.test_loop import store

NAME = "landcover-area"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    looks = [
        tree.PatchSpec(
            patch_id=tree.v2_id(column),
            labels=(CLASS_NAMES[column % 3],),
            split="train" if column < 6 else "validation",
        )
        for column in range(10)
    ]
    return open_dataset("bigearthnet", tree.write_v2(tmp_path / "data", looks))


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Order:
    """An order for few composites, without maps of explanations."""
    path = tmp_path / "config.json"
    path.write_text(replace(settings(Order()), composites=2).to_json())
    monkeypatch.setattr("landcover.explain.explanation.METHODS", {})
    return Order(
        config_file=path,
        device="cpu",
        unlabelled=write(tmp_path / "pictures.tif", pictures(4)),
    )


@pytest.mark.slow
def test_one_call_writes_a_folder_and_a_second_asks_the_mosaic_nothing(
    dataset: Dataset, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model"
    steps: list[int] = []
    make(NAME, dataset, out, order, lambda step: steps.append(step.done))
    assert steps == [12]
    model = load_model(out, "cpu")
    assert isinstance(model.net, TaughtNet)
    assert model.net.shrink == 2
    said = model.card.training
    assert said["taught_by"].startswith("landcover-mosaic (")
    assert (said["n"], said["composites"], said["unlabelled"]["n"]) == (6, 2, 4)
    assert model.card.selection["n"] == 4
    assert torch.isfinite(model.net(torch.rand(1, 12, 120, 120))).all()
    assert Settings.from_json((out / "config.json").read_text()).composites == 2
    written = (out / WEIGHTS_FILE).read_bytes()
    monkeypatch.setattr(area, "mosaic_answers", None)
    make(NAME, dataset, out, order)
    assert (out / WEIGHTS_FILE).read_bytes() == written


def test_the_lean_net_has_the_trunk_of_the_mosaics_first_net() -> None:
    mosaic = registry.default().load("landcover-mosaic", "cpu").net
    assert isinstance(mosaic, Mosaic)
    net, options = lean(mosaic)
    assert options == {"shrink": 2, "mirror": 32}
    own, first = net.state_dict(), mosaic.taught[0].state_dict()
    assert all(torch.equal(value, first[name]) for name, value in own.items())


def test_a_head_follows_the_answers_that_it_is_fitted_to() -> None:
    torch.manual_seed(0)
    net = TaughtNet(stem=4, widths=[6, 6, 6], blocks=[1, 1, 1], covers=3, features=6, shrink=2)
    patches = store(40)
    brightness = patches.pixels(range(40)).mean(dim=(1, 2, 3))
    wanted = torch.sigmoid(torch.stack([40.0 * (brightness - brightness.mean())] * 19, dim=1))
    device = torch.device("cpu")
    fit_to_answers(net, patches, wanted, penalty=0.1, device=device)
    with torch.inference_mode():
        found = torch.sigmoid(net(patches.pixels(range(40))))
    assert float((found - wanted).abs().mean()) < 0.05
    fit_to_answers(net, patches, wanted, penalty=1e6, device=device)
    with torch.inference_mode():
        same = torch.sigmoid(net(patches.pixels(range(40))))
    assert torch.allclose(same, wanted.mean(dim=0).expand_as(same), atol=1e-2)


def test_a_composite_is_of_two_patches_and_always_the_same() -> None:
    patches = store(6)
    found = Composites(patches, 4, seed=1)
    assert len(found) == len(found.ids) == len(set(found.ids)) == 10
    assert found.targets.shape == (10, patches.targets.shape[1])
    assert torch.equal(found.pixels(range(6)), patches.pixels(range(6)))
    every = patches.pixels(range(6))
    for row in range(6, 10):
        (own,) = found.pixels([row])
        from_each = (own == every).all(dim=1).flatten(1).float().mean(dim=1)
        assert float(from_each.sum()) >= 1.0 - 1e-6
        assert torch.equal(own, found.pixels([0, row])[1])
    assert not torch.equal(found.pixels([7]), Composites(patches, 4, seed=2).pixels([7]))


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"composites": -1}, "composites is a whole number"),
        ({"composites": 1.5}, "composites is a whole number"),
        ({"trust": 1.1}, "trust is a number from 0 to 1"),
        ({"trust": "much"}, "trust is a number from 0 to 1"),
        ({"penalty": 0}, "penalty is a number above 0"),
        ({"penalty": True}, "penalty is a number above 0"),
        ({"seed": 0.5}, "seed is a whole number"),
    ],
)
def test_settings_out_of_range_are_refused(changed: dict[str, Any], match: str) -> None:
    values = {**json.loads(settings(Order()).to_json()), **changed}
    with pytest.raises(BadInput, match=match):
        Settings.from_json(json.dumps(values))


def test_settings_are_complete_and_known() -> None:
    values = json.loads(settings(Order()).to_json())
    with pytest.raises(BadInput, match="a JSON object of"):
        Settings.from_json(json.dumps({"trust": 0.5}))
    with pytest.raises(UnknownName, match="composite"):
        Settings.from_json(json.dumps({**values, "composite": 3}))
    with pytest.raises(BadInput, match="not JSON"):
        Settings.from_json("{")
    with pytest.raises(BadInput, match="leave out epochs"):
        settings(Order(epochs=3))


def test_it_cannot_be_judged_in_countries_that_its_teacher_has_seen() -> None:
    with pytest.raises(BadInput, match="has seen all countries"):
        patch_fit(NAME, Order())
