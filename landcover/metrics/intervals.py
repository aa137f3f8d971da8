"""Confidence intervals of shares."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import beta, binomtest
from scipy.stats import t as student

from landcover.core.raster import BoolArray

__all__ = ["CONFIDENCE", "of_places", "wilson"]

CONFIDENCE: Final = 0.95


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Compute Wilson's 95 % interval of the share ``hits / count`` (Wilson 1927), 0 to 1.

    Trials are assumed to be independent. The interval is (0, 1) if ``count`` is 0.
    """
    if not count:
        return 0.0, 1.0
    found = binomtest(hits, count).proportion_ci(CONFIDENCE, method="wilson")
    # Rounding must not exclude the share itself.
    share = hits / count
    return min(float(found.low), share), max(float(found.high), share)


def of_places(
    hits: BoolArray, cases: BoolArray, groups: npt.NDArray[Any]
) -> tuple[float, float] | None:
    """Compute the 95 % interval of a share over places, 0 to 1 (Korn and Graubard 1998).

    It is the exact interval of as many independent cases as would scatter as much as the places do:
    a bootstrap over places would give no width to a share of 0 or 1. Such a share counts as one
    case for each place.

    Args:
        hits: bool ``(patch, class)``, of the cases alone.
        cases: in the same shape.
        groups: the place of each patch, ``(patch,)``.

    Returns:
        None if the cases are of fewer than two places.
    """
    _, place = np.unique(groups, return_inverse=True)
    number = np.bincount(place, cases.sum(axis=1).astype(np.float64))
    good = np.bincount(place, hits.sum(axis=1).astype(np.float64))
    good, number = good[number > 0], number[number > 0]
    places, count = len(number), number.sum()
    if places < 2:
        return None
    share = good.sum() / count
    worth = float(places)
    if 0 < share < 1:
        scatter = places / (places - 1) * np.square(good - share * number).sum() / count**2
        few = student.ppf(0.5 + CONFIDENCE / 2, [count - 1, places - 1])
        worth = share * (1 - share) / scatter if scatter else count
        worth = min(worth, count) * (few[0] / few[1]) ** 2
    tail, right, wrong = (1 - CONFIDENCE) / 2, share * worth, (1 - share) * worth
    low = float(beta.ppf(tail, right, wrong + 1)) if right > 0 else 0.0
    high = float(beta.ppf(1 - tail, right + 1, wrong)) if wrong > 0 else 1.0
    return low, high
