"""How long pre-training takes, and how near the net then is to its teacher."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.datasets.test_unlabelled import pictures, write
from tests.support import bigearthnet_tree as tree
from tests.support.tiny_teacher import write_teacher
from tools import pretraining


def picture(path: Path, bands: int = 12) -> Path:
    values = np.random.default_rng(1).integers(1, 4000, (bands, 125, 130), dtype=np.uint16)
    shape = {"count": bands, "height": 125, "width": 130}
    with rasterio.open(path, "w", driver="GTiff", dtype="uint16", **shape) as file:
        file.write(values)
    return path


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    looks = [tree.PatchSpec(patch_id=tree.v2_id(k), labels=("Pastures",)) for k in range(2)]
    root = tree.write_v2(tmp_path / "data", looks)
    teacher = write_teacher(tmp_path / "t.npz")
    unlabelled = write(tmp_path / "p.tif", pictures(4))
    return [str(root), "--teacher", str(teacher), "--unlabelled", str(unlabelled)]


def test_time_and_distance_are_printed_for_each_trial(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held_out = str(picture(tmp_path / "held-out.tif"))
    more = ["--answers", str(tmp_path / "answers"), "--held-out", held_out, "--return-memory"]
    assert pretraining.main([*given, *more, "--trial", "24:1", "48:2"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^answers: \d\.\d{3} s a patch", said)
    assert "3 patches of other places" in said
    assert re.findall(r"(\d) steps of 32 × (\d+)² pixels", said) == [("1", "24"), ("2", "48")]
    assert len(re.findall(r"a cosine of -?\d\.\d{3}\)", said)) == 3
    assert len(list((tmp_path / "answers").iterdir())) == 2 + 4


def test_other_bands_are_refused(given: list[str], tmp_path: Path) -> None:
    three = str(picture(tmp_path / "three.tif", bands=3))
    with pytest.raises(SystemExit, match=r"three\.tif has 3 bands"):
        pretraining.main([*given, "--held-out", three, "--trial", "24:1"])
