"""Choose the bounds of label sets so that they hold at places that are left out.

Split conformal prediction (:mod:`landcover.decide.conformal_fit`) promises its coverage for
patches like those of the fit. A country that was left out is not like the others, so the promise
breaks there. If countries were exchangeable, hierarchical conformal prediction (Dunn, Wasserman
and Ramdas 2023; Lee, Barber and Willett 2023) would give a promise for a new one, but only with at
least ``1/α - 1`` of them: with α = 0.1 and fewer than nine countries, its bounds are infinite. So
nothing is promised here. Instead, a word is said for a class only where it was *shown* to hold,
at countries that neither the net nor the bounds had seen:

1. Each country is left out in turn, and bounds for a ladder of levels (:data:`STEPS`) are chosen
   on the others. A class takes the loosest level whose statements were right at the target rate,
   over all left-out patches and in every country with enough of them (:meth:`PlaceSets.bounds`).
   With none, the word is not said for the class.
2. This entire choice is repeated with each country left out of it as well
   (:meth:`PlaceSets.nested`). What it then says of the country that it has not seen is the coverage
   that is reported. If that misses the target, all levels are made stricter (:data:`STRICTER`)
   until it is reached; with none, nothing is said.

The nets that scored the other countries had seen the left-out one: to leave out two countries at
a time, a net would have to be trained for each pair. The step from one strictness to the next,
and leaving out the classes that failed, use the reported coverage, which is therefore slightly
too high.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.core.raster import BoolArray
from landcover.decide.conformal import CERTAINTIES, CertaintyCodes, Doubles, codes_from_bounds
from landcover.decide.conformal_fit import bounds_for, fewest

__all__ = ["STEPS", "STRICTER", "Bounds", "Calibrated", "Fitted", "PlaceSets", "Sides"]

Calibrated = Callable[[BoolArray], Doubles]
"""A function of a mask of patches that returns the probabilities of all patches, calibrated by a
fit to those of the mask alone."""
Bounds = tuple[Doubles, Doubles]
"""Lower bounds of "possible" and of "certain", ``(class,)`` each."""
Places = npt.NDArray[Any]

STEPS: Final = (1.0, 0.75, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05, 0.02)
"""Shares of the allowed error rate for which bounds are tried, the loosest first."""
STRICTER: Final = (1.0, 0.5, 0.25, 0.1)
"""Shares of the allowed error rate to aim at, until the nested choices reach the target."""
NOT_SHOWN: Final = "its certain findings were not right at the target rate at left-out places"
NEVER_SAID: Final = "at left-out places, no choice made elsewhere called it certain"
_CERTAIN: Final = CERTAINTIES.index("certain")
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class Sides:
    """How strictly each side is chosen: the share of the allowed error rate; 0 says nothing."""

    possible: float = 1.0
    certain: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Bounds and what they said of places that were left out of their choice.

    Attributes:
        possible, certain: lower bounds, ``(class,)`` each; 0 and infinity say nothing.
        codes: of each patch, by bounds that had not seen its place, ``(patch, class)``.
        sides: how strictly the bounds were chosen.
        unsaid: index of a class → why it is never called certain.
    """

    possible: Doubles
    certain: Doubles
    codes: CertaintyCodes
    sides: Sides
    unsaid: dict[int, str]


@dataclass(frozen=True, kw_only=True)
class PlaceSets:
    """The choice of bounds by place.

    Attributes:
        calibrated: probabilities after a fit to some patches.
        truth: bool ``(patch, class)``.
        places: the place of each patch, ``(patch,)``: at least two.
        alpha: allowed share of errors, above 0 and below 1.
    """

    calibrated: Calibrated
    truth: BoolArray
    places: Places
    alpha: float
    _known: dict[tuple[bytes, float], Bounds] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def fit(self) -> Fitted:
        """Choose bounds that hold at places that were left out, and measure them there."""
        sides = Sides(
            possible=self._strictness(lambda s: Sides(possible=s), self._present_holds),
            certain=self._strictness(lambda s: Sides(certain=s), self._certain_holds),
        )
        codes = self.nested(partial(self.bounds, sides=sides))
        possible, certain = self.bounds(np.ones(len(self.truth), dtype=bool), sides)
        unsaid = self._unsaid(certain, codes)
        certain[list(unsaid)] = math.inf
        missed = (self.truth & (codes == 0)).sum(axis=0)
        possible[missed > self.alpha * self.truth.sum(axis=0) + _ROUNDING] = 0.0
        return Fitted(possible=possible, certain=certain, codes=codes, sides=sides, unsaid=unsaid)

    def nested(self, rule: Callable[[BoolArray], Bounds]) -> CertaintyCodes:
        """Return the codes of each place's patches, by bounds that were chosen without it.

        Args:
            rule: chooses bounds on the patches of a mask.
        """
        codes = np.ones(self.truth.shape, dtype=np.int8)
        for place in np.unique(self.places):
            out = self.places == place
            codes[out] = codes_from_bounds(rule(~out), self.calibrated(~out)[out])
        return codes

    def plain(self, rows: BoolArray) -> Bounds:
        """Choose bounds by split conformal prediction, which takes no account of places."""
        return self._at(rows, self.alpha)

    def bounds(self, rows: BoolArray, sides: Sides) -> Bounds:
        """Choose bounds on some patches, so that they hold at each of their places when left out.

        Args:
            rows: mask of the patches to choose on; the truth of others is not used.
            sides: how strictly.
        """
        names = np.unique(self.places[rows])
        size = (len(STEPS), len(names), self.truth.shape[1])
        missed, called, wrong = np.zeros(size), np.zeros(size), np.zeros(size)
        there = np.zeros(size[1:])
        for k, place in enumerate(names if len(names) > 1 else ()):
            out = rows & (self.places == place)
            inside = rows & ~out
            own, present = self.calibrated(inside)[out], self.truth[out]
            there[k] = present.sum(axis=0)
            for step, pair in enumerate(self._ladder(inside, sides)):
                codes = codes_from_bounds(pair, own)
                missed[step, k] = (present & (codes == 0)).sum(axis=0)
                called[step, k] = (codes == _CERTAIN).sum(axis=0)
                wrong[step, k] = (~present & (codes == _CERTAIN)).sum(axis=0)
        possible = np.zeros(size[2])
        certain = np.full(size[2], math.inf)
        # From the strictest to the loosest, so that the loosest that holds remains.
        for step, (low, high) in reversed(list(enumerate(self._ladder(rows, sides)))):
            if sides.possible:
                holds = _holds(missed[step], there, self.alpha * sides.possible)
                possible = np.where(holds, low, possible)
            if sides.certain:
                holds = _holds(wrong[step], called[step], self.alpha * sides.certain)
                certain = np.where(holds, high, certain)
        return np.minimum(possible, certain), np.maximum(possible, certain)

    def _ladder(self, rows: BoolArray, sides: Sides) -> list[Bounds]:
        """Bounds for each of the levels."""
        low, high = (self.alpha * (one or 1.0) for one in (sides.possible, sides.certain))
        return [(self._at(rows, low * s)[0], self._at(rows, high * s)[1]) for s in STEPS]

    def _at(self, rows: BoolArray, alpha: float) -> Bounds:
        key = rows.tobytes(), alpha
        if key not in self._known:
            self._known[key] = bounds_for(self.calibrated(rows)[rows], self.truth[rows], alpha)
        return self._known[key]

    def _strictness(
        self, of: Callable[[float], Sides], holds: Callable[[CertaintyCodes], bool]
    ) -> float:
        """The loosest strictness with which the nested choices reach the target; 0 if none does."""
        for one in STRICTER:
            if holds(self.nested(partial(self.bounds, sides=of(one)))):
                return one
        return 0.0

    def _present_holds(self, codes: CertaintyCodes) -> bool:
        return _rate_holds(self.truth & (codes == 0), self.truth, self.alpha)

    def _certain_holds(self, codes: CertaintyCodes) -> bool:
        called = codes == _CERTAIN
        return _rate_holds(~self.truth & called, called, self.alpha)

    def _unsaid(self, certain: Doubles, codes: CertaintyCodes) -> dict[int, str]:
        """Find the classes that are never called certain."""
        called = codes == _CERTAIN
        said, wrong = called.sum(axis=0), (~self.truth & called).sum(axis=0)
        found = {}
        for k in range(len(certain)):
            if not math.isfinite(certain[k]):
                found[k] = NOT_SHOWN
            elif not said[k]:
                found[k] = NEVER_SAID
            elif wrong[k] > self.alpha * said[k] + _ROUNDING:
                found[k] = NOT_SHOWN
        return found


def _rate_holds(errors: BoolArray, cases: BoolArray, alpha: float) -> bool:
    """Whether the share of errors, with one error more, is within the allowed one."""
    return bool(1 + errors.sum() <= alpha * (1 + cases.sum()) + _ROUNDING)


def _holds(errors: Doubles, cases: Doubles, alpha: float) -> BoolArray:
    """Whether errors are within the allowed share for each class, ``(class,)``.

    They must be so with one error more over all places, in two places at least, and in every place
    with enough cases for such a rate.

    Args:
        errors: ``(place, class)``.
        cases: in the same shape.
        alpha: allowed share of errors.
    """
    overall = 1 + errors.sum(axis=0) <= alpha * (1 + cases.sum(axis=0)) + _ROUNDING
    several = (cases > 0).sum(axis=0) >= 2
    enough = cases >= fewest(alpha)
    each = np.where(enough, errors <= alpha * cases + _ROUNDING, True).all(axis=0)
    found: BoolArray = overall & several & each
    return found
