"""The commands ``trust fit`` and ``trust measure``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from landcover import datasets, nets
from landcover.cli import trust_verdict
from landcover.core.errors import BadInput
from landcover.models.card import read_card
from landcover.trust import novelty
from landcover.trust.bench import fit, measure, records, surface_alarms
from tests.support import sky_scene, tiny, trust_cases


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    for opens in ("open_dataset", "open_any"):
        monkeypatch.setattr(datasets, opens, lambda *_: trust_cases.dataset())
    monkeypatch.setattr(fit, "CHOSEN_ON", ("shuffled", "photograph-grey"))
    monkeypatch.setattr(measure, "CORRUPTED_PATCHES", 1)
    return tiny.tiny_folder(tmp_path / "model")


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    trust_verdict.add_fit(commands, "fit")
    trust_verdict.add_measure(commands, "measure")
    options = parser.parse_args(arguments)
    status: int = options.command(options)
    return status


@pytest.mark.slow
def test_fit_then_measure(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["x", "--dataset", "bigearthnet", "--card", str(folder)]
    card_hash = read_card(folder).hash
    assert run("fit", *where, "--json") == 0
    figures: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert figures["card_hash"] == card_hash
    assert not (folder / "trust").exists()
    assert run("fit", *where, "--save") == 0
    said = capsys.readouterr()
    assert "novelty.safetensors" in said.err
    assert "detector on features" in said.out
    known = novelty.load(folder, card_hash)
    assert known is not None
    assert figures["bounds"] == pytest.approx(known.bounds)
    assert run("measure", *where, "--save", "--json") == 0
    measured = json.loads(capsys.readouterr().out)
    assert records.load(folder, card_hash) is not None
    assert measured["good"]["n"] == trust_cases.CHECKING
    assert measured["good_test"] is None
    sky = sky_scene.file(tmp_path)
    assert run("measure", *where, "--test", "--sky", str(sky), "--json") == 0
    more = json.loads(capsys.readouterr().out)
    assert more["good_test"]["n"] == trust_cases.TEST
    assert more["sky_cells"]["shade"]["recall"]["share"] == 1
    assert more["good"] == measured["good"]
    assert run("measure", *where) == 0
    assert "false alarms of the pixels" in capsys.readouterr().out
    assert run("measure", *where, "--markdown") == 0
    assert "| check | false alarms on good patches |" in capsys.readouterr().out


def test_measuring_fits_the_detector_if_there_is_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["x", "--dataset", "bigearthnet", "--card", str(folder)]
    assert run("measure", *where, "--json") == 0
    assert json.loads(capsys.readouterr().out)["detector"]
    assert not (folder / "trust").exists()


def test_a_missing_folder_of_scenes_is_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match="no folder 'away'"):
        run("measure", "x", "--dataset", "b", "--card", str(folder), "--scenes", "away")


def test_a_file_that_is_not_a_cloudy_scene_is_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "clouds.npz"
    path.write_text("none")
    with pytest.raises(BadInput, match=r"'clouds.npz' is not the scene"):
        run("measure", "x", "--dataset", "b", "--card", str(folder), "--sky", str(path))


def test_false_alarms_are_counted_for_each_kind_of_ground(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["x", "--dataset", "bigearthnet", "--card", str(folder), "--surfaces"]
    assert run("measure", *where, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == list(surface_alarms.GROUNDS)
    assert found["bright vegetation"]["any_check"]["n"] > 0
    assert run("measure", *where) == 0
    assert "| water | half and more is water |" in capsys.readouterr().out
