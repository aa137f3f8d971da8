"""Metadata that several layouts share: dates, platforms, baselines and offsets."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from landcover.core.errors import BadInput
from landcover.io.guard import shown
from landcover.io.names import time_in
from landcover.io.scaling import OFFSET_BASELINE

__all__ = [
    "DN_OFFSET",
    "NO_BASELINE",
    "by_baseline",
    "date_of",
    "percent",
    "platform_in",
    "real_baseline",
]

DN_OFFSET: Final = -1000
"""To add to the digital numbers since processing baseline 04.00 (ESA)."""
NO_BASELINE: Final = 90.0
"""Baselines from this on are placeholders: users' own sen2cor and BigEarthNet write 99.99."""

_PLATFORM: Final = re.compile(r"(?:^|[^A-Z0-9])S(?:ENTINEL-?)?2([A-D])(?![A-Z0-9])")
_BASELINE: Final = re.compile(r"\s*N?(\d\d)\.?(\d\d)\s*")


def by_baseline(baseline: str | None) -> tuple[int | None, str]:
    """The offset that a processing baseline implies, and its source in words."""
    if baseline is None:
        return None, "nothing states an offset or a processing baseline"
    if float(baseline) >= OFFSET_BASELINE:
        return DN_OFFSET, f"processing baseline {baseline}"
    return 0, f"processing baseline {baseline}, older than the offset"


def real_baseline(text: object) -> str | None:
    """Parse ``05.09`` or ``N0509`` as ``"05.09"``; None for placeholders and other texts."""
    match = _BASELINE.fullmatch(text) if isinstance(text, str) else None
    baseline = f"{match.group(1)}.{match.group(2)}" if match else None
    return baseline if baseline and float(baseline) < NO_BASELINE else None


def platform_in(text: object) -> str | None:
    """The platform in a name such as ``S2A_MSIL2A_…`` or ``Sentinel-2A``: ``"sentinel-2a"``."""
    match = _PLATFORM.search(text[:500].upper()) if isinstance(text, str) else None
    return f"sentinel-2{match.group(1).lower()}" if match else None


def percent(value: Any) -> float | None:  # noqa: ANN401  (whatever a JSON or XML file holds)
    """Parse a percentage from 0 to 100; None for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and 0 <= number <= 100 else None


def date_of(names: Sequence[str], given: datetime | None, scene: str) -> tuple[datetime, str]:
    """The sensing time in the first name that has one, else the given one, and its source.

    Raises:
        BadInput: there is none.
    """
    for name in names:
        if (found := time_in(name)) is not None:
            return found, "the name"
    if given is None:
        raise BadInput(
            f"'{shown(scene)}' has no date in its name or tags: "
            "put one there (2020-01-23), or give it with --date."
        )
    return (given if given.tzinfo else given.replace(tzinfo=UTC)), "the date that was given"
