"""Test that tables in the documentation equal the reports and that the files it names exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from landcover.evaluate import band_subsets
from landcover.models import registry
from landcover.models.band_choice import read

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\|.*?`([a-z0-9-]+)`.*?\|(.+)\|$", re.MULTILINE)
METRICS = {
    "README.md": ("macro_ap", "micro_ap"),
    "docs/accuracy.md": ("macro_ap", "micro_ap", "macro_f1", "micro_f1", "ece"),
}


def read_report(model: str) -> dict[str, Any]:
    path = ROOT / "landcover" / "zoo" / model / "evaluation" / "bigearthnet-v2-test.json"
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report


@pytest.mark.parametrize("document", METRICS)
def test_tables_of_accuracy_equal_the_saved_reports(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    rows = [row for row in ROW.findall(text) if row[0] in registry.default().shipped_names()]
    assert len(rows) == 6
    for model, cells in rows:
        report = read_report(model)
        of_test = cells.split("|")[-len(METRICS[document]) :]
        for metric, cell in zip(METRICS[document], of_test, strict=True):
            low, high = report["confidence_intervals"][metric]
            stated = cell.replace("*", "").strip()
            assert stated == f"{report[metric]:.3f} [{low:.3f}, {high:.3f}]", (model, metric)


def test_the_table_of_subsets_equals_the_shipped_measurement() -> None:
    text = (ROOT / "docs" / "bands.md").read_text(encoding="utf-8")
    table = read()
    assert table is not None
    assert band_subsets.as_text(table.test).split("\n\n")[1] in text


def test_the_architecture_names_files_that_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:landcover|pages)/[\w/.]+|app\.py)`", text))
    assert len(named) > 40
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_links_between_documents_point_to_files() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
