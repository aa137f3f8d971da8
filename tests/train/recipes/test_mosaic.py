"""The mosaic's recipe: parts are trained once, joined, and written as a model folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.datasets import Dataset, EuroSat, open_dataset
from landcover.models.card import WEIGHTS_FILE
from landcover.models.model import load_model
from landcover.nets.mosaic import Mosaic
from landcover.nets.spectral_lite0 import SpectralLite
from landcover.nets.symmetry import symmetry
from landcover.nets.trigrid import TriGrid
from landcover.train.recipes import model_folder, mosaic
from landcover.train.recipes.mosaic import Parts, settings
from landcover.train.recipes.order import Order
from landcover.train.recipes.table import make
from tests.support import bigearthnet_tree as tree

NAME = "landcover-mosaic"
TRIGRID = {"members": 1, "width": 8, "stem": 4, "spectral": 8}


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
def small(monkeypatch: pytest.MonkeyPatch) -> Parts:
    usual = settings(Order(epochs=1, seed=3, device="cpu"))
    parts = Parts(
        trigrid=replace(usual.trigrid, net_options=TRIGRID, batch=4),
        lite=replace(usual.lite, batch=4),
    )
    monkeypatch.setattr(mosaic, "settings", lambda _: parts)
    monkeypatch.setattr(model_folder, "SCALE_PATCHES", 1)
    monkeypatch.setattr("landcover.explain.explanation.METHODS", {})
    return parts


@pytest.mark.usefixtures("small")
@pytest.mark.slow
def test_one_call_writes_a_folder_and_a_second_trains_nothing(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model"
    reported: list[tuple[int, int | None]] = []
    order = Order(fit="train+validation", device="cpu")
    make(NAME, dataset, out, order, lambda step: reported.append((step.done, step.total)))
    # TriGrid, two teachers and the distilled net, on train and on both splits.
    assert reported == [(done, 8) for done in range(1, 9)]
    model = load_model(out, "cpu")
    assert isinstance(model.net, Mosaic)
    assert model.card.training["n"] == 10
    assert model.card.training["splits"] == ["train", "validation"]
    assert model.card.training["seed"] == 3
    assert model.card.selection["n"] == 4
    assert torch.isfinite(model.net(torch.rand(1, 12, 120, 120))).all()
    written = (out / WEIGHTS_FILE).read_bytes()
    monkeypatch.setattr(mosaic, "train", _refuse)
    make(NAME, dataset, out, order)
    assert (out / WEIGHTS_FILE).read_bytes() == written


@pytest.mark.slow
def test_parts_with_other_settings_are_not_reused(
    dataset: Dataset, small: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = dataset.load("train")
    mosaic.fit(small, store, tmp_path, lambda _: None)
    other = replace(small, lite=replace(small.lite, seed=4))
    monkeypatch.setattr(mosaic, "train", _refuse)
    with pytest.raises(AssertionError, match="trained"):
        mosaic.fit(other, store, tmp_path, lambda _: None)


@pytest.mark.slow
def test_a_net_distilled_from_other_teachers_is_not_reused(
    dataset: Dataset, small: Parts, tmp_path: Path
) -> None:
    store, done = dataset.load("train"), []
    mosaic.fit(small, store, tmp_path, lambda _: None)
    other = replace(small, trigrid=replace(small.trigrid, seed=4))
    for part in ("trigrid", "lite"):
        (tmp_path / part / "checkpoint.pt").unlink()
    mosaic.fit(other, store, tmp_path, lambda before: lambda _: done.append(before))
    assert done == [0, 3]  # TriGrid and the distilled net; the teachers were kept


def test_teachers_are_trained_on_labels_only_each_with_its_seed() -> None:
    parts = settings(Order(seed=7, device="cpu"))
    assert parts.lite.trust > 0
    assert [one.seed for one in parts.teachers] == [7, 8]
    for one in parts.teachers:
        assert (one.trust, one.augmentation.paste, one.augmentation.blend) == (0, 0, 0)
        assert one.epochs == parts.lite.epochs // 2
    alone = replace(parts, lite=replace(parts.lite, trust=0.0))
    assert alone.teachers == ()
    assert alone.epochs == parts.trigrid.epochs + parts.lite.epochs


def test_the_teacher_is_the_mean_of_trigrid_and_the_others(small: Parts) -> None:
    torch.manual_seed(0)
    grid = TriGrid(**small.trigrid.net_options).eval()
    lites = [SpectralLite(**small.lite.net_options).eval() for _ in range(2)]
    states = [lite.state_dict() for lite in lites]
    teacher = mosaic.join_teachers(small, grid.state_dict(), states)
    patches = torch.rand(2, 12, 120, 120)
    with torch.inference_mode():
        looks = lites[0](patches), lites[1](symmetry(patches, 1))
        wanted = (grid(patches) + sum(looks) / 2) / 2
        torch.testing.assert_close(teacher(patches), wanted)


def test_pictures_are_refused(tmp_path: Path) -> None:
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
