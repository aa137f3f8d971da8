"""Fit a calibration on the validation split and keep it only if held-out places support it.

Most classes have few positives in the validation split, so a Gaussian prior pulls scale and
shift towards 1 and 0: a class with little evidence stays unchanged. The alternative is one
scale for all classes (a temperature, Guo et al. 2017). Both are compared by their log loss on
places that they were not fitted to. The log loss is a proper score; a binned calibration error
is not.

Choosing which classes to calibrate is itself a fit, and with few places it can overfit. The
entire rule, including this choice, is therefore measured on held-out places (nested
cross-fitting). If it does not lower the log loss there, the logits stay unchanged. The card
stores the metrics before and after in both cases.

scikit-learn's ``CalibratedClassifierCV`` is not used: it expects a scikit-learn classifier, and
has neither the prior nor the test on held-out places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar

from landcover.core.raster import BoolArray
from landcover.decide.calibration import Calibration
from landcover.metrics.crossfit import FOLDS, held_out
from landcover.metrics.scores import MIN_POSITIVES, calibration_error

__all__ = ["fit", "fit_lines", "log_loss"]

Doubles = npt.NDArray[np.float64]
Line = tuple[Doubles, Doubles]
"""Scale and shift of each class, ``(class,)`` each."""
Rule = Callable[[Doubles, BoolArray, npt.NDArray[Any]], Line]
"""A function of logits, truth and places that returns scale and shift."""

PULL: Final = 10.0
"""Weight of the prior: a scale or shift that differs by 0.32 from 1 or 0 costs half a nat."""
BOUNDS: Final = (0.1, 10.0)
"""Bounds of a scale: above 0, so that no ranking is reversed."""
NONE: Final = "none"


def fit(
    logits: npt.ArrayLike, truth: BoolArray, groups: npt.NDArray[Any], classes: Sequence[str]
) -> Calibration:
    """Fit the calibration that has the lowest log loss on held-out places.

    Args:
        logits: ``(patch, class)`` of patches that the net was not trained on.
        truth: bool in the same shape.
        groups: the place of each patch, ``(patch,)``.
        classes: names along the class axis.

    Returns:
        The value of a card's ``calibration``.
    """
    scores = np.asarray(logits, dtype=np.float64)
    after = {name: _cross_fitted(rule, scores, truth, groups) for name, rule in _RULES.items()}
    losses = {name: float(log_loss(made, truth).mean()) for name, made in after.items()}
    chosen = min(losses, key=lambda name: losses[name])  # the simplest if several are equal
    scale, shift = _RULES[chosen](scores, truth, groups)
    kept = [k for k in range(len(classes)) if (scale[k], shift[k]) != (1.0, 0.0)]
    evidence = _evidence(scores, after, truth, groups, classes) | {"rule": chosen}
    if not kept:
        return Calibration(method=NONE, evidence=evidence)
    return Calibration(
        method="platt",
        scale=dict(zip(classes, scale.tolist(), strict=True)),
        shift=dict(zip(classes, shift.tolist(), strict=True)),
        kept=tuple(classes[k] for k in kept),
        evidence=evidence,
    )


def log_loss(logits: Doubles, truth: BoolArray) -> Doubles:
    """Compute the log loss of each forecast in nats, in the shape of ``logits``."""
    loss: Doubles = np.logaddexp(0.0, logits) - truth * logits
    return loss


def _identity(logits: Doubles, truth: BoolArray, groups: npt.NDArray[Any]) -> Line:
    del truth, groups
    return np.ones(logits.shape[1]), np.zeros(logits.shape[1])


def _temperature(logits: Doubles, truth: BoolArray, groups: npt.NDArray[Any]) -> Line:
    """Use one scale for the classes whose held-out loss falls; for rare ones if the sum falls."""
    return _where_it_helps({"temperature": _fit_scale}, logits, truth, groups)


def _platt(logits: Doubles, truth: BoolArray, groups: npt.NDArray[Any]) -> Line:
    """Choose per class its own line, the shared scale or neither, by the held-out loss."""
    return _where_it_helps({"temperature": _fit_scale, "platt": fit_lines}, logits, truth, groups)


_RULES: Final[dict[str, Rule]] = {NONE: _identity, "temperature": _temperature, "platt": _platt}
"""Simplest first."""


def _where_it_helps(
    fits: dict[str, Callable[[Doubles, BoolArray], Line]],
    logits: Doubles,
    truth: BoolArray,
    groups: npt.NDArray[Any],
) -> Line:

    scale, shift = _identity(logits, truth, groups)
    common = truth.sum(axis=0) >= MIN_POSITIVES
    best = np.zeros(len(scale))
    for name, fitting in fits.items():
        made = _cross_fitted(lambda z, y, _, f=fitting: f(z, y), logits, truth, groups)  # type: ignore[misc]
        gain = (log_loss(logits, truth) - log_loss(made, truth)).sum(axis=0)
        if name == "temperature" and gain.sum() <= 0:
            continue
        taken = common & (gain > best)
        if name == "temperature":
            taken |= ~common
        own = fitting(logits, truth)
        scale, shift = np.where(taken, own[0], scale), np.where(taken, own[1], shift)
        best = np.where(taken, gain, best)
    return scale, shift


def _cross_fitted(
    rule: Rule, logits: Doubles, truth: BoolArray, groups: npt.NDArray[Any]
) -> Doubles:
    """Calibrate the logits of each place by a rule that was fitted to the other places."""
    made = logits.copy()
    for out in held_out(groups):
        scale, shift = rule(logits[~out], truth[~out], groups[~out])
        made[out] = scale * logits[out] + shift
    return made


def _fit_scale(logits: Doubles, truth: BoolArray) -> Line:
    """Fit the one scale for all classes that minimises the log loss."""
    best = minimize_scalar(
        lambda power: log_loss(np.exp(power) * logits, truth).sum(),
        bounds=np.log(BOUNDS),
        method="bounded",
    )
    classes = logits.shape[1]
    return np.full(classes, float(np.exp(best.x))), np.zeros(classes)


def fit_lines(logits: Doubles, truth: BoolArray) -> Line:
    """Fit scale and shift of each class to minimise log loss plus prior (a convex problem)."""
    classes = logits.shape[1]

    def cost(values: Doubles) -> tuple[float, Doubles]:
        scale, shift = values[:classes], values[classes:]
        line = scale * logits + shift
        residual = 0.5 * (1 + np.tanh(line / 2)) - truth
        loss = log_loss(line, truth).sum() + PULL / 2 * (((scale - 1) ** 2).sum() + shift @ shift)
        slope = (residual * logits).sum(axis=0) + PULL * (scale - 1)
        return float(loss), np.concatenate([slope, residual.sum(axis=0) + PULL * shift])

    start = np.concatenate([np.ones(classes), np.zeros(classes)])
    bounds = [BOUNDS] * classes + [(None, None)] * classes
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found[:classes], found[classes:]


def _evidence(
    logits: Doubles,
    after: dict[str, Doubles],
    truth: BoolArray,
    groups: npt.NDArray[Any],
    classes: Sequence[str],
) -> dict[str, Any]:
    """Collect held-out metrics by rule, JSON-ready; "none" is before calibration."""

    def metrics(made: Doubles) -> dict[str, float]:
        probability = 0.5 * (1 + np.tanh(made / 2))
        return {
            "log_loss": float(log_loss(made, truth).mean()),
            "brier": float(np.square(probability - truth).mean()),
            "ece": float(calibration_error(truth, probability)),
        }

    found = len(np.unique(groups))
    by_rule = {name: metrics(made) for name, made in after.items()}
    by_class = {name: log_loss(made, truth).mean(axis=0) for name, made in after.items()}
    return {
        "measured": "on places held out, with each rule fitted and chosen on the others",
        "n": len(logits),
        "places": found,
        "folds": min(FOLDS, found) if found > 1 else 0,
        **{
            key: {name: each[key] for name, each in by_rule.items()}
            for key in ("log_loss", "brier", "ece")
        },
        "per_class": {
            label: {
                "support": int(truth[:, k].sum()),
                "log_loss": {name: float(losses[k]) for name, losses in by_class.items()},
            }
            for k, label in enumerate(classes)
        },
    }
