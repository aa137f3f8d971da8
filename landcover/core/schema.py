"""Base class of values stored in JSON files: frozen, validated, without unknown keys."""

from __future__ import annotations

import json
from typing import Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict

__all__ = ["Interval", "Mean", "MeasuredOn", "Schema", "requires_keys"]

Interval = tuple[float, float]
"""Lower and upper bound; a list of two numbers in JSON."""
_Key = TypeVar("_Key", bound=str)
_Value = TypeVar("_Value")


def requires_keys(*names: str) -> AfterValidator:
    """Validator for an annotated table: each of these keys must be present."""

    def check(table: dict[_Key, _Value]) -> dict[_Key, _Value]:
        if lost := set(names) - set(table):
            raise ValueError(f"{', '.join(sorted(lost))} missing")
        return table

    return AfterValidator(check)


class Schema(BaseModel):
    """A frozen value with typed fields, read from and written to JSON.

    Unknown keys are rejected, and so are NaN and infinity, which JSON does not have. Fields
    that are not set have their default and are not written, so that an older file stays the
    same when it is read and written.

    Raises:
        pydantic.ValidationError: a field is missing, unknown or of the wrong type; this is a
            ``ValueError``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def as_dict(self) -> dict[str, Any]:
        """The fields that are set, as JSON-ready values in the order of the class."""
        return self.model_dump(mode="json", exclude_unset=True)

    def as_json(self, indent: int | None = None) -> str:
        """The fields that are set, as JSON text without NaN."""
        return json.dumps(self.as_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def given_fields(self) -> dict[str, Any]:
        """The fields that are set, unchanged, for building a larger value from several."""
        return {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name in self.model_fields_set
        }

    def with_fields(self, **changes: Any) -> Self:  # noqa: ANN401 - of any field
        """Return a copy with some fields changed; the copy is validated."""
        return type(self)(**{**self.given_fields(), **changes})


class Mean(Schema):
    """A mean and its 95 % interval."""

    mean: float
    interval: Interval


class MeasuredOn(Schema):
    """The model and the patches of a measurement.

    A field is empty if it is not known; ``seen_in_training`` is None if it is not known
    whether the model was trained on these patches.
    """

    model: str = ""
    card_hash: str = ""
    dataset: str = ""
    split: str = ""
    seen_in_training: bool | None = None
