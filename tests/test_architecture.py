"""Files that one can read in a sitting, and folders that one can find things in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT

LONGEST_FILE = 450
MOST_FLAT = 25


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", ["landcover", "pages"])
def test_no_module_is_longer_than_one_reads_in_a_sitting(package: str) -> None:
    lines = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in modules(package)
    }
    assert len(lines) > 10
    assert {name for name, count in lines.items() if count > LONGEST_FILE} == set()


def test_few_modules_lie_beside_the_packages() -> None:
    assert len(list((ROOT / "landcover").glob("*.py"))) <= MOST_FLAT
