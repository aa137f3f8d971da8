"""Label sets: of each class "certain", "possible" or "absent", with a wanted coverage.

Where the bounds come from, and how the coverage is measured, stands in
:mod:`landcover.decide.conformal_fit`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from landcover.core.schema import Schema

__all__ = [
    "CERTAINTIES",
    "Certainty",
    "CertaintyCodes",
    "Doubles",
    "LabelSets",
    "certainty",
    "certainty_codes",
    "codes_from_bounds",
]

Doubles = npt.NDArray[np.float64]
CertaintyCodes = npt.NDArray[np.int8]
"""Indices into :data:`CERTAINTIES`."""
Certainty = Literal["absent", "possible", "certain"]

CERTAINTIES: Final[tuple[Certainty, ...]] = ("absent", "possible", "certain")


class LabelSets(Schema):
    """Bounds of "certain" and "possible": the ``label_sets`` of a card.

    Attributes:
        wanted_coverage: 0 to 1.
        rule: how the bounds were chosen.
        certain: class → probability from which it is certain; None where it never is.
        possible: class → probability below which it is absent.
        pooled: classes with too few positives for bounds of their own.
        expected: coverage on validation places held out of the choice.
    """

    wanted_coverage: float
    rule: str = ""
    certain: dict[str, float | None]
    possible: dict[str, float]
    pooled: tuple[str, ...] = ()
    expected: dict[str, Any] | None = None


def certainty(label_sets: LabelSets | None, label: str, probability: float) -> Certainty | None:
    """The word for a class's calibrated probability; None where a card has no label sets."""
    if label_sets is None:
        return None
    certain = label_sets.certain[label]
    if probability < label_sets.possible[label]:
        return "absent"
    return "certain" if certain is not None and probability >= certain else "possible"


def certainty_codes(
    label_sets: LabelSets, probability: npt.ArrayLike, classes: Sequence[str]
) -> CertaintyCodes:
    """The codes for probabilities ``(patch, class)``, in that shape."""
    certain = [label_sets.certain[label] for label in classes]
    bounds = (
        np.array([label_sets.possible[label] for label in classes]),
        np.array([math.inf if value is None else value for value in certain]),
    )
    return codes_from_bounds(bounds, np.asarray(probability, dtype=np.float64))


def codes_from_bounds(bounds: tuple[Doubles, Doubles], probability: Doubles) -> CertaintyCodes:
    """The codes for probabilities ``(patch, class)`` by bounds of "possible" and "certain"."""
    possible, certain = bounds
    said: CertaintyCodes = (probability >= possible).astype(np.int8)
    return said + (probability >= certain).astype(np.int8)
