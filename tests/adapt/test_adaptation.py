"""Test adapted models: their card, their files, and what they answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from landcover import nets
from landcover.adapt.adaptation import adapt, places_of
from landcover.adapt.corrections import Correction, digest, of_answer
from landcover.adapt.lineage import ADAPTATION, parent
from landcover.core.errors import BadInput, ModelMismatch
from landcover.core.raster import Raster
from landcover.core.window import grid
from landcover.decide.calibration import Calibration
from landcover.explain import explanation
from landcover.models import store
from landcover.models.model import Model, load_model
from landcover.models.registry import Registry
from tests.support import tiny

WATER = "Inland waters"


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)


def corrected(count: int = 8, first: int = 0) -> list[tuple[Correction, Raster]]:
    """Dark patches are water, bright ones are not."""
    found = []
    for k in range(first, first + count):
        patch = tiny.random_patch(k, crs="EPSG:32633", transform=grid(400_000 + 5000 * k, 5e6))
        patch = replace(patch, data=patch.data * (0.2 if k % 2 else 1.0))
        said = {"present": [WATER]} if k % 2 else {"absent": [WATER]}
        found.append((of_answer(patch, {}, predicted=[], **said), patch))
    return found


def chance(model: Model, patch: Raster, label: str = WATER) -> float:
    return model.predict(patch).of(label).probability


def test_an_adapted_model_follows_the_corrections_and_leaves_other_classes() -> None:
    model, given = tiny.tiny_model(), corrected()
    made = adapt(model, given, "own").model
    dark, bright = given[1][1], given[0][1]
    assert chance(made, dark) > chance(model, dark)
    assert chance(made, bright) < chance(model, bright)
    assert chance(made, dark, "Pastures") == pytest.approx(chance(model, dark, "Pastures"))


def test_the_card_names_parent_corrections_and_figures() -> None:
    model, given = tiny.tiny_model(), corrected()
    found = adapt(model, given, "own")
    card = found.model.card
    lineage = card.training[ADAPTATION]
    assert (card.name, parent(card), lineage["parent_card"]) == ("own", tiny.NAME, model.card.hash)
    assert lineage["corrections"] == len(given)
    assert lineage["corrections_sha256"] == digest(one for one, _ in given)
    assert lineage["left_out"] == found.judgement.as_dict()
    assert lineage["decisions"] == found.decisions.reason
    assert card.label_sets is None
    assert card.selection == {}
    assert parent(model.card) is None


def complete(count: int) -> list[tuple[Correction, Raster]]:
    """Dark patches are water and nothing else, bright ones pastures."""
    found = []
    for k, (_, patch) in enumerate(corrected(count)):
        present = [WATER if k % 2 else "Pastures"]
        found.append((of_answer(patch, {}, predicted=[], present=present, complete=True), patch))
    return found


def test_complete_corrections_calibrate_and_say_what_is_certain(tmp_path: Path) -> None:
    parent_card = tiny.tiny_model().card.with_fields(
        aims={"f2": {WATER: 0.4}, "recall-0.9": {WATER: 0.1}, "of-another-version": {}}
    )
    model = Model(parent_card, tiny.tiny_model().net, torch.device("cpu"))
    found = adapt(model, complete(32), "own")
    card = found.model.card
    assert card.calibration.method == "platt"
    assert card.label_sets is not None
    assert card.label_sets.wanted_coverage == 0.9
    assert set(card.aims) == {"f2"}
    answer = found.model.predict(corrected(2)[1][1])
    assert answer.of(WATER).certainty in ("possible", "certain")
    found.save(tmp_path / "own")
    assert load_model(tmp_path / "own", "cpu").card == card


def test_it_is_saved_registered_and_loaded_like_other_models(tmp_path: Path) -> None:
    found = adapt(tiny.tiny_model(), corrected(), "own")
    found.save(tmp_path / "own")
    registry = Registry(shipped=tmp_path / "zoo", home=tmp_path / "home")
    assert store.add(registry, tmp_path / "own") == "own"
    loaded = registry.load("own", "cpu")
    patch = tiny.random_patch(99)
    assert chance(loaded, patch) == pytest.approx(chance(found.model, patch), abs=1e-6)
    elsewhere = corrected(4, first=50)
    again = adapt(loaded, elsewhere, "twice").model
    assert parent(again.card) == "own"


def test_the_parent_is_found_after_it_was_renamed(tmp_path: Path) -> None:
    models = Registry(shipped=tmp_path / "zoo", home=tmp_path / "home")
    tiny.tiny_folder(models.user / "base", name="base")
    store.rename(models, "base", "second")
    adapt(models.load("second", "cpu"), corrected(), "own").save(models.user / "own")
    assert models.card("own").former == ()
    store.rename(models, "second", "third")
    assert parent(models.card("own")) == "second", "as it was then"
    assert parent(models.card("own"), models) == "third"
    tiny.tiny_folder(models.user / "second", name="second", title="Another net")
    assert parent(models.card("own"), models) == "third"
    store.add(models, "third", "copy")
    assert models.card("copy").former == ()


def test_places_that_a_model_is_adapted_to_are_not_left_out_again() -> None:
    once = adapt(tiny.tiny_model(), corrected(), "own").model
    twice = adapt(once, corrected(4, first=50), "twice").model
    for model in (once, twice):
        with pytest.raises(BadInput, match="adapted to some of these corrections already"):
            adapt(model, corrected(3), "again")


def test_it_can_be_explained() -> None:
    made = adapt(tiny.tiny_model(), corrected(), "own").model
    for method in ("integrated-gradients", "grad-cam"):
        found = explanation.explain(made, tiny.random_patch(), WATER, method)
        assert np.isfinite(found.attribution).all()


def test_the_calibration_of_the_parent_is_kept_in_the_net() -> None:
    plain = tiny.tiny_model()
    classes = plain.card.classes
    calibration = Calibration(
        method="platt", scale=dict.fromkeys(classes, 2.0), shift=dict.fromkeys(classes, -1.0)
    )
    model = Model(plain.card.with_fields(calibration=calibration), plain.net, torch.device("cpu"))
    made = adapt(model, corrected(), "own").model
    patch = tiny.random_patch(5)
    assert made.card.calibration.method == "none"
    assert chance(made, patch, "Pastures") == pytest.approx(chance(model, patch, "Pastures"))


def test_windows_that_touch_are_one_place() -> None:
    step = 1200 / 111_195
    found = places_of([(48, 13), (48 + step, 13), (48 + 2 * step, 13), (48 + 5 * step, 13)])
    assert len(set(found[:3].tolist())) == 1
    assert found[3] != found[0]
    assert len(set(places_of([(0, 179.999), (0, -179.999)]).tolist())) == 1


def test_models_that_cannot_be_adapted_are_refused() -> None:
    model = tiny.tiny_model()
    with pytest.raises(BadInput, match="no corrections"):
        adapt(model, [], "own")
    exclusive = Model(model.card.with_fields(activation="softmax"), model.net, torch.device("cpu"))
    with pytest.raises(ModelMismatch, match="does not have the classes"):
        adapt(exclusive, corrected(), "own")


def test_a_folder_whose_options_do_not_fit_is_refused(tmp_path: Path) -> None:
    found = adapt(tiny.tiny_model(), corrected(), "own")
    options = {**found.model.card.net_options, "features": 9}
    changed = found.model.card.with_fields(net_options=options)
    found.save(tmp_path / "own")
    changed.write(tmp_path / "own")
    with pytest.raises(Exception, match="do not fit the card's architecture"):
        load_model(tmp_path / "own", "cpu")
