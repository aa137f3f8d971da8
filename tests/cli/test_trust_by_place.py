"""``trust by-place`` from the command line: measure, save into a card, refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from landcover import nets
from landcover.cli.main import main
from landcover.core.classes import CLASS_NAMES
from landcover.models.card import read_card
from landcover.trust import place_record
from tests.support import tiny
from tests.support.bigearthnet_tree import PatchSpec, write_v2
from tests.support.out_of_fold_folder import write_folds

TILES = {"Austria": "33UUP", "Finland": "35VNL", "Ireland": "29UPU"}


def spec(country: str, column: int) -> PatchSpec:
    name = f"S2A_MSIL2A_20170613T101031_N9999_R022_T{TILES[country]}_{2 * column}_0"
    return PatchSpec(name, (CLASS_NAMES[column % 2],), "train", country)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    specs = [spec(country, k) for country in TILES for k in range(4)]
    return write_v2(tmp_path_factory.mktemp("by_place"), specs)


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    folds = {country: [spec(country, k).patch_id for k in range(4)] for country in TILES}
    random = np.random.default_rng(0)
    logits = {
        name: random.normal(-2, 1, len(CLASS_NAMES)).astype(np.float32)
        for ids in folds.values()
        for name in ids
    }
    return write_folds(tmp_path / "runs" / "recipe", folds, logits)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main([str(argument) for argument in arguments])
    return status, *capsys.readouterr()


def test_decisions_by_place_are_measured_and_saved(
    root: Path,
    predictions: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    folder = tiny.decided_folder(tmp_path / "model")
    before = read_card(folder)
    start = ("trust", "by-place", root, "--dataset", "bigearthnet", "--predictions", predictions)
    status, printed, err = run(capsys, *start, "--model", folder, "--json")
    assert (status, err) == (0, "")
    said = json.loads(printed)
    assert (said["model"], said["n"], said["places"]) == ("recipe", 12, sorted(TILES))
    assert set(said["label_sets"]) == {"near", "plain", "by place"}
    assert str(tmp_path) not in said["command"]
    assert read_card(folder) == before
    assert not (folder / "trust").exists()

    status, printed, err = run(capsys, *start, "--model", folder, "--save")
    after = read_card(folder)
    assert status == 0
    assert [line.split(": ")[0] for line in err.splitlines()] == ["Written", "Written"]
    assert "12 patches of 3 products in 3 countries" in printed
    assert after.hash != before.hash
    assert after.label_sets is not None
    assert after.label_sets.by_place is not None
    assert after.label_sets.by_place.places == 3
    found = place_record.load(folder, after.hash)
    assert found is not None
    assert found.said == ()  # four patches a country show nothing
    # What was chosen by place is no comparison near the training places.
    status, printed, _ = run(capsys, *start, "--model", folder, "--markdown")
    assert status == 0
    assert "| near |" not in printed


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ("--save", "Give --model"),
        ("--save --model landcover-cnn", "is a shipped model, whose card stays as it is"),
        ("--model eurosat-rgb", "does not have the 19 classes"),
    ],
)
def test_what_cannot_be_used_is_refused(
    root: Path, predictions: Path, capsys: pytest.CaptureFixture[str], extra: str, sentence: str
) -> None:
    options = extra.split()
    status, printed, err = run(
        capsys, "trust", "by-place", root, "--dataset", "bigearthnet", "--predictions", predictions,
        *options,
    )  # fmt: skip
    assert (status, printed) == (2, "")
    assert sentence in err
    assert len(err.splitlines()) == 1
