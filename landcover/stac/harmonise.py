"""From an archive's metadata to reflectance, with or without +1000 in the numbers.

From processing baseline 04.00 on (25 January 2022), ESA adds 1000 to the digital numbers
of Level-1C and Level-2A products, so that reflectance = (DN − 1000) / 10000; 0 stays
nodata. The baseline decides, never the sensing date: older scenes have been processed
again. Some archives take the offset off before they publish and say so, not always rightly.
One rule an archive reads what it says; :func:`confirm` holds that against the dark pixels.
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
"""Darkest reflectance below which the offset must have been off already.

Where it was, taking it off again moves shadow and water (0 to 0.06) to -0.1 to -0.04; where
it was not, the darkest hundredth stays above -0.02 in every real patch that we hold.
"""
PLACEHOLDER: Final = 90.0
"""Baselines from here on (99.99) are what sen2cor writes outside ESA's ground segment."""
FLAT_HIGH: Final = 0.16
FLAT_BANDS: Final = 4
"""An offset lifts the dark pixels of many bands to between 0.09 and this; a desert's or a
cloud's are bright in most bands, so few of theirs lie there."""

Agreement = Literal["confirmed", "unconfirmed", "overruled"]


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What an item's metadata says of the offset; None where it is silent.

    Attributes:
        baseline: ESA's processing baseline, such as ``"05.10"``.
        applied: Earth Search's ``earthsearch:boa_offset_applied``.
        stated: number to add to a digital number, where the metadata states one outright.
    """

    baseline: str | None = None
    applied: bool | None = None
    stated: int | None = None


@dataclass(frozen=True, kw_only=True)
class OffsetDecision:
    """How numbers become reflectance, why, and what the pixels say of it.

    Attributes:
        scaling: the formula.
        why: one clause, from which metadata.
        trusted: False where this archive's metadata is known to be wrong at times, so that
            clear pixels may overrule it.
        agreement: whether the dark pixels agree.
        darkest: their reflectance under the metadata's formula, where they were looked at.
    """

    scaling: Scaling
    why: str
    trusted: bool = True
    agreement: Agreement = "unconfirmed"
    darkest: float | None = None

    @property
    def description(self) -> str:
        """The formula, its reason and what the dark pixels say, in one line."""
        seen = "" if self.darkest is None else f" (darkest pixels {self.darkest:.3f})"
        words = {
            "confirmed": f"the dark pixels agree{seen}",
            "unconfirmed": f"the dark pixels cannot confirm it{seen}",
            "overruled": f"the dark pixels contradict the metadata{seen} and were followed",
        }
        return f"{self.scaling.description}, because {self.why}; {words[self.agreement]}"


def by_baseline(claims: Claims) -> OffsetDecision:
    """Archives that publish ESA's numbers as they are: from baseline 04.00 on, shifted."""
    number = _number(claims.baseline)
    if number is None:
        return OffsetDecision(
            scaling=PLAIN, why="the metadata names no processing baseline", trusted=False
        )
    if number >= PLACEHOLDER:
        return OffsetDecision(
            scaling=PLAIN,
            why=f"baseline {claims.baseline} marks a product that a user made, which does not say",
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
    """Earth Search takes the offset off itself and says so in a flag that can be wrong.

    ``raster:bands[].offset`` stays at -0.1 in both cases and decides nothing
    (Element84/earth-search#66).
    """
    number = _number(claims.baseline)
    if number is not None and number < OFFSET_BASELINE:
        return by_baseline(claims)
    if claims.applied:
        return OffsetDecision(
            scaling=PLAIN,
            why="earthsearch:boa_offset_applied says that the offset is off already",
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
    """The user's own scenes: what the product's metadata states, else the baseline."""
    if claims.stated is None:
        decision = by_baseline(claims)
        # Whoever exported it may have taken the offset off.
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
    """Hold a decision against the dark pixels, and overrule metadata that is not trusted.

    Args:
        decision: what the metadata led to.
        numbers: digital numbers ``(band, y, x)``.
        valid: pixels with data ``(y, x)``; fewer than a hundred decide nothing.

    Returns:
        The decision with an agreement, and with the other formula where it was overruled.
    """
    if valid.sum() < 100:
        return decision
    dark = np.percentile(numbers[:, valid], DARK_PERCENTILE, axis=1)
    dark = dark * decision.scaling.scale + decision.scaling.offset
    lowest = float(dark.min())
    shifted = decision.scaling is SHIFTED
    wrong = lowest < REMOVED_BELOW if shifted else _lifted(dark)
    doubtful = lowest >= DARK_LOW or lowest < REMOVED_BELOW
    if wrong and not decision.trusted:
        return replace(
            decision, scaling=PLAIN if shifted else SHIFTED, agreement="overruled", darkest=lowest
        )
    return replace(
        decision, agreement="unconfirmed" if wrong or doubtful else "confirmed", darkest=lowest
    )


def _lifted(dark: npt.NDArray[np.float64]) -> bool:
    """Whether the bands' dark pixels look as if 0.1 were still in all of them."""
    if not DARK_LOW <= float(dark.min()) <= DARK_HIGH:
        return False
    return int(((dark >= DARK_LOW) & (dark <= FLAT_HIGH)).sum()) >= FLAT_BANDS


def _number(baseline: str | None) -> float | None:
    try:
        return float(baseline) if baseline else None
    except ValueError:
        return None
