"""Label sets: each class is "certain", "possible" or "absent", with a target coverage.

:mod:`landcover.decide.conformal_fit` describes how the bounds are chosen near the training places
and how the coverage is measured, :mod:`landcover.decide.place_sets` how they are chosen so that
they hold at places that were left out. "Certain" is only said with bounds of the second kind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from landcover.core.schema import Schema

__all__ = [
    "CERTAINTIES",
    "Basis",
    "Certainty",
    "CertaintyCodes",
    "Doubles",
    "LabelSets",
    "LeftOut",
    "certainty",
    "certainty_codes",
    "codes_from_bounds",
]

Doubles = npt.NDArray[np.float64]
CertaintyCodes = npt.NDArray[np.int8]
"""Indices into :data:`CERTAINTIES`."""
Certainty = Literal["absent", "possible", "certain"]

CERTAINTIES: Final[tuple[Certainty, ...]] = ("absent", "possible", "certain")


class LeftOut(Schema):
    """What bounds that were chosen by place said of places that were left out.

    Attributes:
        unit: what was left out at a time: "country", or "place" for the corrections of a user.
        places: how many.
        patches: number of patches.
        strictness: side → share of the allowed error rate that was aimed at; 0 says nothing.
        measured: coverage there, as :func:`landcover.decide.conformal_fit.observe` returns it.
        unsaid: class → why it is never called certain.
    """

    unit: str
    places: int
    patches: int
    strictness: dict[str, float] = Field(default_factory=dict)
    measured: dict[str, Any]
    unsaid: dict[str, str] = Field(default_factory=dict)

    @property
    def units(self) -> str:
        """The plural of what was left out."""
        return {"country": "countries", "place": "corrected places"}.get(self.unit, "places")


class Basis(Schema):
    """What the words of a result rest on.

    Attributes:
        chosen_by: "country" or "place": bounds that hold in countries, or at corrected places,
            that were left out; "near": bounds chosen near the training places, with which nothing
            is called certain.
        wanted_coverage: target coverage, 0 to 1.
        certain: of the classes called certain in left-out countries, how many were there.
        present: of the classes there, how many were not ruled out.
    """

    chosen_by: str
    wanted_coverage: float
    certain: dict[str, Any] | None = None
    present: dict[str, Any] | None = None


class LabelSets(Schema):
    """Probability bounds of "certain" and "possible": the ``label_sets`` of a card.

    Attributes:
        wanted_coverage: target coverage, 0 to 1.
        rule: how the bounds were chosen.
        certain: class → probability from which it is certain; None if it never is.
        possible: class → probability below which it is absent.
        pooled: classes with too few positives for their own bounds.
        expected: coverage on validation places that were held out when the bounds were chosen.
        by_place: coverage at places that were left out of everything; None if the bounds were not
            chosen by place.
    """

    wanted_coverage: float
    rule: str = ""
    certain: dict[str, float | None]
    possible: dict[str, float]
    pooled: tuple[str, ...] = ()
    expected: dict[str, Any] | None = None
    by_place: LeftOut | None = None

    def certain_from(self, label: str) -> float | None:
        """Return the probability from which a class is certain; None if it never is.

        It never is with bounds that were not chosen by place: these do not hold elsewhere.
        """
        return None if self.by_place is None else self.certain[label]

    @property
    def basis(self) -> Basis:
        """What the words rest on, for the record of a result."""
        if self.by_place is None:
            return Basis(chosen_by="near", wanted_coverage=self.wanted_coverage)
        shares = self.by_place.measured.get("overall", {})
        return Basis(
            chosen_by=self.by_place.unit,
            wanted_coverage=self.wanted_coverage,
            certain=shares.get("certain"),
            present=shares.get("present"),
        )


def certainty(label_sets: LabelSets | None, label: str, probability: float) -> Certainty | None:
    """Return the certainty of a class from its calibrated probability, 0 to 1.

    None if the card has no label sets.
    """
    if label_sets is None:
        return None
    certain = label_sets.certain_from(label)
    if probability < label_sets.possible[label]:
        return "absent"
    return "certain" if certain is not None and probability >= certain else "possible"


def certainty_codes(
    label_sets: LabelSets, probability: npt.ArrayLike, classes: Sequence[str]
) -> CertaintyCodes:
    """Return certainty codes for calibrated probabilities ``(patch, class)``, in that shape."""
    certain = [label_sets.certain_from(label) for label in classes]
    bounds = (
        np.array([label_sets.possible[label] for label in classes]),
        np.array([math.inf if value is None else value for value in certain]),
    )
    return codes_from_bounds(bounds, np.asarray(probability, dtype=np.float64))


def codes_from_bounds(bounds: tuple[Doubles, Doubles], probability: Doubles) -> CertaintyCodes:
    """Return certainty codes for probabilities ``(patch, class)``.

    Args:
        bounds: lower bounds of "possible" and of "certain", ``(class,)`` each.
        probability: calibrated, ``(patch, class)``.
    """
    possible, certain = bounds
    codes: CertaintyCodes = (probability >= possible).astype(np.int8)
    return codes + (probability >= certain).astype(np.int8)
