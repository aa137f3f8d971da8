"""Other heads than that of :mod:`landcover.adapt.head`, for the comparison in docs/ablation.md.

Each takes examples and patches to answer for, and returns the corrected logits of those.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from scipy.optimize import minimize

from landcover.adapt.head import Examples, solve
from landcover.decide.calibration_fit import log_loss

__all__ = ["HEADS"]

Doubles = np.ndarray


def _directions(values: Doubles, centre: Doubles) -> Doubles:
    away = values - centre
    found: Doubles = away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
    return found


def _inputs(given: Examples, rest: Examples, kind: str) -> tuple[Doubles, Doubles]:
    """Directions of features, of logits, or of both, from the means of the examples."""
    parts = []
    for name, used in (("features", kind != "logits"), ("scores", kind != "features")):
        if used:
            own, other = (getattr(one, name).double().numpy() for one in (given, rest))
            centre = own.mean(axis=0)
            parts.append((_directions(own, centre), _directions(other, centre)))
    size = np.sqrt(len(parts))
    return np.hstack([a for a, _ in parts]) / size, np.hstack([b for _, b in parts]) / size


def _offset(one: Examples) -> Doubles:
    found: Doubles = one.scores.double().numpy()
    return found


def _errors(given: Examples) -> Doubles:
    found: Doubles = given.known * (given.truth - 0.5 * (1 + np.tanh(_offset(given) / 2)))
    return found


def logistic(
    given: Examples,
    rest: Examples,
    *,
    kind: str = "both",
    weight: float = 0.3,
    unknown: float = 0.3,
) -> Doubles:
    """Logistic regression with the model's logit as offset.

    Args:
        given: the corrections.
        rest: patches to answer for.
        kind: "features", "logits" or "both".
        weight: precision of the prior on weights.
        unknown: weight of the model's own probability where nothing is known.
    """
    own, other = _inputs(given, rest, kind)
    weights, biases = solve(own, given, weight_pull=weight, unknown_weight=unknown)
    found: Doubles = _offset(rest) + other @ weights + biases
    return found


def bias_alone(given: Examples, rest: Examples) -> Doubles:
    """A bias for each class."""
    _, biases = solve(np.zeros((len(given), 1)), given)
    found: Doubles = _offset(rest) + biases
    return found


def platt(given: Examples, rest: Examples) -> Doubles:
    """Scale and bias of each class, with priors at 1 and 0."""
    offset, classes = _offset(given), given.truth.shape[1]

    def cost(values: Doubles) -> tuple[float, Doubles]:
        scale, shift = values[:classes], values[classes:]
        logits = scale * offset + shift
        left = given.known * (0.5 * (1 + np.tanh(logits / 2)) - given.truth)
        loss = (given.known * log_loss(logits, given.truth)).sum()
        loss += 5 * ((scale - 1) ** 2).sum() + 0.5 * shift @ shift
        slope = (left * offset).sum(axis=0) + 10 * (scale - 1)
        return float(loss), np.concatenate([slope, left.sum(axis=0) + shift])

    start = np.concatenate([np.ones(classes), np.zeros(classes)])
    bounds = [(0.1, 10.0)] * classes + [(None, None)] * classes
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    made: Doubles = found[:classes] * _offset(rest) + found[classes:]
    return made


def ridge(given: Examples, rest: Examples, pull: float, gain: float) -> Doubles:
    """Ridge regression of the errors, added to the logits with a fixed gain."""
    own, other = _inputs(given, rest, "both")
    shares = np.linalg.solve(own @ own.T + pull * np.eye(len(own)), _errors(given))
    found: Doubles = _offset(rest) + gain * (other @ own.T) @ shares
    return found


def neighbours(given: Examples, rest: Examples, sharp: float, prior: float) -> Doubles:
    """The mean error of similar examples, shrunk by a prior weight, added with a gain of 6."""
    own, other = _inputs(given, rest, "both")
    alike = np.exp(sharp * (other @ own.T - 1))
    mean = (alike @ _errors(given)) / (alike.sum(axis=1, keepdims=True) + prior)
    found: Doubles = _offset(rest) + 6 * mean
    return found


def prototypes(given: Examples, rest: Examples, gain: float) -> Doubles:
    """The difference of the means of patches with and without a class, as its weights."""
    own, other = _inputs(given, rest, "both")
    made = _offset(rest).copy()
    for k in range(made.shape[1]):
        has, lacks = (given.known[:, k] & (given.truth[:, k] == there) for there in (True, False))
        if has.any() and lacks.any():
            near, far = own[has].mean(axis=0), own[lacks].mean(axis=0)
            size = has.sum() * lacks.sum() / (has.sum() + lacks.sum())
            made[:, k] += gain * size / (size + 2) * (other - (near + far) / 2) @ (near - far)
    return made


HEADS: Final[dict[str, Callable[[Examples, Examples], Doubles]]] = {
    "bias of each class": bias_alone,
    "scale and bias of each class": platt,
    "ridge on errors, pull 0.3, gain 4": partial(ridge, pull=0.3, gain=4),
    "ridge on errors, pull 1, gain 8": partial(ridge, pull=1, gain=8),
    "neighbours, sharpness 2, prior 1": partial(neighbours, sharp=2, prior=1),
    "neighbours, sharpness 5, prior 1": partial(neighbours, sharp=5, prior=1),
    "prototypes, gain 4": partial(prototypes, gain=4),
    "prototypes, gain 8": partial(prototypes, gain=8),
    "logistic on features alone": partial(logistic, kind="features"),
    "logistic on logits alone": partial(logistic, kind="logits"),
    **{
        f"logistic on both, pull {pull:g}": partial(logistic, weight=pull)
        for pull in (0.1, 0.3, 1, 3)
    },
    **{
        f"logistic on both, weight of what is unknown {share:g}": partial(logistic, unknown=share)
        for share in (0, 1)
    },
}
"""Name → head."""
