"""Limits: their defaults, the environment variables that change them, and their documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from landcover.core import limits
from landcover.core.errors import BadInput

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "limits.md"


def test_an_environment_variable_changes_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANDCOVER_LIMIT_READ_SECONDS", "1_7")
    assert limits.current().read_seconds == 17
    monkeypatch.delenv("LANDCOVER_LIMIT_READ_SECONDS")
    assert limits.current() == limits.Limits()


@pytest.mark.parametrize("text", ["", "0", "-3", "2.5", "many", "٣", "9" * 40])
def test_a_limit_must_be_a_whole_number_of_at_least_one(text: str) -> None:
    with pytest.raises(BadInput, match=r"READ_SECONDS.*whole number"):
        limits.from_environment({"LANDCOVER_LIMIT_READ_SECONDS": text})


def test_an_unknown_limit_is_refused() -> None:
    with pytest.raises(BadInput, match="LANDCOVER_LIMIT_FISH names no limit"):
        limits.from_environment({"LANDCOVER_LIMIT_FISH": "1"})


def test_a_block_of_code_can_have_other_limits() -> None:
    with limits.changed(samples=5):
        assert limits.current().samples == 5
    assert limits.current().samples == limits.Limits().samples


def test_the_documentation_lists_every_limit_with_its_default() -> None:
    text = DOCUMENTATION.read_text("utf-8")
    for variable, default, unit, what in limits.rows():
        assert f"| `{variable}` | {default:,} {unit} | {what} |" in text
