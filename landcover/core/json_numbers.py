"""Numbers as JSON has them: it has no NaN and no infinity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["none_if_nan", "with_nulls"]


def none_if_nan(value: float) -> float | None:
    """Return the value, or None where JSON has no such number."""
    return float(value) if math.isfinite(value) else None


def with_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of which each float that JSON does not have is None."""
    return {
        name: none_if_nan(value) if isinstance(value, float) else value
        for name, value in values.items()
    }
