"""The curve of corrections from nets that were fitted before, one for each country left out."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from landcover import nets
from landcover.datasets import open_dataset
from landcover.decide.calibration import Calibration
from landcover.models.features import features_and_scores
from landcover.models.model import load_model
from tests.support import tiny
from tests.support.bigearthnet_tree import PatchSpec, write_v2
from tools.research import teach, teach_decisions
from tools.research.teach import COUNTS, LEAST, countries

COUNT = COUNTS[0] + LEAST
PLACES = {"Austria": "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP",
          "Serbia": "S2A_MSIL2A_20170613T101031_N9999_R022_T34TCQ"}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = (("Pastures",), ("Inland waters",))
    specs = [
        PatchSpec(f"{product}_{3 * k}_0", labels[k % 2], country=country)
        for country, product in PLACES.items()
        for k in range(COUNT)
    ]
    return write_v2(tmp_path_factory.mktemp("data") / "root", specs)


@pytest.fixture
def fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A net for each country, as if it had been fitted to the others."""
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    classes = tiny.tiny_model().card.classes
    calibration = Calibration(
        method="platt", scale=dict.fromkeys(classes, 2.0), shift=dict.fromkeys(classes, 1.0)
    )
    thresholds = dict.fromkeys(classes, 0.4)
    for country in PLACES:
        folder = tmp_path / "nets" / country
        tiny.tiny_folder(folder, calibration=calibration, thresholds=thresholds)
    return tmp_path / "nets"


def test_each_country_is_read_by_the_net_that_has_not_seen_it(
    root: Path, fitted: Path, tmp_path: Path
) -> None:
    found = list(countries(tmp_path / "out", [root], nets=fitted))
    assert [one.name for one in found] == list(PLACES)
    model = load_model(fitted / "Austria", "cpu")
    for one in found:
        assert len(one.ids) == COUNT
        assert all(name.startswith(PLACES[one.name]) for name in one.ids)
        assert set(one.thresholds) == {0.4}
        assert one.examples.features.shape == (COUNT, 8)
    scores = found[0].examples.scores
    store = open_dataset("bigearthnet", root).load(("train",))
    row = store.ids.index(found[0].ids[0])
    raw = features_and_scores(model, store.pixels([row]))[1][0]
    assert torch.allclose(scores[0], 2 * raw + 1, atol=1e-5)  # calibrated
    again = next(iter(countries(tmp_path / "out", [root], left_out=["Austria"], nets=fitted)))
    assert np.array_equal(again.examples.scores.numpy(), scores.numpy())


def test_one_command_prints_the_curve(
    root: Path,
    fitted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ["teach", str(tmp_path / "out"), str(root), "--nets", str(fitted), "--draws", "2"]
    for tool, rows in ((teach, 2), (teach_decisions, 3)):
        monkeypatch.setattr(sys, "argv", given)
        tool.main()
        lines = capsys.readouterr().out.split("\n\n")[0].splitlines()
        assert len(lines) == 2 + rows
    monkeypatch.setattr(sys, "argv", [*given, "--left-out", "Atlantis"])
    with pytest.raises(SystemExit):
        teach.main()
    assert "'Atlantis' is no country of the data" in capsys.readouterr().err
