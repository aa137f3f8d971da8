"""Areas of classes from a map that errs, corrected by what its errors were measured to be.

The area that a map shows of a class is biased wherever more cells are wrongly given to the class
than are wrongly kept from it. Reference cells say how often each mapped class is in truth each
other one; weighed by the mapped areas, they give the area of each class (the stratified estimator
of Olofsson et al. 2014, "Good practices for estimating area and assessing accuracy of land change",
Remote Sensing of Environment 148, equations 2 and 9 to 11).

Its standard error takes reference cells as independent. Cells of one patch are not, since all of
them may be wrong together, and neither are patches of one scene. :class:`Clustered` keeps how
mapped and true classes vary from place to place instead, and is a few hundred numbers, so that it
can be stored with a model and applied to any map. A map of a single valley differs from the mean of
all places as much as places differ from each other, which its interval must include.

Both hold for an area like those of the reference cells: how often mapped pasture is in truth arable
land depends on how much of each there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = [
    "MOST_CELLS",
    "AreaEstimate",
    "Clustered",
    "Z",
    "clustered",
    "clustered_estimate",
    "stratified",
]

Doubles = npt.NDArray[np.float64]
MOST_CELLS: Final = 225
"""Reference cells from which a place counts in full: those of a patch."""
Z: Final = 1.96
"""Standard errors on either side of an estimate in a 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class AreaEstimate:
    """Corrected areas.

    Attributes:
        area: of each class, in the unit of the mapped areas, float64 ``(class,)``.
        standard_error: in the same unit.
        low, high: 95 % interval, not below 0 nor above the whole area.
    """

    area: Doubles
    standard_error: Doubles
    low: Doubles
    high: Doubles


@dataclass(frozen=True, kw_only=True)
class Clustered:
    """What mapped cells are in truth, and how uncertain that is.

    Attributes:
        shares: share of each mapped class that is in truth each class, float64 ``(mapped,
            true)``; rows add up to 1, those without reference cells are 0.
        covariance: of the shares of two mapped classes, for each true class, float64 ``(true,
            mapped, mapped)``.
        spread: standard deviation of the shares between places, each counted for at most
            :data:`MOST_CELLS`, ``(mapped, true)``; 0 where fewer than two places have any.
        places: number of places with reference cells of each mapped class, ``(mapped,)``.
    """

    shares: Doubles
    covariance: Doubles
    spread: Doubles
    places: npt.NDArray[np.intp]

    def covariance_of(self, regions: float) -> Doubles:
        """Covariance of the shares in a map, not of their mean, ``(true, mapped, mapped)``.

        Args:
            regions: how many places like those of the reference the map is worth, at least 1;
                infinite if it is the mean of all places that is asked for.
        """
        own = np.einsum("ik,ij->kij", self.spread**2, np.eye(len(self.spread)))
        found: Doubles = self.covariance + own / regions
        return found


def stratified(mapped: Doubles, errors: Doubles) -> AreaEstimate:
    """Correct mapped areas by independent reference cells.

    Args:
        mapped: area of each mapped class, at least 0, in any unit, ``(mapped,)``.
        errors: numbers of reference cells ``(mapped, true)``.

    Raises:
        ValueError: a mapped class with an area has fewer than two reference cells.
    """
    count = errors.sum(axis=1)
    used = mapped > 0
    if (count[used] < 2).any():
        raise ValueError("each mapped class needs at least two reference cells")
    area, cells = mapped[used], count[used, None]
    share = errors[used] / cells
    variance = (area[:, None] ** 2 * share * (1 - share) / (cells - 1)).sum(axis=0)
    return _estimate(area @ share, variance, float(mapped.sum()))


def clustered(tables: Doubles, places: npt.NDArray[Any]) -> Clustered:
    """Measure what mapped cells are in truth from reference patches of several places.

    The covariance is that of ratios between places, to first order (Cochran 1977, section 11.7;
    ``places / (places - 1)`` times the sum of squares, as for a cluster sample). It does not
    include what a class varies by beyond the places that have it.

    Args:
        tables: reference cells of each patch, weighed as if all places were surveyed alike,
            ``(patch, mapped, true)``.
        places: the place of each patch, ``(patch,)``.
    """
    _, place = np.unique(places, return_inverse=True)
    classes = tables.shape[1]
    by_place = np.zeros((int(place.max()) + 1, *tables.shape[1:]))
    np.add.at(by_place, place, tables)
    total = by_place.sum(axis=0)
    count = total.sum(axis=1, keepdims=True)
    shares = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    seen = by_place.sum(axis=2)
    residual = by_place - shares * seen[:, :, None]
    residual = np.divide(residual, count, out=np.zeros_like(residual), where=count > 0)
    number = len(by_place)
    scale = number / max(number - 1, 1)
    covariance = scale * np.einsum("pik,pjk->kij", residual, residual)
    return Clustered(
        shares=shares,
        covariance=covariance.reshape(tables.shape[2], classes, classes),
        spread=_spread(by_place),
        places=(seen > 0).sum(axis=0),
    )


def clustered_estimate(mapped: Doubles, reference: Clustered, regions: float = 1.0) -> AreaEstimate:
    """Correct mapped areas by reference patches.

    Args:
        mapped: area of each mapped class, at least 0, in any unit, ``(mapped,)``.
        reference: from :func:`clustered`.
        regions: as for :meth:`Clustered.covariance_of`.

    Raises:
        ValueError: a mapped class with an area has reference cells of fewer than two places.
    """
    if (reference.places[mapped > 0] < 2).any():
        raise ValueError("each mapped class needs reference cells of at least two places")
    variance = np.einsum("i,kij,j->k", mapped, reference.covariance_of(regions), mapped)
    return _estimate(mapped @ reference.shares, variance, float(mapped.sum()))


def _spread(by_place: Doubles) -> Doubles:
    """Standard deviation of shares between places, ``(mapped, true)``.

    A place counts as much as its cells, but not more than a patch, so that neither a few odd cells
    nor a place with many patches decide.
    """
    seen = by_place.sum(axis=2)
    found = np.zeros(by_place.shape[1:])
    for k in range(by_place.shape[1]):
        some = seen[:, k] > 0
        weight = np.minimum(seen[some, k], MOST_CELLS)[:, None]
        if not some.any() or (worth := weight.sum() ** 2 / (weight**2).sum()) <= 1:
            continue
        shares = by_place[some, k] / seen[some, k, None]
        mean = (weight * shares).sum(axis=0) / weight.sum()
        variance = (weight * (shares - mean) ** 2).sum(axis=0) / weight.sum()
        found[k] = np.sqrt(variance * worth / (worth - 1))
    return found


def _estimate(area: Doubles, variance: Doubles, whole: float) -> AreaEstimate:
    error = np.sqrt(np.maximum(variance, 0.0))
    return AreaEstimate(
        area=area,
        standard_error=error,
        low=np.clip(area - Z * error, 0.0, whole),
        high=np.clip(area + Z * error, 0.0, whole),
    )
