"""The figures of an overview equal those that an independent script computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from landcover.cli.main import main
from landcover.core.classes import CLASS_NAMES
from tests.support.bigearthnet_tree import PatchSpec, v2_id, write_v2
from tools import check_overview


@pytest.fixture
def figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The figures of a folder, which is ``data`` in ``tmp_path``."""
    specs = [
        PatchSpec(
            v2_id(k, 7 * k),
            CLASS_NAMES[k % 5 : 3 + k],
            split=("train", "test")[k % 2],
            country=("Austria", "Serbia", "Kosovo")[k % 3],
        )
        for k in range(12)
    ]
    write_v2(tmp_path / "data", specs)
    assert main(["data", "overview", str(tmp_path / "data"), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def compared(metadata: Path, figures: object, folder: Path) -> int:
    path = folder / "figures.json"
    path.write_text(json.dumps(figures))
    return check_overview.main(str(metadata), str(path))


def test_figures_of_a_folder_are_equal(
    figures: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compared(tmp_path / "data/metadata.parquet", figures, tmp_path) == 0
    assert "All figures of 12 patches are equal." in capsys.readouterr().out


def test_a_figure_that_differs_is_named(
    figures: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures["classes"]["Pastures"]["countries"]["Austria"] += 1
    figures["co_occurrence"]["lift"][2][3] *= 1.001
    assert compared(tmp_path / "data/metadata.parquet", figures, tmp_path) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "/classes/Pastures/countries/Austria",
        "/co_occurrence/lift/2/3",
    ]


@pytest.mark.data
@pytest.mark.slow
def test_shipped_figures_equal_those_of_the_official_table(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "overview", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    metadata = shared_data / "bigearthnet/metadata-all-480038.parquet"
    assert compared(metadata, figures, tmp_path) == 0
