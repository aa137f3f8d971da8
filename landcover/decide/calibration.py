"""Calibration: probabilities that mean what they say, kept only where that is shown.

A class's probability is ``sigmoid(scale · logit + shift)`` (Platt 1999). How scale and shift are
fitted, and when they are kept, stands in :mod:`landcover.decide.calibration_fit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from landcover.core.schema import Schema

if TYPE_CHECKING:  # a card can be read without torch
    from torch import Tensor

__all__ = ["Calibration", "apply"]


class Calibration(Schema):
    """What turns raw scores into probabilities: the ``calibration`` of a card.

    Attributes:
        method: "none" (the sigmoid alone) or "platt".
        scale, shift: of each class, for "platt".
        kept: the classes that have a scale and shift of their own; the others have 1 and 0.
        evidence: metrics on held-out places before and after, by rule.
    """

    method: Literal["none", "platt"]
    scale: dict[str, float] | None = None
    shift: dict[str, float] | None = None
    kept: tuple[str, ...] | None = None
    evidence: dict[str, Any] | None = None


def apply(calibration: Calibration, classes: Sequence[str], logits: Tensor) -> Tensor:
    """Probabilities of logits; differentiable, and rising with each logit.

    Args:
        calibration: a card's.
        classes: along the last axis of ``logits``.
        logits: ``(…, class)``.
    """
    if calibration.scale is None or calibration.shift is None:
        return logits.sigmoid()
    scale, shift = (
        logits.new_tensor([values[label] for label in classes])
        for values in (calibration.scale, calibration.shift)
    )
    return (scale * logits + shift).sigmoid()
