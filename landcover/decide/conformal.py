"""Label sets: each class is "certain", "possible" or "absent", with a target coverage.

:mod:`landcover.decide.conformal_fit` describes how the bounds are chosen and how the coverage
is measured.
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
    """Probability bounds of "certain" and "possible": the ``label_sets`` of a card.

    Attributes:
        wanted_coverage: target coverage, 0 to 1.
        rule: how the bounds were chosen.
        certain: class → probability from which it is certain; None if it never is.
        possible: class → probability below which it is absent.
        pooled: classes with too few positives for their own bounds.
        expected: coverage on validation places that were held out when the bounds were chosen.
    """

    wanted_coverage: float
    rule: str = ""
    certain: dict[str, float | None]
    possible: dict[str, float]
    pooled: tuple[str, ...] = ()
    expected: dict[str, Any] | None = None


def certainty(label_sets: LabelSets | None, label: str, probability: float) -> Certainty | None:
    """Return the certainty of a class from its calibrated probability, 0 to 1.

    None if the card has no label sets.
    """
    if label_sets is None:
        return None
    certain = label_sets.certain[label]
    if probability < label_sets.possible[label]:
        return "absent"
    return "certain" if certain is not None and probability >= certain else "possible"


def certainty_codes(
    label_sets: LabelSets, probability: npt.ArrayLike, classes: Sequence[str]
) -> CertaintyCodes:
    """Return certainty codes for calibrated probabilities ``(patch, class)``, in that shape."""
    certain = [label_sets.certain[label] for label in classes]
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
