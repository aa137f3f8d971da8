"""``landcover trust neighbours`` and ``stability``: metrics, files and errors."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from landcover import nets
from landcover.cli import examples
from landcover.core.errors import BadInput, CorruptModel, UnknownName
from landcover.datasets import open_dataset
from landcover.explain import neighbours, neighbours_record
from landcover.models.card import read_card
from landcover.trust.bench import stability_record
from tests.support import tiny
from tests.support.bigearthnet_tree import PatchSpec, v2_id, write_v2

TITLE = "BigEarthNet v2 (reBEN)"
FOREST, PASTURES = "Mixed forest", "Pastures"
SPECS = [
    PatchSpec(v2_id(9 * k, row=20 * s), (FOREST,) if k % 2 else (PASTURES,), split)
    for s, split in enumerate(("train", "validation", "test"))
    for k in range(6)
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_v2(tmp_path_factory.mktemp("cli_examples") / "bigearthnet", SPECS)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    training = {"dataset": TITLE, "splits": ["train", "validation"]}
    return tiny.tiny_folder(tmp_path / "model", training=training)


def run(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    actions = parser.add_subparsers()
    examples.add_neighbours(actions, "neighbours")
    examples.add_stability(actions, "stability")
    options = parser.parse_args([str(value) for value in arguments])
    status: int = options.command(options)
    return status


def test_neighbours_are_measured_and_saved(
    root: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("neighbours", root, "--dataset", "bigearthnet", "--card", folder)
    assert run(*asked, "--bootstraps", "100", "--save", "--json") == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert (record["n"], record["learnt"], record["split"]) == (6, 12, "test")
    assert record["seen_in_training"] is False
    assert record["rows"][0]["k"] == 1
    assert 0 <= record["rows"][0]["features"] <= 1
    # All patches are from one product, so there are no neighbours from another.
    assert [row["n"] for row in record["rows"]] == [6, 6, 0, 0]
    assert err.count("Written: ") == 2
    card = read_card(folder)
    index = neighbours.load(folder, card.hash)
    assert index is not None
    assert len(index) == 12
    assert index.origin == {"dataset": TITLE, "splits": ["train", "validation"], "drawn_from": 12}
    held = {r.patch_id for r in open_dataset("bigearthnet", root).records("test")}
    assert not held & set(index.ids), "only training patches are indexed"
    kept = neighbours_record.load(folder, card.hash)
    assert kept is not None
    assert kept.as_dict() == record


def test_neighbours_are_printed_as_a_table(
    root: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("neighbours", root, "--dataset", "bigearthnet", "--card", folder, "--bootstraps", "100")
    out = capsys.readouterr().out
    assert f"({read_card(folder).hash}) on {TITLE}, split test" in out
    assert "1 nearest of any product" in out
    assert "of other products" not in out
    assert not (folder / "trust").exists()


def test_a_sample_of_many_patches_is_always_the_same(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landcover.explain.neighbours_build.MAX_PATCHES", 5)
    asked = ("neighbours", root, "--dataset", "bigearthnet", "--card", folder, "--save")
    seen = []
    for _ in range(2):
        run(*asked, "--bootstraps", "100")
        index = neighbours.load(folder, read_card(folder).hash)
        assert index is not None
        assert (len(index), index.origin["drawn_from"]) == (5, 12)
        seen.append(index.ids)
    assert seen[0] == seen[1]


def test_stability_is_measured_and_saved(
    root: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("stability", root, "--dataset", "bigearthnet", "--card", folder, "--split", "all")
    assert run(*asked, "--bootstraps", "100", "--shift", "200", "--save", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["n"], record["shift_m"]) == (18, 200)
    low, high = record["score"]["interval"]
    assert 0 <= low <= record["score"]["mean"] <= high <= 1
    assert record["scores"]["5"] <= record["scores"]["95"]
    share = record["warned"]["mean"]
    assert 0 <= share <= 1
    assert (record["loss_warned"] is None) == (share == 0)
    assert (record["loss_others"] is None) == (share == 1)
    kept = stability_record.load(folder, read_card(folder).hash)
    assert kept is not None
    assert kept.as_dict() == record
    with pytest.raises(CorruptModel, match="another card"):
        stability_record.load(folder, "0" * 12)
    assert run(*asked, "--bootstraps", "100", "--patches", "10") == 0
    out = capsys.readouterr().out
    assert "moved by 100 m in 8 directions, borders mirrored: 10 patches" in out
    assert "lower is better" in out


def test_a_training_split_is_refused(root: Path, folder: Path) -> None:
    with pytest.raises(BadInput, match="would find themselves"):
        run("neighbours", root, "--dataset", "bigearthnet", "--card", folder, "--split", "train")


def test_a_model_of_another_data_set_has_no_training_patches_here(root: Path, folder: Path) -> None:
    tiny.tiny_folder(folder, training={"dataset": "elsewhere", "splits": ["train"]})
    with pytest.raises(BadInput, match="no training patches to index here"):
        run("neighbours", root, "--dataset", "bigearthnet", "--card", folder)


@pytest.mark.parametrize(
    ("action", "options", "message"),
    [
        ("neighbours", ["--bootstraps", "3"], "--bootstraps must be between 100"),
        ("stability", ["--bootstraps", "3"], "--bootstraps must be between 100"),
        ("stability", ["--patches", "1"], "--patches must be at least"),
        ("stability", ["--shift", "1200"], "choose less than its side"),
    ],
)
def test_options_out_of_range_are_refused(
    root: Path, folder: Path, action: str, options: list[str], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        run(action, root, "--dataset", "bigearthnet", "--card", folder, *options)


def test_an_unknown_model_is_refused(root: Path) -> None:
    with pytest.raises(UnknownName, match="Unknown model 'nothing'"):
        run("neighbours", root, "--dataset", "bigearthnet", "--model", "nothing")
