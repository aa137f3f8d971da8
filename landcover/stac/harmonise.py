"""Deciding from an archive's metadata whether the digital numbers contain +1000.

Since processing baseline 04.00 (25 January 2022), ESA adds 1000 to the digital numbers of
Level-1C and Level-2A products, so that reflectance = (DN − 1000) / 10000; 0 remains nodata.
The baseline decides, not the sensing date, because older scenes have been reprocessed. Some
archives remove the offset before they publish and state so, but not always correctly. Each
archive has a rule that interprets its metadata; :func:`confirm` checks the result with the
dark pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from landcover.core.raster import BoolArray
from landcover.io.scaling import (
    DARK_HIGH,
    DARK_LOW,
    DARK_PERCENTILE,
    OFFSET_BASELINE,
    PLAIN,
    SHIFTED,
    Scaling,
)

__all__ = [
    "FLAT_BANDS",
    "FLAT_HIGH",
    "PLACEHOLDER",
    "REMOVED_BELOW",
    "RULES",
    "Agreement",
    "Claims",
    "OffsetDecision",
    "by_baseline",
    "by_earth_search",
    "by_statement",
    "confirm",
]

REMOVED_BELOW: Final = -0.035
"""Darkest reflectance below which the offset must have been removed already.

If it was, removing it again moves shadow and water (0 to 0.06) to -0.1 to -0.04; if it was not,
the darkest hundredth stays above -0.02 in all real patches that were tested.
"""
PLACEHOLDER: Final = 90.0
"""Baselines from this on (99.99) are written by sen2cor outside ESA's ground segment."""
FLAT_HIGH: Final = 0.16
FLAT_BANDS: Final = 4
"""An offset raises the dark pixels of many bands to between 0.09 and this. Those of a desert or a
cloud are bright in most bands, so only few bands are in this range."""

Agreement = Literal["confirmed", "unconfirmed", "overruled"]


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What an item's metadata states about the offset; None if it states nothing.

    Attributes:
        baseline: ESA's processing baseline, such as ``"05.10"``.
        applied: Earth Search's ``earthsearch:boa_offset_applied``.
        stated: number to add to the digital numbers, if the metadata states it directly.
    """

    baseline: str | None = None
    applied: bool | None = None
    stated: int | None = None


@dataclass(frozen=True, kw_only=True)
class OffsetDecision:
    """The formula for reflectance, its reason, and whether the dark pixels agree.

    Attributes:
        scaling: the formula.
        why: one clause that names the metadata.
        trusted: False if this archive's metadata is known to be wrong at times, so that the
            dark pixels can overrule it.
        agreement: whether the dark pixels agree.
        darkest: their reflectance by the metadata's formula, None if not computed.
    """

    scaling: Scaling
    why: str
    trusted: bool = True
    agreement: Agreement = "unconfirmed"
    darkest: float | None = None

    @property
    def description(self) -> str:
        """The formula, its reason and whether the dark pixels agree, in one line."""
        seen = "" if self.darkest is None else f" (darkest pixels {self.darkest:.3f})"
        words = {
            "confirmed": f"the dark pixels agree{seen}",
            "unconfirmed": f"the dark pixels cannot confirm it{seen}",
            "overruled": f"the dark pixels contradict the metadata{seen} and decide",
        }
        return f"{self.scaling.description}, because {self.why}; {words[self.agreement]}"


def by_baseline(claims: Claims) -> OffsetDecision:
    """Rule for archives that publish ESA's numbers unchanged: shifted since baseline 04.00."""
    number = _number(claims.baseline)
    if number is None:
        return OffsetDecision(
            scaling=PLAIN, why="the metadata names no processing baseline", trusted=False
        )
    if number >= PLACEHOLDER:
        return OffsetDecision(
            scaling=PLAIN,
            why=f"baseline {claims.baseline} marks a user's own processing, which states no offset",
            trusted=False,
        )
    if number >= OFFSET_BASELINE:
        return OffsetDecision(
            scaling=SHIFTED, why=f"processing baseline {claims.baseline} adds 1000"
        )
    return OffsetDecision(
        scaling=PLAIN, why=f"processing baseline {claims.baseline} is older than the offset"
    )


def by_earth_search(claims: Claims) -> OffsetDecision:
    """Rule for Earth Search, which removes the offset and states so in a flag that can be wrong.

    ``raster:bands[].offset`` stays at -0.1 in both cases and decides nothing
    (Element84/earth-search#66).
    """
    number = _number(claims.baseline)
    if number is not None and number < OFFSET_BASELINE:
        return by_baseline(claims)
    if claims.applied:
        return OffsetDecision(
            scaling=PLAIN,
            why="earthsearch:boa_offset_applied states that the offset was removed",
            trusted=False,
        )
    if number is None:
        return replace(by_baseline(claims), trusted=False)
    flag = "is absent" if claims.applied is None else "is false"
    return OffsetDecision(
        scaling=SHIFTED,
        why=f"processing baseline {claims.baseline} adds 1000 and "
        f"earthsearch:boa_offset_applied {flag}",
        trusted=False,
    )


def by_statement(claims: Claims) -> OffsetDecision:
    """Rule for the user's own scenes: what the product's metadata states, else the baseline."""
    if claims.stated is None:
        decision = by_baseline(claims)
        # The offset may have been removed in an export.
        return replace(decision, trusted=decision.trusted and decision.scaling is PLAIN)
    if claims.stated == 0:
        return OffsetDecision(scaling=PLAIN, why="the product's metadata states no offset")
    return OffsetDecision(scaling=SHIFTED, why=f"the product's metadata states {claims.stated:+d}")


RULES: Final[Mapping[str, Callable[[Claims], OffsetDecision]]] = {
    "earth-search": by_earth_search,
    "baseline": by_baseline,
    "stated": by_statement,
}


def confirm(
    decision: OffsetDecision, numbers: npt.NDArray[Any], valid: BoolArray
) -> OffsetDecision:
    """Check a decision with the dark pixels, and overrule metadata that is not trusted.

    Args:
        decision: by the metadata.
        numbers: digital numbers ``(band, y, x)``.
        valid: pixels with data ``(y, x)``; if fewer than a hundred, nothing is checked.

    Returns:
        The decision with its agreement, and with the other formula if it was overruled.
    """
    if valid.sum() < 100:
        return decision
    dark = np.percentile(numbers[:, valid], DARK_PERCENTILE, axis=1)
    dark = dark * decision.scaling.scale + decision.scaling.offset
    lowest = float(dark.min())
    shifted = decision.scaling is SHIFTED
    wrong = lowest < REMOVED_BELOW if shifted else _lifted(dark)
    unclear = lowest >= DARK_LOW or lowest < REMOVED_BELOW
    if wrong and not decision.trusted:
        return replace(
            decision, scaling=PLAIN if shifted else SHIFTED, agreement="overruled", darkest=lowest
        )
    return replace(
        decision, agreement="unconfirmed" if wrong or unclear else "confirmed", darkest=lowest
    )


def _lifted(dark: npt.NDArray[np.float64]) -> bool:
    """Whether the bands' dark pixels suggest that all of them still contain 0.1."""
    if not DARK_LOW <= float(dark.min()) <= DARK_HIGH:
        return False
    return int(((dark >= DARK_LOW) & (dark <= FLAT_HIGH)).sum()) >= FLAT_BANDS


def _number(baseline: str | None) -> float | None:
    try:
        return float(baseline) if baseline else None
    except ValueError:
        return None
