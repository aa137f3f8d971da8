"""Training without the weights of others, where a recipe has some to start from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from landcover.core.errors import BadInput
from landcover.datasets import open_any
from landcover.train.recipes import bigearthnet, eurosat, mosaic_parts, table
from landcover.train.recipes.build import RANDOM_WEIGHTS
from landcover.train.recipes.order import Order
from landcover.train.state import Weights
from tests.support import imagenet_package, runs

SCRATCH = Order(scratch=True)


def test_the_card_says_that_training_started_from_random_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, out, file = "landcover-cnn", tmp_path / "out", tmp_path / "config.json"
    other = replace(bigearthnet.RECIPES[name], summary="A net.", initial=_missing, start="ImageNet")
    monkeypatch.setitem(bigearthnet.RECIPES, name, other)
    usual = bigearthnet.configuration(name, Order())
    small = replace(usual, batch=4, net_options={**usual.net_options, **runs.NET})
    file.write_text(small.to_json())
    order = Order(scratch=True, config_file=file, epochs=1, device="cpu")
    dataset = open_any("bigearthnet", runs.patches(tmp_path / "data"))
    with pytest.raises(BadInput, match="These weights are missing"):
        table.make(name, dataset, tmp_path / "usual", replace(order, scratch=False))
    table.make(name, dataset, out, order)
    card = json.loads((out / "card.json").read_text())
    assert card["summary"] == "A net. It starts from random weights."
    assert card["training"]["start"] == RANDOM_WEIGHTS
    assert card["training"]["command"].endswith(" --from-scratch")
    assert json.loads((out / "config.json").read_text())["start"] == "random"
    # The same folder does not go on with other weights.
    monkeypatch.setitem(bigearthnet.RECIPES, name, replace(other, initial=lambda _: {}))
    with pytest.raises(BadInput, match="other settings"):
        table.make(name, dataset, out, replace(order, scratch=False))


def _missing(_: Sequence[str]) -> Weights:
    raise BadInput("These weights are missing.")


def test_a_net_for_pictures_starts_from_random_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imagenet_package.install(tmp_path, b"no weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    plan = eurosat.plan(SCRATCH)
    assert (plan.start, eurosat.first_weights(plan)) == (RANDOM_WEIGHTS, {})
    usual = eurosat.plan(Order())
    assert usual.start == "ImageNet"
    with pytest.raises(BadInput, match="ImageNet weights"):
        eurosat.first_weights(usual)


def test_models_without_such_weights_refuse_it() -> None:
    for name in ("efficientnet-lite0", "eurosat-rgb"):
        table.refuse_lessons(SCRATCH, [name])
    for name in ("landcover-cnn", "class-prior", "landcover-mosaic", "landcover-area"):
        with pytest.raises(BadInput, match="leave --from-scratch out"):
            table.refuse_lessons(SCRATCH, [name])


def test_a_configuration_cannot_ask_for_it_either(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"start": "random"}))
    with pytest.raises(BadInput, match="leave 'start' out"):
        bigearthnet.configuration("landcover-cnn", Order(config_file=file))
    file.write_text(json.dumps({"start": "mars"}))
    with pytest.raises(BadInput, match="start is one of recipe, random"):
        bigearthnet.configuration("efficientnet-lite0", Order(config_file=file))
    parts = mosaic_parts.settings(Order()).as_dict()
    parts["lite"]["start"] = "random"
    file.write_text(json.dumps(parts))
    with pytest.raises(BadInput, match="no part starts from random weights"):
        mosaic_parts.settings(Order(config_file=file))
