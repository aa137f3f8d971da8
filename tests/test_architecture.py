"""Test that modules stay short and the top folder small."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT

LONGEST_FILE = 450
MOST_TOP_MODULES = 25


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", ["landcover", "pages"])
def test_no_module_is_too_long(package: str) -> None:
    lines = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in modules(package)
    }
    assert len(lines) > 10
    assert {name for name, count in lines.items() if count > LONGEST_FILE} == set()


def test_few_modules_are_outside_the_packages() -> None:
    assert len(list((ROOT / "landcover").glob("*.py"))) <= MOST_TOP_MODULES
