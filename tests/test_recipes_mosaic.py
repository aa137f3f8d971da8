"""The mosaic's recipe: parts that are trained once, joined, decided on and written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from landcover import recipes, recipes_mosaic
from landcover.card import WEIGHTS_FILE
from landcover.datasets import Dataset, EuroSat, open_dataset
from landcover.errors import BadInput
from landcover.model import load_model
from landcover.nets.mosaic import Mosaic
from landcover.nomenclature import CLASS_NAMES
from landcover.recipes import Order, make
from landcover.recipes_mosaic import Parts, settings
from tests import bigearthnet_tree as tree

NAME = "landcover-mosaic"
TRIGRID = {"members": 1, "width": 8, "stem": 4, "spectral": 8}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    looks = [
        tree.Look(
            patch_id=tree.v2_id(column),
            labels=(CLASS_NAMES[column % 3],),
            split="train" if column < 6 else "validation",
        )
        for column in range(10)
    ]
    return open_dataset("bigearthnet", tree.write_v2(tmp_path / "data", looks))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Parts:
    usual = settings(Order(epochs=1, seed=3, device="cpu"))
    parts = Parts(
        trigrid=replace(usual.trigrid, net_options=TRIGRID, batch=4),
        lite=replace(usual.lite, batch=4),
    )
    monkeypatch.setattr(recipes_mosaic, "settings", lambda _: parts)
    monkeypatch.setattr(recipes, "SCALE_PATCHES", 1)
    monkeypatch.setattr("landcover.explain.METHODS", {})
    return parts


@pytest.mark.usefixtures("small")
def test_one_call_makes_a_folder_and_a_second_trains_nothing(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model"
    told: list[tuple[int, int]] = []
    order = Order(fit="train+validation", device="cpu")
    make(NAME, dataset, out, order, lambda done, total, _: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    model = load_model(out, "cpu")
    assert isinstance(model.net, Mosaic)
    assert model.card.training["n"] == 10
    assert model.card.training["splits"] == ["train", "validation"]
    assert model.card.training["seed"] == 3
    assert model.card.selection["n"] == 4
    assert torch.isfinite(model.net(torch.rand(1, 12, 120, 120))).all()
    written = (out / WEIGHTS_FILE).read_bytes()
    monkeypatch.setattr(recipes_mosaic, "train", _refuse)
    make(NAME, dataset, out, order)
    assert (out / WEIGHTS_FILE).read_bytes() == written


def test_parts_of_other_settings_are_not_taken(
    dataset: Dataset, small: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = dataset.load("train")
    recipes_mosaic.fit(small, store, tmp_path, lambda _: None)
    other = replace(small, lite=replace(small.lite, seed=4))
    monkeypatch.setattr(recipes_mosaic, "train", _refuse)
    with pytest.raises(AssertionError, match="trained"):
        recipes_mosaic.fit(other, store, tmp_path, lambda _: None)


def test_pictures_are_refused_in_one_sentence(tmp_path: Path) -> None:
    pictures = EuroSat(source=tmp_path, pictures=(), unplaced=0)
    with pytest.raises(BadInput, match="--model eurosat-rgb"):
        make(NAME, pictures, tmp_path / "m", Order())


def test_a_configuration_of_another_net_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"net": "trigrid"}')
    with pytest.raises(BadInput, match="spectral-lite0"):
        settings(Order(config_file=path))


def _refuse(*_: object, **__: object) -> None:
    raise AssertionError("a part was trained")
