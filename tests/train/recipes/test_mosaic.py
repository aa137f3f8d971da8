"""The mosaic's recipe: parts are trained once, joined, and written as a model folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, UnknownName
from landcover.datasets import Dataset, EuroSat, open_dataset
from landcover.models.card import WEIGHTS_FILE
from landcover.models.model import load_model
from landcover.nets.mosaic import Mosaic
from landcover.nets.spectral_lite0 import SpectralLite
from landcover.nets.taught import TaughtNet
from landcover.train import class_frequencies
from landcover.train.recipes import lessons, mosaic, mosaic_parts
from landcover.train.recipes.mosaic_parts import Parts, settings
from landcover.train.recipes.order import Order
from landcover.train.recipes.table import make
from tests.datasets.test_unlabelled import pictures, write
from tests.support import bigearthnet_tree as tree
from tests.support.tiny_teacher import write_teacher

NAME = "landcover-mosaic"
TAUGHT: dict[str, Any] = {"stem": 4, "widths": [6, 6, 6], "blocks": [1, 1, 1]}


def tiny_parts(order: Order) -> Parts:
    """The packaged settings with small nets and batches."""
    usual = settings(order)
    small: dict[str, Any] = {"net_options": TAUGHT, "batch": 4, "precision": "float32"}
    return replace(
        usual,
        pretraining=replace(usual.pretraining, **small),
        taught=replace(usual.taught, **small),
        lite=replace(usual.lite, batch=4),
    )


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
def order(tmp_path: Path) -> Order:
    return Order(
        epochs=1,
        seed=3,
        device="cpu",
        teacher=write_teacher(tmp_path / "teacher.npz"),
        unlabelled=write(tmp_path / "pictures.tif", pictures(4)),
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, order: Order) -> Parts:
    parts = tiny_parts(order)
    monkeypatch.setattr(mosaic_parts, "settings", lambda _: parts)
    monkeypatch.setattr("landcover.explain.explanation.METHODS", {})
    return parts


@pytest.mark.usefixtures("small")
@pytest.mark.slow
def test_one_call_writes_a_folder_and_a_second_trains_nothing(
    dataset: Dataset, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model"
    reported: list[tuple[int, int | None]] = []
    both = replace(order, fit="train+validation")
    make(NAME, dataset, out, both, lambda step: reported.append((step.done, step.total)))
    # The trunk, the net that learns on and the SpectralLite, on train and on both splits.
    assert reported == [(done, 6) for done in range(1, 7)]
    model = load_model(out, "cpu")
    assert isinstance(model.net, Mosaic)
    said = model.card.training
    assert (said["n"], said["splits"], said["seed"]) == (10, ["train", "validation"], 3)
    assert said["taught_by"].startswith("Dynamic World's network (Brown et al. 2022, Apache-2.0)")
    assert said["class_frequencies"].startswith("mean over 10 countries")
    assert said["unlabelled"]["n"] == 4
    assert said["command"].endswith("--teacher teacher.npz --unlabelled pictures.tif")
    assert model.card.selection["n"] == 4
    assert torch.isfinite(model.net(torch.rand(1, 12, 120, 120))).all()
    # The teacher has answered once for each patch of both fits, with labels or without.
    assert len(list((out / "runs" / mosaic.ANSWERS).iterdir())) == 10 + 4
    # What is written is a configuration, too.
    assert Parts.from_json((out / "config.json").read_text()).taught.net_options == TAUGHT
    written = (out / WEIGHTS_FILE).read_bytes()
    monkeypatch.setattr(mosaic, "train", _refuse)
    monkeypatch.setattr(mosaic, "fit_head", _refuse)
    make(NAME, dataset, out, both)
    assert (out / WEIGHTS_FILE).read_bytes() == written


def test_the_teacher_answers_once_for_the_fits_of_all_folds(
    dataset: Dataset, order: Order, small: Parts, tmp_path: Path
) -> None:
    given = lessons.read(NAME, order)
    asked: list[int] = []
    given.teacher.register_forward_hook(lambda _, pixels, __: asked.append(len(pixels[0])))

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    for fold, split, new in (("a", "train", 6 + 4), ("b", "train", 0), ("c", "validation", 4)):
        with pytest.raises(KeyboardInterrupt):
            mosaic.fit(small, given, dataset.load(split), tmp_path / fold, lambda _: stop)
        assert asked == [1] * new
        asked.clear()
    assert len(list((tmp_path / mosaic.ANSWERS).iterdir())) == 10 + 4


@pytest.mark.slow
def test_only_parts_that_depend_on_a_changed_setting_are_made_again(
    dataset: Dataset, order: Order, small: Parts, tmp_path: Path
) -> None:
    store, given = dataset.load("train"), lessons.read(NAME, order)
    first = mosaic.fit(small, given, store, tmp_path, lambda _: None)
    done: list[int] = []

    def again(parts: Parts, given: lessons.Lessons = given) -> list[int]:
        done.clear()
        mosaic.fit(parts, given, store, tmp_path, lambda k: lambda _: done.append(k))
        for path in tmp_path.glob("*/checkpoint.pt"):
            path.unlink()
        return done

    assert again(small) == []
    parts = replace(small, lite=replace(small.lite, seed=4))
    assert again(parts) == [2]
    parts = replace(parts, taught=replace(small.taught, seed=4))
    assert again(parts) == [1]
    before = (tmp_path / "frozen" / WEIGHTS_FILE).read_bytes()
    parts = replace(parts, freedom=1.0)
    assert again(parts) == []
    assert (tmp_path / "frozen" / WEIGHTS_FILE).read_bytes() != before
    teacher = write_teacher(tmp_path / "t.npz", seed=1)
    assert again(parts, lessons.read(NAME, replace(order, teacher=teacher))) == [0, 1]
    # The frozen net has the trunk as the teacher left it; the other one does not.
    trunk = load_file(tmp_path / "trunk" / WEIGHTS_FILE)
    frozen = load_file(tmp_path / "frozen" / WEIGHTS_FILE)
    taught = load_file(tmp_path / "taught" / WEIGHTS_FILE)
    name = "trunk.covers.weight"
    assert torch.equal(trunk[name], frozen[name])
    assert not torch.equal(trunk[name], taught[name])
    assert isinstance(first, Mosaic)


def test_biases_are_moved_to_the_frequencies_of_countries_that_may_be_known(small: Parts) -> None:
    torch.manual_seed(0)
    trained = mosaic.Trained(
        frozen=TaughtNet(**TAUGHT).state_dict(),
        taught=TaughtNet(**TAUGHT).state_dict(),
        lite=SpectralLite(**small.lite.net_options).state_dict(),
    )
    targets = torch.zeros(9, len(CLASS_NAMES))
    targets[:4, 2] = 1
    whole = mosaic.assemble(small, trained, targets)
    without = mosaic.assemble(small, trained, targets, ["Finland"])
    assert not whole.training
    fitted = class_frequencies.fitted_bias(targets)
    for net, begun in zip(
        [*whole.taught, *whole.lites], (trained.frozen, trained.taught, trained.lite), strict=True
    ):
        moved = net.state_dict()["head.bias"] - begun["head.bias"]
        assert torch.allclose(moved, (class_frequencies.mean_bias() - fitted).float(), atol=1e-5)
    less = without.taught[0].state_dict()["head.bias"] - whole.taught[0].state_dict()["head.bias"]
    wanted = class_frequencies.mean_bias(["Finland"]) - class_frequencies.mean_bias()
    assert torch.allclose(less, wanted.float(), atol=1e-5)


def test_a_pre_training_has_as_many_steps_however_many_patches_there_are() -> None:
    parts = settings(Order())
    assert parts.steps == 2500
    for patches in (300, 900, 1271, 40_000):
        config = parts.pretraining_on(patches)
        per_pass = round(patches / config.batch)
        assert abs(config.epochs * per_pass - parts.steps) <= per_pass / 2
    assert settings(Order(epochs=2)).pretraining_on(900).epochs == 2
    assert settings(Order(epochs=2)).epochs(900) == 6


def test_settings_are_read_as_they_are_written() -> None:
    parts = settings(Order(seed=7, shards=2, device="cpu"))
    assert {config.seed for config in (parts.pretraining, parts.taught, parts.lite)} == {7}
    assert {config.shards for config in (parts.pretraining, parts.taught, parts.lite)} == {2}
    assert Parts.from_json(parts.to_json()) == parts
    assert parts.anywhere().lite.device == "auto"


def test_without_a_teacher_one_sentence_says_what_to_give(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="give --teacher FILE") as caught:
        make(NAME, dataset, tmp_path / "m", Order())
    assert str(caught.value).count(". ") == 0


def test_models_that_learn_from_no_teacher_refuse_one(
    dataset: Dataset, order: Order, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="Only 'landcover-mosaic' learns from --teacher"):
        make("class-prior", dataset, tmp_path / "m", replace(order, epochs=None))


def test_pictures_are_refused(tmp_path: Path) -> None:
    pictures = EuroSat(source=tmp_path, pictures=(), unplaced=0)
    with pytest.raises(BadInput, match="--model eurosat-rgb"):
        make(NAME, pictures, tmp_path / "m", Order())


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"lite": {"net": "trigrid"}}, "the net of lite is 'spectral-lite0'"),
        ({"taught": {"net": "spectral-lite0"}}, "the net of taught is 'taught'"),
        ({"taught": 3}, "taught is an object"),
        ({"steps": -1}, "steps is a whole number"),
        ({"steps": True}, "steps is a whole number"),
        ({"freedom": 0}, "freedom is a number above 0"),
        ({"joining": {"shares": [1, 1, 1]}}, "joining has shares"),
        ({"joining": {"shares": [1], "symmetries": 2, "strength": 0, "scale": 1}}, "do not fit"),
        ({"joining": {"shares": "abc", "symmetries": 2, "strength": 0, "scale": 1}}, "do not fit"),
        ({"pretraining": {"net": "taught"}}, "teach of the pretraining is above 0"),
        (
            {"pretraining": {"net": "taught", "teach": 1, "net_options": {"features": 8}}},
            "144 features",
        ),
    ],
)
def test_configurations_that_cannot_be_used_are_refused(
    tmp_path: Path, change: dict[str, Any], match: str
) -> None:
    values = json.loads(settings(Order()).to_json())
    path = tmp_path / "c.json"
    path.write_text(json.dumps({**values, **change}))
    with pytest.raises(BadInput, match=match):
        settings(Order(config_file=path))


def test_a_configuration_of_one_net_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"net": "trigrid"}')
    with pytest.raises(BadInput, match="object of pretraining, steps"):
        settings(Order(config_file=path))
    path.write_text(json.dumps({**json.loads(settings(Order()).to_json()), "more": 1}))
    with pytest.raises(UnknownName, match="more"):
        settings(Order(config_file=path))
    path.write_text("{")
    with pytest.raises(BadInput, match="not JSON"):
        settings(Order(config_file=path))


def _refuse(*_: object, **__: object) -> None:
    raise AssertionError("a part was trained")
