"""The recipes for pictures as one fit each, as folds by place need them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from landcover.core.errors import BadInput, UnknownName
from landcover.core.progress import Progress
from landcover.datasets.eurosat_store import RgbStore
from landcover.datasets.folds import Fold
from landcover.nets.efficientnet_lite0 import Lite0
from landcover.train.recipes import eurosat, out_of_fold
from landcover.train.recipes.order import Order
from landcover.train.recipes.picture_fits import picture_fit
from tests.support.colour_pictures import pixels


@pytest.fixture
def store() -> RgbStore:
    """Twenty pictures of two classes."""
    return RgbStore(
        bytes=torch.stack([torch.from_numpy(pixels(seed=k).copy()) for k in range(20)]).numpy(),
        targets=torch.eye(10)[[k % 2 for k in range(20)]],
        ids=tuple(f"Forest_{k}" for k in range(20)),
    )


FOLDS = (
    Fold(name="1 cells", held_out=tuple(range(5)), fitted=tuple(range(5, 20))),
    Fold(name="1 cells", held_out=tuple(range(5, 20)), fitted=tuple(range(5))),
)


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Order:
    """Two phases of one epoch each, without the package with ImageNet weights."""
    trunk = {f"trunk.{name}": value for name, value in Lite0().state_dict().items()}
    monkeypatch.setattr(eurosat, "imagenet_trunk", lambda: trunk)
    phase = {"net": "rgb-lite0", "epochs": 1, "batch": 5, "loss": "softmax", "select": "last"}
    phase["augmentation"] = {"gamma": 0.15, "haze": 0.03, "saturation": 0.2, "zoom": 0.2, "turn": 9}
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"symmetries": 2, "phases": [phase, phase]}))
    return Order(config_file=path, seed=3, device="cpu")


@pytest.mark.slow
def test_the_net_is_fitted_to_each_fold_and_predicts_the_others(
    store: RgbStore, order: Order, tmp_path: Path
) -> None:
    reported: list[Progress] = []
    fit = picture_fit("eurosat-rgb", order)
    found = out_of_fold.predict(
        fit, store, FOLDS, tmp_path / "out", by="place", progress=reported.append
    )
    assert found.logits.shape == (20, 10)
    assert found.has_folds(FOLDS, store.ids)
    assert any(step.unit == "epochs" and step.total == 2 for step in reported)
    # The order of the names decides the rows, not that of the folds.
    assert (found.logits_of(store.ids[::-1]) == found.logits_of(store.ids)[::-1]).all()


def test_the_device_is_no_setting_and_the_seed_is(order: Order) -> None:
    one, other, seeded = (
        picture_fit("eurosat-rgb", changed).settings
        for changed in (order, replace(order, device="auto"), replace(order, seed=4))
    )
    assert one == other != seeded


def test_a_baseline_has_no_epochs_and_an_unknown_name_is_refused(
    store: RgbStore, tmp_path: Path
) -> None:
    net, taken = picture_fit("class-prior", Order()).trained(store, tmp_path, None, ())
    assert net(taken(store.subset([0])).pixels([0])).argmax() == 0
    with pytest.raises(BadInput, match="without a configuration"):
        picture_fit("class-prior", Order(epochs=3))
    with pytest.raises(UnknownName, match="landcover-cnn"):
        picture_fit("landcover-cnn", Order())
