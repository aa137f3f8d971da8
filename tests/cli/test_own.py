"""A model with classes of one's own by the command line: train, evaluate, classify, explain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from landcover.cli.main import main
from landcover.core.own_classes import OWN_SET
from landcover.models.card import read_card
from tests.support.own_folder import CLASSES, write_folder

SMALL = {
    "net": "trigrid",
    "net_options": {"members": 1, "width": 8, "stem": 4, "spectral": 8},
    "epochs": 1,
    "batch": 8,
    "select": "last",
    "validate_every": 1,
}


def test_a_model_is_trained_on_own_classes_and_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = write_folder(tmp_path / "fields", 48), tmp_path / "model"
    (tmp_path / "small.json").write_text(json.dumps(SMALL))
    data = ("--dataset", "folder", "--root", str(root))
    small = ("--config", str(tmp_path / "small.json"), "--device", "cpu")
    assert main(["train", *data, "--model", "landcover-cnn", "--out", str(out), *small]) == 0
    card = read_card(out)
    assert (card.class_set, set(card.classes)) == (OWN_SET, set(CLASSES))
    assert set(card.training["support"]) == set(card.looks) == set(CLASSES)

    own = ("--model", str(out))
    test = ("evaluate", str(root), "--dataset", "folder", *own, "--bootstraps", "100", "--json")
    capsys.readouterr()
    assert main([*test, "--save"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["per_class"]) == set(CLASSES)
    assert report["seen_in_training"] is False
    assert report["baselines"] == {}

    patch = str(root / "field_1.tif")
    assert main(["classify", patch, *own, "--json"]) == 0
    labels = json.loads(capsys.readouterr().out)["labels"]
    assert {row["label"] for row in labels} == set(CLASSES)
    figure = tmp_path / "why.png"
    assert main(["explain", patch, *own, "--label", "open water", "--out", str(figure)]) == 0
    assert figure.stat().st_size > 0


@pytest.mark.parametrize("model", ["landcover-mosaic", "landcover-area", "eurosat-rgb"])
def test_a_recipe_of_other_classes_refuses_in_a_sentence(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_folder(tmp_path / "fields", 24)
    data = ("--dataset", "folder", "--root", str(root), "--model", model)
    status = main(["train", *data, "--out", str(tmp_path / "model"), "--device", "cpu"])
    assert status == 2
    assert capsys.readouterr().err.startswith(f"error: The model '{model}' is ")


def test_own_classes_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = {0: ";".join(CLASSES), 1: CLASSES[0], 2: ""}
    root = write_folder(tmp_path / "fields", 12, labels=labels)
    assert main(["data", "overview", str(root), "--dataset", "folder", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 12
    assert found["labels_per_patch"] == {"0": 10, "1": 1, "2": 1}
    assert found["classes"][CLASSES[0]]["n"] == 2
