"""What a date or a month says of an area: probabilities, hectares, or why there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from landcover.areas.block import Tally
from landcover.areas.hectares import CELL_HA
from landcover.areas.product import AreaRow
from landcover.core.classes import CLASS_NAMES
from landcover.core.raster import BoolArray, ByteArray, FloatArray
from landcover.time.change import Estimate
from landcover.time.dated import HAZY, DateMap, Facts
from landcover.trust.verdict import Verdict

__all__ = [
    "MOST_HIDDEN",
    "Moment",
    "Month",
    "Monthly",
    "RowsOf",
    "hectares_of",
    "moment_of",
]

RowsOf = Callable[[Tally], Sequence[AreaRow]]
"""Corrects what was counted: hectares of each cover with their interval."""
MOST_HIDDEN: Final = 0.2
"""Share of the area that may be hidden at a date that has values. What is hidden widens their
intervals, and beyond this they say nothing."""
UNLIKE: Final = 0.5
"""Share of the windows unlike anything learnt from which a date has a warning."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One date.

    Attributes:
        facts: what it comes from.
        gap: why it has no values, as a sentence; empty if it has.
        caution: why to be careful with its values, as a sentence; empty without a reason.
        hidden: share of the area that each reason hides.
        presence: mean probability of each class over the windows; empty in a gap.
        hectares: area of each cover with its interval; empty in a gap, and without a cover head.
        index_water: hectares of water by its index, from pixels of 10 m; None in a gap, and
            where it is not known.
    """

    facts: Facts
    gap: str = ""
    caution: str = ""
    hidden: Mapping[str, float] = field(default_factory=dict)
    presence: Mapping[str, float] = field(default_factory=dict)
    hectares: Mapping[str, Estimate] = field(default_factory=dict)
    index_water: float | None = None


@dataclass(frozen=True, kw_only=True)
class Month:
    """What all dates of a month say together.

    Attributes:
        month: such as ``2020-01``.
        dates: number of dates of which anything was seen.
        unseen: hectares that were hidden at all of them.
        gap: why there are no values, as a sentence; empty if there are.
        hectares: area of each cover with its interval; empty in a gap.
    """

    month: str
    dates: int
    unseen: float
    gap: str = ""
    hectares: Mapping[str, Estimate] = field(default_factory=dict)


def moment_of(found: DateMap, rows_of: RowsOf | None, verdict: Verdict | None = None) -> Moment:
    """Say what a date shows.

    Args:
        found: its map.
        rows_of: corrects hectares; None without a cover head.
        verdict: on the window, if the area is one.
    """
    gap = ""
    if found.hidden_share > MOST_HIDDEN:
        gap = f"{found.hidden_text}." if found.hidden_text else "No part of the area has data."
    elif verdict is not None and verdict.decision == "cannot tell":
        gap = verdict.reason
    caution = "" if gap else _caution(found, verdict)
    moment = Moment(facts=found.facts, gap=gap, caution=caution, hidden=found.hidden)
    if gap:
        return moment
    areas = {}
    if rows_of is not None:
        areas = hectares_of(found.chances, found.seen, found.inside, rows_of)
    return Moment(
        facts=found.facts,
        caution=caution,
        hidden=found.hidden,
        presence=found.mean_presence,
        hectares=areas,
        index_water=found.index_water,
    )


def hectares_of(
    chances: FloatArray, seen: BoolArray, inside: BoolArray, rows_of: RowsOf
) -> dict[str, Estimate]:
    """Area of each cover, with what is hidden in its interval: it may be all of it or none.

    Args:
        chances: probability of each cover ``(cover, row, column)``.
        seen: which cells are in clear view.
        inside: which cells belong to the area.
        rows_of: corrects what was counted.
    """
    cells = chances[:, seen]
    count, whole = cells.shape[1], int(inside.sum())
    if not count:
        return {}
    covers = len(chances)
    tally = Tally(
        covers=np.bincount(cells.argmax(axis=0), minlength=covers).astype(np.int64),
        expected=cells.sum(axis=1, dtype=np.float64),
        silent=whole - count,
        present=np.zeros(len(CLASS_NAMES), dtype=np.int64),
        windows=0,
    )
    hidden = (whole - count) * CELL_HA
    found = {}
    for row in rows_of(tally):
        if row.adjusted_ha is None or row.low_ha is None or row.high_ha is None:
            continue
        value = row.adjusted_ha * whole / count
        low, high = row.low_ha, row.high_ha + hidden
        found[row.label] = Estimate(value=value, low=min(low, value), high=max(high, value))
    return found


class Monthly:
    """Adds up the dates of a month, so that one of them shows what clouds hid at another.

    Args:
        rows_of: corrects hectares.
    """

    def __init__(self, rows_of: RowsOf) -> None:
        self._rows_of = rows_of
        self._month = ""
        self._sums: npt.NDArray[np.uint32] | None = None
        self._times: npt.NDArray[np.uint16] | None = None
        self._inside: BoolArray | None = None
        self._dates = 0

    def add(self, found: DateMap) -> Month | None:
        """Add a date; dates come in order.

        Returns:
            The month before, if this is the first date of another one.
        """
        acquired = found.facts.acquired
        if acquired is None:
            return None
        month = f"{acquired:%Y-%m}"
        before = self.finish() if month != self._month else None
        self._month = month
        layers: ByteArray = found.cover[: len(found.covers)]
        if self._sums is None or self._times is None:
            self._sums = np.zeros(layers.shape, dtype=np.uint32)
            self._times = np.zeros(layers.shape[1:], dtype=np.uint16)
            self._inside = found.inside
        seen = found.seen
        self._sums += np.where(seen, layers, 0)
        self._times += seen
        self._dates += bool(seen.any())
        return before

    def finish(self) -> Month | None:
        """The month that was added up last; None if there is none."""
        if self._sums is None or self._times is None or self._inside is None:
            return None
        seen = self._times > 0
        chances = (self._sums / np.maximum(self._sums.sum(axis=0), 1)).astype(np.float32)
        whole = int(self._inside.sum())
        unseen = int((self._inside & ~seen).sum())
        gap = ""
        if unseen > MOST_HIDDEN * whole:
            gap = f"{unseen / whole:.0%} of the area is hidden at all dates of the month."
        made = Month(
            month=self._month,
            dates=self._dates,
            unseen=unseen * CELL_HA,
            gap=gap,
            hectares={} if gap else hectares_of(chances, seen, self._inside, self._rows_of),
        )
        self._sums = self._times = self._inside = None
        self._dates = 0
        return made


def _caution(found: DateMap, verdict: Verdict | None) -> str:
    """Why to be careful with a date, regardless of place and season, which all dates share."""
    if found.haze > HAZY:
        return f"Haze covers {found.haze:.0%} of the land."
    if verdict is not None:
        return next((f.sentence for f in verdict.findings if f.about == "pixels"), "")
    if found.unlike_share > UNLIKE:
        return (
            f"{found.unlike_share:.0%} of the windows are unlike anything that the model learnt: "
            "look at the picture."
        )
    return ""
