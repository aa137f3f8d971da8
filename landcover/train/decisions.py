"""Choose thresholds, calibration and label sets of a model on the validation split.

**F1 and F2.** With few positives, the threshold of the highest F-score depends on single
patches. So places are drawn with replacement many times, the best threshold of each draw is
found, and their mean on the logit scale is taken (bagging, Breiman 1996). It is then shrunk
towards the best threshold of all classes together, the more the fewer positives the class
has. On held-out validation places this beat the raw optimum in F1 and in F2; :func:`decide`
repeats the comparison and writes its metrics to the card.

**Precision and recall.** The lowest threshold that reaches the requested precision on
validation, which gives the highest recall; the highest threshold that reaches the requested
recall. These hold on the patches they were chosen on; nothing is smoothed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit, logit

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray
from landcover.decide import calibration, calibration_fit, conformal_fit
from landcover.metrics.crossfit import held_out
from landcover.metrics.scores import MIN_POSITIVES
from landcover.models.card import Card
from landcover.models.thresholds import AIMS, Aim

__all__ = [
    "DRAWS",
    "PSEUDO_POSITIVES",
    "THRESHOLD_RULE",
    "Doubles",
    "Groups",
    "all_aims",
    "best_thresholds",
    "choose_thresholds",
    "decide",
    "raw_optimum",
    "threshold_evidence",
]

Doubles = npt.NDArray[np.float64]
Groups = npt.NDArray[Any]

DRAWS: Final = 200
PSEUDO_POSITIVES: Final = 10.0
"""Number of positives that the shared threshold weighs as much as."""
THRESHOLD_RULE: Final = (
    "per class the mean of the thresholds with the highest F1 over places drawn with "
    "replacement, pulled to the one that all classes share as if by "
    f"{PSEUDO_POSITIVES:g} positives; a class with fewer than {MIN_POSITIVES} positives takes "
    "the shared one"
)
_BETA_SQUARED: Final = {"f1": 1.0, "f2": 4.0}
_EDGE: Final = 1e-6


def choose_thresholds(
    truth: BoolArray,
    probability: npt.ArrayLike,
    groups: Groups | None = None,
    classes: Sequence[str] = CLASS_NAMES,
    *,
    aim: str = "f1",
) -> dict[str, float]:
    """Choose a threshold for each class, on patches that the model was not trained on.

    Args:
        truth: bool ``(patch, class)``, with at least one positive.
        probability: in the same shape, 0 to 1.
        groups: the place of each patch, ``(patch,)``; if None, each patch is its own place.
        classes: names along the class axis.
        aim: a name in :data:`landcover.models.thresholds.AIMS`.

    Returns:
        Class name → threshold: of all classes for F1 and F2; for a precision or recall only of
        classes with at least five positives that reach it.

    Raises:
        BadInput: no class has a positive.
    """
    if not truth.any():
        raise BadInput("Thresholds need labelled patches, but none of these has a class.")
    chances, wanted = np.asarray(probability, dtype=np.float64), AIMS[aim]
    if wanted.level is None:
        places = np.arange(len(truth)) if groups is None else groups
        found = _bagged(truth, chances, _BETA_SQUARED[aim], places)
    else:
        found = _reaching(truth, chances, wanted)
    return {
        label: float(value)
        for label, value in zip(classes, found, strict=True)
        if np.isfinite(value)
    }


def all_aims(
    truth: BoolArray, probability: npt.ArrayLike, groups: Groups, classes: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Choose the thresholds of each aim: :func:`choose_thresholds`."""
    return {name: choose_thresholds(truth, probability, groups, classes, aim=name) for name in AIMS}


def decide(
    card: Card,
    logits: npt.ArrayLike,
    truth: BoolArray,
    groups: Groups,
    countries: Sequence[str],
) -> Card:
    """Return the card with everything that is chosen on validation.

    Args:
        card: of a net that was not trained on these patches.
        logits: raw scores ``(patch, class)`` on validation, classes in the card's order.
        truth: bool in the same shape.
        groups: the place of each patch, ``(patch,)``: see
            :func:`landcover.metrics.crossfit.places`.
        countries: of the patches; empty where unknown.

    Raises:
        BadInput: no class has a positive.
    """
    scores = np.asarray(logits, dtype=np.float32)
    calibrated = calibration_fit.fit(scores, truth, groups, card.classes)
    # The same steps, in the same precision, as for a user's patch.
    probability = calibration.apply(calibrated, card.classes, torch.from_numpy(scores)).numpy()
    aims = all_aims(truth, probability, groups, card.classes)
    metrics = {
        "measured_on": "validation",
        "n": len(truth),
        "places": len(np.unique(groups)),
        "held_out_thresholds": threshold_evidence(truth, probability, groups),
    }
    return card.with_fields(
        thresholds=aims["f1"],
        threshold_rule=f"{THRESHOLD_RULE}, chosen on validation with a fit that had not seen it",
        aims={name: table for name, table in aims.items() if table},
        calibration=calibrated,
        label_sets=conformal_fit.fit(probability, truth, groups, countries, card.classes),
        selection={**card.selection, "decisions": metrics},
    )


def threshold_evidence(
    truth: BoolArray, probability: npt.ArrayLike, groups: Groups
) -> dict[str, Any]:
    """F1 and F2 of several ways to choose thresholds, on held-out places.

    Returns:
        Aim → way ("one half", "shared", "raw optimum", "chosen") → ``macro`` (classes with
        at least five positives) and ``micro``.
    """
    chances = np.asarray(probability, dtype=np.float64)
    masks = list(held_out(groups))

    def chosen(own: BoolArray, values: Doubles, beta: float, rows: BoolArray) -> Doubles:
        return _bagged(own, values, beta, groups[rows])

    ways: dict[str, Callable[[BoolArray, Doubles, float, BoolArray], Doubles]] = {
        "one half": lambda own, _, __, ___: np.full(own.shape[1], 0.5),
        "shared": lambda own, values, beta, _: np.full(own.shape[1], _shared(own, values, beta)),
        "raw optimum": lambda own, values, beta, _: raw_optimum(own, values, beta),
        "chosen": chosen,
    }
    scores: dict[str, Any] = {}
    for aim, beta in _BETA_SQUARED.items():
        scores[aim] = {}
        for name, way in ways.items():
            called = np.zeros_like(truth)
            for out in masks:
                called[out] = chances[out] >= way(truth[~out], chances[~out], beta, ~out)
            scores[aim][name] = _f_scores(truth, called, beta) if masks else None
    return scores


def _bagged(truth: BoolArray, chances: Doubles, beta: float, groups: Groups) -> Doubles:
    """Per class, the mean best threshold over draws of places, shrunk to the shared one."""
    names, place = np.unique(groups, return_inverse=True)
    random = np.random.default_rng(0)
    drawn = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS)
    weights = drawn[:, place].astype(np.float64)
    shared = _mean(
        best_thresholds(truth.ravel(), chances.ravel(), beta, _repeat(weights, truth.shape[1]))
    )
    support = truth.sum(axis=0)
    found = np.full(truth.shape[1], shared)
    for k in np.flatnonzero(support >= MIN_POSITIVES):
        own = _mean(best_thresholds(truth[:, k], chances[:, k], beta, weights))
        found[k] = (support[k] * own + PSEUDO_POSITIVES * shared) / (support[k] + PSEUDO_POSITIVES)
    thresholds: Doubles = expit(found)
    return thresholds


def _repeat(weights: Doubles, classes: int) -> Doubles:
    """Weights of patches as weights of the flattened (patch, class)."""
    return np.repeat(weights, classes, axis=1)


def _mean(thresholds: Doubles) -> float:
    """The mean of the finite thresholds on the logit scale."""
    there = thresholds[np.isfinite(thresholds)]
    return float(logit(np.clip(there, _EDGE, 1 - _EDGE)).mean())


def _shared(truth: BoolArray, chances: Doubles, beta: float) -> float:
    return float(best_thresholds(truth.ravel(), chances.ravel(), beta, np.ones((1, truth.size)))[0])


def raw_optimum(truth: BoolArray, chances: Doubles, beta: float) -> Doubles:
    """The threshold of the highest F-score of each class, without smoothing, ``(class,)``.

    Classes with fewer than five positives get the threshold that is best for all classes together.

    Args:
        truth: bool ``(patch, class)``.
        chances: probabilities in the same shape.
        beta: square of F's beta.
    """
    found = np.full(truth.shape[1], _shared(truth, chances, beta))
    for k in np.flatnonzero(truth.sum(axis=0) >= MIN_POSITIVES):
        found[k] = best_thresholds(truth[:, k], chances[:, k], beta, np.ones((1, len(truth))))[0]
    return found


def best_thresholds(truth: BoolArray, chances: Doubles, beta: float, weights: Doubles) -> Doubles:
    """The threshold of the highest F-score under each row of weights, ``(row,)``.

    It lies midway between two neighbours in the ranking, so that rounding cannot move a
    forecast across it; of equally good ones the highest is taken. NaN for a row without positives.

    Args:
        truth: bool ``(forecast,)``.
        chances: probabilities in the same shape.
        beta: square of F's beta.
        weights: ``(row, forecast)``.
    """
    cuts, order, last = _cuts(chances)
    ordered = weights[:, order]
    both = np.cumsum(ordered * truth[order], axis=1)[:, last]
    called = np.cumsum(ordered, axis=1)[:, last]
    there = both[:, -1:]
    size = beta * there + called
    score = np.divide((1 + beta) * both, size, out=np.zeros_like(both), where=size > 0)
    found: Doubles = np.where(there[:, 0] > 0, cuts[score.argmax(axis=1)], np.nan)
    return found


def _cuts(chances: Doubles) -> tuple[Doubles, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Possible thresholds, highest first; the ranking; the last rank above each threshold."""
    order = np.argsort(-chances, kind="stable")
    ranked = chances[order]
    # Forecasts of equal probability are predicted together: a cut lies only behind the last.
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    below = np.append(ranked[1:], 0.0)[last]
    return (ranked[last] + below) / 2, order, last


def _reaching(truth: BoolArray, chances: Doubles, aim: Aim) -> Doubles:
    """Per class, the threshold that reaches a precision or recall; NaN if none does."""
    found = np.full(truth.shape[1], np.nan)
    for k in np.flatnonzero(truth.sum(axis=0) >= MIN_POSITIVES):
        cuts, order, last = _cuts(chances[:, k])
        both = np.cumsum(truth[order, k])[last]
        whole = last + 1 if aim.kind == "precision" else np.full(len(last), both[-1])
        good = np.flatnonzero(both / whole >= float(aim.level or 0) - 1e-12)
        if len(good):
            found[k] = cuts[good[-1] if aim.kind == "precision" else good[0]]
    return found


def _f_scores(truth: BoolArray, called: BoolArray, beta: float) -> dict[str, float]:
    both, size = (truth & called).sum(axis=0), beta * truth.sum(axis=0) + called.sum(axis=0)
    counted = truth.sum(axis=0) >= MIN_POSITIVES
    scores = (1 + beta) * both[counted] / size[counted]
    return {
        "macro": float(scores.mean()) if counted.any() else float("nan"),
        "micro": float((1 + beta) * both.sum() / size.sum()) if size.sum() else float("nan"),
    }
