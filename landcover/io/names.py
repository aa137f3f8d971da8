"""Parsing names of Sentinel-2 files: band files, sensing times, product levels, baselines."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from landcover.core.bands import L1C_BAND_NAMES

__all__ = [
    "FIRST_LIGHT",
    "band_of_file",
    "baseline_in",
    "level_in",
    "time_in",
]

FIRST_LIGHT: Final = datetime(2015, 6, 23, tzinfo=UTC)
"""Launch of Sentinel-2A: no image is older (ESA)."""

_DATE: Final = re.compile(
    r"(?<!\d)(20\d\d)([-_]?)(\d\d)\2(\d\d)(?:[T _](\d{1,2}):?(\d\d):?(\d\d))?(?!\d)"
)
_BAND_FILE: Final = re.compile(r"(?:^|_)(B\d\d|B8A)\.tiff?$", re.IGNORECASE)
_LEVEL: Final = re.compile(r"(?<![A-Z0-9])(?:S2[A-D]_)?(?:MSI)?L(?:EVEL-?)?(1C|2A)(?![A-Z0-9])")
_BASELINE: Final = re.compile(r"_N(\d\d)(\d\d)_")


def band_of_file(name: str) -> str | None:
    """The band in a BigEarthNet file name such as ``…_26_57_B8A.tif``, or None."""
    match = _BAND_FILE.search(name)
    band = match.group(1).upper() if match else None
    return band if band in L1C_BAND_NAMES else None


def time_in(text: str) -> datetime | None:
    """The first plausible sensing time (UTC) in a name or a tag, or None.

    Reads ``2020-01-23``, ``20200123``, ``20170613T101031``, ``2017-06-13T10:10:31`` and
    BigEarthNet v1's hours of one digit (``20170924T93020``). If the time of day is not valid,
    midnight is used. Dates before the launch of Sentinel-2A or in the future are ignored.
    """
    for year, _, month, day, hour, minute, second in _DATE.findall(text[:500]):
        try:
            found = datetime(int(year), int(month), int(day), tzinfo=UTC)
        except ValueError:
            continue
        if not FIRST_LIGHT <= found <= datetime.now(UTC) + timedelta(days=1):
            continue
        if hour and int(hour) < 24 and int(minute) < 60 and int(second) < 60:
            found = found.replace(hour=int(hour), minute=int(minute), second=int(second))
        return found
    return None


def level_in(text: str) -> str | None:
    """The product level in a name or a tag, ``"L1C"`` or ``"L2A"``, or None."""
    match = _LEVEL.search(text[:500].upper().replace("_", " "))
    return f"L{match.group(1)}" if match else None


def baseline_in(text: str) -> str | None:
    """The processing baseline, such as ``"04.00"``, in a product's name, or None."""
    match = _BASELINE.search(text[:500].upper())
    return f"{match.group(1)}.{match.group(2)}" if match else None
