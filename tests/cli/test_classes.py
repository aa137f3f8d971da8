"""``landcover classes``: the guide to the classes on the command line."""

from __future__ import annotations

import json

import pytest

from landcover.cli.main import main
from landcover.core.classes import CLASS_NAMES, EUROSAT_CLASSES


def test_all_classes_are_listed_with_a_sentence_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classes"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name}: " in out for name in CLASS_NAMES)
    assert out.index("Artificial surfaces") < out.index("Urban fabric") < out.index("Water bodies")
    assert main(["classes", "--set", "eurosat-10"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name}: " in out for name in EUROSAT_CLASSES)


def test_a_class_is_explained_with_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classes", "mixed FOREST"]) == 0
    out = capsys.readouterr().out
    joined = " ".join(out.split())
    for part in (
        "313 Mixed forest:",
        "40 of the 115 test patches have this class. The model learnt from 210.",
        "Do not rely on its answers for this class.",
        "210 patches have this class, and 3.7 classes on average",
        "Where “Coniferous” is present and “Mixed forest” is not, the model says “Mixed forest”",
    ):
        assert part in joined, part
    assert max(map(len, out.splitlines())) <= 100


def test_json_has_everything_of_a_class(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classes", "Beaches", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["name"] == "Beaches, dunes, sands"
    assert found["measured"]["trust"] == "untested"
    assert found["spectra"][0]["patches"] == 1
    assert [one["code"] for one in found["corine"]] == ["331"]
    assert main(["classes", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == list(CLASS_NAMES)


def test_an_unknown_class_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classes", "mangrove swamp"]) == 2
    assert "did you mean 'Inland wetlands'" in capsys.readouterr().err
