"""Turn raw scores into calibrated probabilities.

A class's probability is ``sigmoid(scale · logit + shift)`` (Platt 1999).
:mod:`landcover.decide.calibration_fit` describes how scale and shift are fitted and when they
are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from landcover.core.schema import Schema

if TYPE_CHECKING:  # a card can be read without torch
    from torch import Tensor

__all__ = ["Calibration", "apply"]


class Calibration(Schema):
    """Parameters that turn raw scores into probabilities: the ``calibration`` of a card.

    Attributes:
        method: "none" (the sigmoid alone) or "platt".
        scale, shift: per class, for "platt"; None for "none".
        kept: the classes whose scale and shift were fitted; the others have 1 and 0.
        evidence: metrics on held-out places before and after calibration, by rule.
    """

    method: Literal["none", "platt"]
    scale: dict[str, float] | None = None
    shift: dict[str, float] | None = None
    kept: tuple[str, ...] | None = None
    evidence: dict[str, Any] | None = None


def apply(calibration: Calibration, classes: Sequence[str], logits: Tensor) -> Tensor:
    """Compute probabilities from logits; differentiable and increasing in each logit.

    Args:
        calibration: the card's calibration.
        classes: class names along the last axis of ``logits``.
        logits: ``(…, class)``.

    Returns:
        Probabilities from 0 to 1, in the shape of ``logits``.
    """
    if calibration.scale is None or calibration.shift is None:
        return logits.sigmoid()
    scale, shift = (
        logits.new_tensor([values[label] for label in classes])
        for values in (calibration.scale, calibration.shift)
    )
    return (scale * logits + shift).sigmoid()
