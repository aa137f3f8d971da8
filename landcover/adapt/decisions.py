"""Calibration and label sets of an adapted model, from its answers for places left out.

Both are fitted to complete corrections alone. Where a user speaks only of some classes, those that
were called and those that were missed, most of what is known is there: a calibration to it would
raise every probability, and sets would seem to hold. docs/teach.md has the comparison.

The calibration is one line for all classes, shrunk towards none: two numbers. The bounds of
"possible" and "certain" are the same for all classes, because no class has enough corrections for
its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from landcover.adapt.head import Examples
from landcover.core.raster import BoolArray
from landcover.decide.calibration import Calibration
from landcover.decide.calibration_fit import BOUNDS, log_loss
from landcover.decide.conformal import LabelSets, LeftOut, codes_from_bounds
from landcover.decide.conformal_fit import bounds_for, coverage
from landcover.metrics.crossfit import held_out

__all__ = ["FEWEST_FOR_LINE", "FEWEST_FOR_SETS", "Decisions", "decide", "fit_line"]

Doubles = npt.NDArray[np.float64]

FEWEST_FOR_LINE: Final = 10
"""Fewest places with complete corrections for a calibration."""
FEWEST_FOR_SETS: Final = 30
"""Fewest places with complete corrections for label sets."""
PULL: Final = 30.0
"""Precision of the prior on scale and shift."""
WANTED: Final = 0.9
_STRICTER: Final = 0.93
"""Coverage for which bounds are chosen: from 30 places, bounds for 0.9 reach less elsewhere."""
_RULE: Final = (
    "split conformal, the same bounds for all classes, chosen for a coverage of 0.93, from answers "
    "for complete corrections at places left out"
)
_UNSAID: Final = "too many answers for places left out were wrong"


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What turns the scores of an adapted model into an answer.

    Attributes:
        calibration: one scale and shift for all classes, or none.
        label_sets: None if there are too few complete corrections.
        reason: whether there are both, and why not, in one or two sentences.
    """

    calibration: Calibration
    label_sets: LabelSets | None
    reason: str


def decide(logits: Doubles, examples: Examples, classes: tuple[str, ...]) -> Decisions:
    """Fit calibration and label sets.

    Args:
        logits: ``(patch, class)`` of each patch by a fit that left its place out.
        examples: the patches.
        classes: names along the class axis.
    """
    whole = examples.known.all(axis=1)
    found, truth, places = logits[whole], examples.truth[whole], examples.places[whole]
    count = len(np.unique(places))
    if count < FEWEST_FOR_LINE:
        return Decisions(
            calibration=Calibration(method="none"),
            label_sets=None,
            reason=f"It is not calibrated again, for which {FEWEST_FOR_LINE} places need complete "
            f"corrections, and says neither “certain” nor “possible”, for which {FEWEST_FOR_SETS} "
            f"do: {_counted(count)}.",
        )
    calibration, calibrated = _calibrated(found, truth, places, classes)
    line = calibration.method != "none"
    said = "is calibrated again" if line else "needs no other calibration"
    if count < FEWEST_FOR_SETS:
        return Decisions(
            calibration=calibration,
            label_sets=None,
            reason=f"It {said}, and says neither “certain” nor “possible”, for which "
            f"{FEWEST_FOR_SETS} places need complete corrections: {_counted(count)}.",
        )
    sets = _label_sets(_chance(calibrated), truth, places, classes)
    certain = next(iter(sets.certain.values()))
    rest = "" if certain is not None else " No class is certain: too many answers were wrong."
    return Decisions(
        calibration=calibration,
        label_sets=sets,
        reason=f"It {said}; “certain” and “possible” are chosen at {count} places.{rest}",
    )


def fit_line(logits: Doubles, truth: BoolArray) -> tuple[float, float]:
    """Fit scale and shift, the same for all classes, to minimise log loss plus prior.

    Args:
        logits: ``(patch, class)``.
        truth: bool in the same shape.
    """

    def cost(line: Doubles) -> tuple[float, Doubles]:
        scale, shift = line
        made = scale * logits + shift
        residual = _chance(made) - truth
        loss = log_loss(made, truth).sum() + PULL / 2 * ((scale - 1) ** 2 + shift**2)
        slope = [(residual * logits).sum() + PULL * (scale - 1), residual.sum() + PULL * shift]
        return float(loss), np.array(slope)

    found = minimize(cost, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=[BOUNDS, (None, None)])
    return float(found.x[0]), float(found.x[1])


def _calibrated(
    logits: Doubles, truth: BoolArray, places: npt.NDArray[Any], classes: tuple[str, ...]
) -> tuple[Calibration, Doubles]:
    """Fit a line, and keep it if it lowers the log loss at places that it was not fitted to."""
    elsewhere = logits.copy()
    for out in held_out(places):
        scale, shift = fit_line(logits[~out], truth[~out])
        elsewhere[out] = scale * logits[out] + shift
    losses = {
        "none": float(log_loss(logits, truth).mean()),
        "line": float(log_loss(elsewhere, truth).mean()),
    }
    evidence = {
        "measured": "on complete corrections at places held out",
        "n": len(truth),
        "places": len(np.unique(places)),
        "log_loss": losses,
    }
    if losses["line"] >= losses["none"]:
        return Calibration(method="none", evidence=evidence), logits
    scale, shift = fit_line(logits, truth)
    calibration = Calibration(
        method="platt",
        scale=dict.fromkeys(classes, scale),
        shift=dict.fromkeys(classes, shift),
        kept=classes,
        evidence=evidence,
    )
    return calibration, scale * logits + shift


def _label_sets(
    chances: Doubles, truth: BoolArray, places: npt.NDArray[Any], classes: tuple[str, ...]
) -> LabelSets:
    """Choose bounds, and measure them on places that they were not chosen on."""
    codes = np.ones(truth.shape, dtype=np.int8)
    for out in held_out(places):
        codes[out] = codes_from_bounds(_bounds(chances[~out], truth[~out]), chances[out])
    measured = coverage(codes, truth, ["corrected"] * len(truth), classes, places)
    possible, certain = (float(value[0]) for value in _bounds(chances, truth))
    share = (1 - _STRICTER) / (1 - WANTED)
    return LabelSets(
        wanted_coverage=WANTED,
        rule=_RULE,
        possible=dict.fromkeys(classes, possible),
        certain=dict.fromkeys(classes, certain if certain <= 1 else None),
        by_place=LeftOut(
            unit="place",
            places=len(np.unique(places)),
            patches=len(truth),
            strictness={"possible": share, "certain": share},
            measured=measured,
            unsaid={} if certain <= 1 else dict.fromkeys(classes, _UNSAID),
        ),
    )


def _bounds(chances: Doubles, truth: BoolArray) -> tuple[Doubles, Doubles]:
    """Choose the bounds of "possible" and "certain" of all classes, ``(1,)`` each."""
    return bounds_for(chances.reshape(-1, 1), truth.reshape(-1, 1), 1 - _STRICTER)


def _chance(logits: Doubles) -> Doubles:
    chances: Doubles = 0.5 * (1 + np.tanh(logits / 2))
    return chances


def _counted(places: int) -> str:
    return {
        0: "none has",
        1: "one has",
    }.get(places, f"{places} have")
