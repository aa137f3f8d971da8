"""The base of all values that are kept in JSON files: frozen, checked, without unknown keys."""

from __future__ import annotations

import json
from typing import Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict

__all__ = ["Interval", "Mean", "MeasuredOn", "Schema", "requires_keys"]

Interval = tuple[float, float]
"""Lower and upper end; a list of two in JSON."""
_Key = TypeVar("_Key", bound=str)
_Value = TypeVar("_Value")


def requires_keys(*names: str) -> AfterValidator:
    """For the annotation of a table: refuse one that lacks one of these names."""

    def check(table: dict[_Key, _Value]) -> dict[_Key, _Value]:
        if lost := set(names) - set(table):
            raise ValueError(f"{', '.join(sorted(lost))} missing")
        return table

    return AfterValidator(check)


class Schema(BaseModel):
    """A frozen value with typed fields that is read from and written to JSON.

    Keys that no field has are refused, and so are NaN and infinity, which JSON does not have.
    Fields that were not given keep their default and are left out of the JSON, so that an
    older file is written again as it was read.

    Raises:
        pydantic.ValidationError: a field is missing, unknown or of another type; it is a
            ``ValueError``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values: the fields that were given, in the order of the class."""
        return self.model_dump(mode="json", exclude_unset=True)

    def as_json(self, indent: int | None = None) -> str:
        """As JSON text, without NaN."""
        return json.dumps(self.as_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def given_fields(self) -> dict[str, Any]:
        """The fields that were given, as they are: to make a larger value of several."""
        return {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name in self.model_fields_set
        }

    def with_fields(self, **changes: Any) -> Self:  # noqa: ANN401 - of any field
        """The same value with some fields changed, checked again."""
        return type(self)(**{**self.given_fields(), **changes})


class Mean(Schema):
    """A mean and the interval that holds it with 95 %."""

    mean: float
    interval: Interval


class MeasuredOn(Schema):
    """Which model was measured on which patches.

    Empty where a measurement has not been told; ``seen_in_training`` is None where it is unknown
    whether the model was trained on them.
    """

    model: str = ""
    card_hash: str = ""
    dataset: str = ""
    split: str = ""
    seen_in_training: bool | None = None
