"""Values stored as JSON: frozen, validated, and written as they were read."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from landcover.core.schema import Interval, Schema


class Named(Schema):
    name: str


class Measured(Schema):
    value: float | None = None
    interval: Interval | None = None


class Row(Measured, Named):
    n: int


ROW = Row(name="a", value=0.1, interval=(0.0, 0.3), n=3)


def test_json_is_read_as_it_was_written() -> None:
    assert Row.model_validate_json(ROW.as_json()) == ROW
    assert ROW.as_dict() == {"name": "a", "value": 0.1, "interval": [0.0, 0.3], "n": 3}
    assert list(ROW.as_dict()) == ["name", "value", "interval", "n"]


def test_fields_that_are_not_set_are_not_written() -> None:
    short = Row.model_validate({"name": "a", "n": 3})
    assert short.value is None
    assert json.loads(short.as_json()) == {"name": "a", "n": 3}
    assert short.given_fields() == {"name": "a", "n": 3}


def test_changes_are_validated() -> None:
    assert ROW.with_fields(n=4).n == 4
    with pytest.raises(ValidationError):
        ROW.with_fields(n="many")
    with pytest.raises(ValidationError):
        ROW.n = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    "values",
    [
        {"name": "a"},
        {"name": "a", "n": 3, "more": 1},
        {"name": "a", "n": 3, "value": float("nan")},
        {"name": "a", "n": 3, "interval": [1.0]},
    ],
)
def test_invalid_values_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Row.model_validate(values)
