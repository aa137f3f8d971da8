"""The trend of a value over dates: its slope with an interval, and whether there is one.

The slope is the median of the slopes between all pairs of dates (Theil 1950, Sen 1968), which a
few odd dates cannot move. Whether the values rise or fall at all is tested by the ranks (Mann
1945, Kendall 1975). Neither knows of seasons. Dates within one year show a season, and a trend
over a few years is that of their weather as well; :class:`Trend` says which of these it is.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Final, Literal

import numpy as np

from landcover.core.text import plain
from landcover.metrics.intervals import CONFIDENCE

__all__ = ["FEWEST", "SEASON_DAYS", "YEAR_DAYS", "Kind", "Trend", "season_gap", "trend_of"]

Kind = Literal["few dates", "season", "trend"]
FEWEST: Final = 4
"""Dates from which the test can find anything: with fewer, chance alone orders them so in more
than 5 % of cases."""
YEAR_DAYS: Final = 365.25
SEASON_DAYS: Final = 45
"""Days of the year that two dates of one season are apart at most."""
_SIGNIFICANT: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Trend:
    """How a value changed over dates.

    Attributes:
        kind: "few dates" with fewer than four; "season" if they lie within a year; else "trend".
        dates: number of different dates with a value.
        years: time from the first to the last of them.
        slope: median change in a year, in the unit of the value; NaN with one date.
        low, high: 95 % interval of the slope; NaN with one date.
        p: probability of an order as clear as this by chance (Mann–Kendall); 1 if all values are
            equal.
        mixed_seasons: whether the dates are of different seasons.
    """

    kind: Kind
    dates: int
    years: float
    slope: float
    low: float
    high: float
    p: float
    mixed_seasons: bool

    @property
    def shown(self) -> bool:
        """Whether the dates show a trend: over more than a year, clearer than by chance."""
        return self.kind == "trend" and self.p < _SIGNIFICANT

    def sentence(self, what: str, unit: str) -> str:
        """Say in a sentence what the dates show.

        Args:
            what: the value's name, such as ``"Water"``.
            unit: of the value, such as ``"ha"``.
        """
        name = plain(what)
        if self.kind == "few dates":
            verb = "is" if self.dates == 1 else "are"
            return f"{name}: {_dates(self.dates)} with a value {verb} too few for a trend."
        if self.kind == "season":
            return (
                f"{name}: all {self.dates} dates lie within a year, so their course is that of a "
                "season, not a trend."
            )
        slope = f"{self.slope:+.3g} {unit} a year [{self.low:+.3g}, {self.high:+.3g}]"
        over = f"over {self.years:.1f} years, {self.dates} dates, p = {self.p:.2g}"
        found = "" if self.shown else "no trend that differs from chance: "
        mixed = " Part of it is that the seasons differ." if self.mixed_seasons else ""
        return f"{name}: {found}{slope} ({over}).{mixed}"


def trend_of(dates: Sequence[datetime], values: Sequence[float | None]) -> Trend:
    """Find the trend of values over dates, in any order.

    Several values of one date count as their median: they say nothing of a course through time.

    Args:
        dates: the date of each value.
        values: None or NaN where there is none.
    """
    # scipy.stats takes half a second to import, and most commands do without.
    from scipy.stats import kendalltau, theilslopes  # noqa: PLC0415

    found_on: defaultdict[datetime, list[float]] = defaultdict(list)
    for when, value in zip(dates, values, strict=True):
        if value is not None and math.isfinite(value):
            found_on[when].append(value)
    # Ties among dates as well as among values can make theilslopes' variance negative.
    known = [(when, median(found_on[when])) for when in sorted(found_on)]
    days = np.array([(when - known[0][0]).total_seconds() / 86_400 for when, _ in known])
    numbers = np.array([value for _, value in known])
    years = float(days[-1]) / YEAR_DAYS if known else 0.0
    slope = low = high = math.nan
    p = 1.0
    if years > 0:
        found = theilslopes(numbers, days / YEAR_DAYS, alpha=CONFIDENCE)
        slope, low, high = float(found.slope), float(found.low_slope), float(found.high_slope)
        if np.ptp(numbers) > 0:
            p = float(kendalltau(days, numbers).pvalue)
    return Trend(
        kind="few dates" if len(known) < FEWEST else "season" if years < 1 else "trend",
        dates=len(known),
        years=years,
        slope=slope,
        low=low,
        high=high,
        p=p if math.isfinite(p) else 1.0,
        mixed_seasons=_widest_gap([when for when, _ in known]) > SEASON_DAYS,
    )


def season_gap(a: datetime, b: datetime) -> int:
    """How many days of the year lie between two dates, regardless of the year: 0 to 183."""
    apart = abs(a.timetuple().tm_yday - b.timetuple().tm_yday)
    return min(apart, 366 - apart)


def _widest_gap(dates: Sequence[datetime]) -> int:
    """Days of the shortest part of the year that holds all dates, at most half a year.

    With two dates it is their gap.
    """
    days = sorted({when.timetuple().tm_yday for when in dates})
    if len(days) < 2:
        return 0
    free = max(*(after - before for before, after in pairwise(days)), days[0] + 366 - days[-1])
    return min(366 - free, 183)


def _dates(count: int) -> str:
    return f"{count} date{'s' * (count != 1)}"
