"""The cover head of a model folder: read back as written, refused if it is anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from landcover import nets
from landcover.core.covers import COVER_NAMES
from landcover.core.errors import BadInput, CorruptModel
from landcover.io.samples import read_sample
from landcover.models import registry
from landcover.models.cover import (
    FOLDER,
    NAME,
    CoverRecord,
    load_cover,
    load_record,
    save_cover,
)
from landcover.models.fitted_files import FittedFiles
from landcover.models.model import Model, load_model, save_model, weights_bytes
from landcover.models.model_files import contents
from landcover.nets.cover_head import CoverHead, WaterMap, area_cells, area_net
from landcover.train.cover_cells import wet_cells
from landcover.trust import surfaces
from tests.support import tiny

COUNT = len(COVER_NAMES)
OPTIONS = {"stem": 4, "widths": [4, 4, 4], "blocks": [1, 1, 1], "covers": 9, "features": 4}
Change = Callable[[dict[str, Tensor], dict[str, str]], object]


def record(**changes: Any) -> CoverRecord:
    square = np.eye(COUNT)
    return CoverRecord(
        **{
            "covers": COVER_NAMES,
            "errors": (10 * square).tolist(),
            "covariance": np.zeros((COUNT,) * 3).tolist(),
            "spread": (0.1 * square).tolist(),
            "places": [3] * COUNT,
            "true_patches": [4] * COUNT,
            **changes,
        }
    )


@pytest.fixture
def model(tmp_path: Path) -> Model:
    torch.manual_seed(0)
    weights = weights_bytes(nets.build("taught", **OPTIONS))
    card = tiny.tiny_card(weights, name="model", net="taught", net_options=OPTIONS)
    save_model(card, weights, tmp_path / "model")
    return load_model(tmp_path / "model", "cpu")


def head_for(model: Model) -> CoverHead:
    torch.manual_seed(0)
    made = CoverHead(area_net(model.net).norm.num_features, sides=(1, 5), water=WaterMap(3, 1.5))
    made.weight.copy_(torch.randn_like(made.weight))
    made.std.uniform_(0.5, 2.0)
    return made


def saved(model: Model) -> Path:
    assert model.folder is not None
    save_cover(model.folder, model.card.hash, head_for(model), record())
    return model.folder / "area" / "cover.safetensors"


def test_a_model_without_a_head_has_none(model: Model) -> None:
    assert load_cover(model) is None
    assert load_record(model.folder, model.card.hash) is None
    assert load_cover(Model(model.card, model.net, model.device)) is None
    assert load_record(None, model.card.hash) is None


def test_head_and_errors_are_read_back(model: Model) -> None:
    saved(model)
    head = load_cover(model)
    assert head is not None
    assert (head.sides, head.water, head.training) == ((1, 5), WaterMap(3, 1.5), False)
    for name, value in head_for(model).state_dict().items():
        assert torch.equal(head.state_dict()[name], value)
    assert load_record(model.folder, model.card.hash) == record()
    assert record().clustered.shares == pytest.approx(np.eye(COUNT))


def test_they_belong_to_the_files_of_a_model(model: Model) -> None:
    saved(model)
    assert model.folder is not None
    names = [name for name, _ in contents(model.folder)]
    assert {"area/cover.safetensors", "area/cover.json"} <= set(names)


def test_a_head_without_errors_removes_those_of_an_earlier_one(model: Model) -> None:
    saved(model)
    assert model.folder is not None
    save_cover(model.folder, model.card.hash, head_for(model), None)
    assert load_record(model.folder, model.card.hash) is None


def _stamp(**texts: str) -> Change:
    return lambda _, notes: notes.update(texts)


def _tensors(change: Callable[[dict[str, Tensor]], object]) -> Change:
    return lambda tensors, _: change(tensors)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_stamp(card_hash="0" * 12), "another card"),
        (_stamp(values="[]"), "expected format"),
        (_stamp(values='{"channels": 10}'), "not a cover head"),
        (_tensors(lambda tensors: tensors.pop("bias")), "not a cover head"),
        (_tensors(lambda tensors: tensors["weight"].fill_(torch.nan)), "not possible"),
        (_tensors(lambda tensors: tensors["std"].zero_()), "not possible"),
    ],
)
def test_a_damaged_head_is_refused(model: Model, change: Change, why: str) -> None:
    path = saved(model)
    tensors = load_file(path)
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    notes = dict(header["__metadata__"])
    change(tensors, notes)
    save_file(tensors, path, notes)
    with pytest.raises(CorruptModel, match=why):
        load_cover(model)


@pytest.mark.parametrize(
    "changes",
    [
        {"channels": 2**40},
        {"channels": 10},
        {"channels": True},
        {"sides": "1"},
        {"sides": [1.0]},
        {"sides": [1] * 1_000},
        {"clip": -1.0},
        {"clip": None},
        {"water": [999, 1.0]},
        {"water": [3]},
        {"water": [3, "1"]},
        {"water": 3},
        {"more": 1},
    ],
)
def test_absurd_options_are_refused(model: Model, changes: dict[str, Any]) -> None:
    path = saved(model)
    channels = area_net(model.net).norm.num_features
    options = {"channels": channels, "sides": [1, 5], "clip": 2.5, "water": None, **changes}
    notes = {"card_hash": model.card.hash, "values": json.dumps(options)}
    save_file(load_file(path), path, notes)
    with pytest.raises(CorruptModel, match="cover head"):
        load_cover(model)


def test_a_head_of_another_net_is_refused(model: Model) -> None:
    assert model.folder is not None
    save_cover(model.folder, model.card.hash, CoverHead(10), record())
    with pytest.raises(CorruptModel, match="does not fit"):
        load_cover(model)


@pytest.mark.parametrize(
    "changes",
    [
        {"covers": COVER_NAMES[::-1]},
        {"errors": np.eye(COUNT - 1).tolist()},
        {"errors": (-np.eye(COUNT)).tolist()},
        {"covariance": np.zeros((COUNT, COUNT, 1)).tolist()},
        {"spread": np.eye(COUNT)[:2].tolist()},
        {"spread": (-np.eye(COUNT)).tolist()},
        {"places": [1]},
        {"places": [1.5] * COUNT},
        {"unknown": 1},
    ],
)
def test_damaged_errors_are_refused(model: Model, changes: dict[str, Any]) -> None:
    saved(model)
    assert model.folder is not None
    path = model.folder / "area" / "cover.json"
    stamped = json.loads(path.read_text())
    stamped["values"].update(changes)
    path.write_text(json.dumps(stamped))
    with pytest.raises(CorruptModel, match="landcover cover fit"):
        load_record(model.folder, model.card.hash)


def test_a_head_cannot_be_saved_by_two_at_a_time(model: Model) -> None:
    assert model.folder is not None
    with (
        FittedFiles(FOLDER, "").writing(model.folder, NAME),
        pytest.raises(BadInput),
    ):
        save_cover(model.folder, model.card.hash, head_for(model), None)


@pytest.mark.parametrize("name", ["landcover-area", "landcover-mosaic"])
def test_a_dark_lake_is_water(name: str) -> None:
    """The nets alone take most of it for wood; by its spectrum it has 24 ha."""
    model = registry.default().load(name, "cpu")
    head = load_cover(model)
    assert head is not None
    lake = read_sample("finland-lake")
    pixels = torch.tensor(np.stack([lake.band(band) for band in model.card.bands]))[None]
    wet = wet_cells(surfaces.water(lake)[None])
    with torch.inference_mode():
        found = head(area_cells(model.net, pixels), wet)[0].argmax(dim=0)
    hectares = 0.64 * float((found == head.classes.index("Water")).sum())
    assert 15 < hectares < 25
