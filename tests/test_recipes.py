"""From labelled folders to a model that loads, answers and says where it comes from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from landcover.card import WEIGHTS_FILE
from landcover.datasets import Dataset, open_dataset
from landcover.errors import BadInput, UnknownName
from landcover.model import load_model
from landcover.nomenclature import CLASS_NAMES
from landcover.recipes import NAMES, Order, configuration, make
from landcover.registry import DEFAULT_MODEL
from landcover.training import TrainConfig
from tests import bigearthnet_tree as tree
from tests import tiny

SMALL = {
    "net_options": {"members": 1, "width": 8, "stem": 4, "spectral": 8},
    "epochs": 2,
    "batch": 4,
    "validate_every": 1,
}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    looks = [
        tree.Look(
            patch_id=tree.v2_id(column),
            labels=(CLASS_NAMES[column % 3],),
            split="train" if column < 12 else "validation",
        )
        for column in range(18)
    ]
    return open_dataset("bigearthnet", tree.write_v2(tmp_path / "ben", looks))


@pytest.fixture
def order(tmp_path: Path) -> Order:
    path = tmp_path / "small.json"
    path.write_text(json.dumps(SMALL))
    return Order(config_file=path, fit="train+validation", device="cpu")


def test_the_cnn_is_chosen_on_validation_then_fitted_on_both(
    dataset: Dataset, order: Order, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    out = tmp_path / "model"
    make(DEFAULT_MODEL, dataset, out, order, lambda done, total, _: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    model = load_model(out, "cpu")
    assert model.card.training["splits"] == ["train", "validation"]
    assert model.card.training["n"] == 18
    assert model.card.selection["fitted_on"] == ["train"]
    assert model.card.selection["n"] == 6
    assert set(model.card.explanation_scales) >= {"integrated-gradients", "grad-cam"}
    assert len(model.predict(tiny.random_patch()).labels) == len(CLASS_NAMES)
    assert (out / "history.csv").read_text().count("\n") == 3

    # The same call finds everything done and yields the same weights.
    before = (out / WEIGHTS_FILE).read_bytes()
    told.clear()
    make(DEFAULT_MODEL, dataset, out, order, lambda done, total, _: told.append((done, total)))
    assert told == []
    assert (out / WEIGHTS_FILE).read_bytes() == before


@pytest.mark.parametrize("name", NAMES)
def test_a_fit_on_train_alone_says_so(
    name: str, dataset: Dataset, order: Order, tmp_path: Path
) -> None:
    make(name, dataset, tmp_path / name, replace(order, fit="train", epochs=1))
    card = load_model(tmp_path / name, "cpu").card
    assert card.name == name
    assert card.training["splits"] == ["train"]
    assert card.training["n"] == 12
    assert "--fit train" in card.training["command"]


def test_what_the_user_asks_for_overrides_the_configuration(order: Order) -> None:
    config = configuration(DEFAULT_MODEL, replace(order, epochs=7, seed=3))
    assert (config.epochs, config.seed, config.device, config.batch) == (7, 3, "cpu", 4)


def test_the_packaged_configuration_is_the_one_that_was_shipped() -> None:
    shipped = (Path(__file__).parents[1] / "landcover/zoo/landcover-cnn/config.json").read_text()
    # Settings that came after it was shipped stand at what was then the only way.
    assert configuration(DEFAULT_MODEL, Order(device="cpu")) == TrainConfig.from_json(shipped)


def test_bad_orders_are_one_sentence(dataset: Dataset, order: Order, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Unknown model 'resnet-50'"):
        make("resnet-50", dataset, tmp_path / "m", order)
    with pytest.raises(BadInput, match="cannot be read: check the path"):
        make(DEFAULT_MODEL, dataset, tmp_path / "m", replace(order, config_file=tmp_path / "no"))
