"""Choose the bounds of label sets on the validation split and measure their coverage.

The method is split conformal prediction for each class, with and without the class separately
(Mondrian; Vovk et al. 2005; Angelopoulos and Bates 2021). On patches that the net was not
trained on,

- a class is *absent* below a bound under which at most a tenth of the patches with the class
  fall (the rank ``⌊α (n + 1)⌋`` of their probabilities, with α = 0.1). A class that is present
  is therefore called absent in at most a tenth of the cases;
- a class is *certain* from a bound that at most a tenth of the patches without the class
  reach. This alone would mislead: if a class is rare, a tenth of the many patches without it
  outnumber all patches with it. The bound is therefore raised until ``(1 + wrong) / (1 +
  called) ≤ α`` as well: of the classes called certain, nine in ten are present;
- a class is *possible* otherwise.

A class with fewer than ``1/α - 1`` = 9 positives is too rare for its own bounds. Such classes
are pooled; if they have fewer than 9 positives together, all classes are pooled.

The coverage is guaranteed for patches that are exchangeable with those of the fit. Patches of
another place, season or processing are not, so the coverage is also measured: on places held
out when the bounds are chosen (``expected``), and on the test split by :func:`observe`.

A library such as MAPIE is not used: it has neither this rule for *certain*, which limits the
share of errors among the certain classes, nor the pooling of rare classes. The rest is a few
quantiles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from landcover.core.raster import BoolArray
from landcover.decide.conformal import (
    CERTAINTIES,
    CertaintyCodes,
    Doubles,
    LabelSets,
    certainty_codes,
    codes_from_bounds,
)
from landcover.metrics.crossfit import held_out
from landcover.metrics.intervals import of_places

__all__ = ["bounds_for", "coverage", "fewest", "fit", "observe"]

WANTED: Final = 0.9
CONFIDENCE: Final = 0.95
# These texts are stored in shipped cards and reports, so they keep their wording.
RULE: Final = (
    "split conformal for patches with a class and without it apart, and nine in ten of the "
    "certain ones right; classes with too few positives are pooled"
)
NOTE: Final = (
    "the promise is for patches like those it was made on; other places, seasons and "
    "processing differ, which is why the coverage is measured"
)
INTERVAL: Final = (
    "Clopper-Pearson, 95 %, as if patches were independent; neighbours are alike, so it is narrow"
)

INTERVAL_OF_PRODUCTS: Final = (
    "Korn and Graubard, 95 %, over products: patches of a product are alike"
)


def fit(
    probability: npt.ArrayLike,
    truth: BoolArray,
    groups: npt.NDArray[Any],
    countries: Sequence[str],
    classes: Sequence[str],
    *,
    wanted: float = WANTED,
) -> LabelSets:
    """Choose bounds for a target coverage.

    Args:
        probability: calibrated, ``(patch, class)``, of patches the net was not trained on.
        truth: bool in the same shape.
        groups: the place of each patch, ``(patch,)``.
        countries: the country of each patch; empty if unknown.
        classes: names along the class axis.
        wanted: target coverage, 0 to 1.

    Returns:
        The value of a card's ``label_sets``.
    """
    chances, alpha = np.asarray(probability, dtype=np.float64), 1.0 - wanted
    possible, certain = bounds_for(chances, truth, alpha)
    elsewhere = np.ones(truth.shape, dtype=np.int8)
    for out in held_out(groups):
        elsewhere[out] = codes_from_bounds(
            bounds_for(chances[~out], truth[~out], alpha), chances[out]
        )
    pooled = truth.sum(axis=0) < fewest(alpha)
    return LabelSets(
        wanted_coverage=wanted,
        rule=RULE,
        certain={
            label: float(value) if value <= 1 else None
            for label, value in zip(classes, certain, strict=True)
        },
        possible=dict(zip(classes, possible.tolist(), strict=True)),
        pooled=tuple(label for label, few in zip(classes, pooled, strict=True) if few),
        expected={
            "measured": "on validation places held out of the choice of the bounds",
            **coverage(elsewhere, truth, countries, classes),
        },
    )


def observe(
    label_sets: LabelSets,
    probability: npt.ArrayLike,
    truth: BoolArray,
    countries: Sequence[str],
    classes: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Measure the observed coverage of label sets.

    Args:
        label_sets: the card's label sets.
        probability: calibrated, ``(patch, class)``.
        truth: bool in the same shape.
        countries: the country of each patch; empty if unknown.
        classes: names along the class axis; by default those of ``label_sets`` in their order.

    Returns:
        JSON-ready: ``overall``, ``per_class`` and ``per_country``, each with four shares of
        patches and classes: ``present`` (classes that are present and not called absent),
        ``absent`` (classes that are absent and not called certain), ``certain`` (classes
        called certain that are present) and ``ruled_out`` (classes called absent that are absent),
        as ``n``, ``hits``, ``share`` and ``interval``. The
        share is None if ``n`` is 0. ``per_patch`` is the mean number of classes a patch with
        each certainty.
    """
    names = tuple(label_sets.possible) if classes is None else tuple(classes)
    return {
        "wanted_coverage": label_sets.wanted_coverage,
        **coverage(certainty_codes(label_sets, probability, names), truth, countries, names),
    }


def fewest(alpha: float) -> int:
    """Return how many cases a bound needs; with fewer, its rank does not exist."""
    return math.ceil(1 / alpha - 1 - 1e-9)


def bounds_for(chances: Doubles, truth: BoolArray, alpha: float) -> tuple[Doubles, Doubles]:
    """Compute the lower bounds of "possible" and of "certain", ``(class,)`` each.

    Args:
        chances: calibrated probabilities ``(patch, class)``.
        truth: bool in the same shape.
        alpha: allowed share of errors, 0 to 1.
    """
    few = truth.sum(axis=0) < fewest(alpha)
    pool = few if truth[:, few].sum() >= fewest(alpha) else np.ones_like(few)
    low, high = np.empty(truth.shape[1]), np.empty(truth.shape[1])
    for k, rare in enumerate(few):
        which = pool if rare else np.arange(len(few)) == k
        own, there = chances[:, which].ravel(), truth[:, which].ravel()
        low[k] = _lowest(own[there], alpha)
        high[k] = max(_highest(chances[~truth[:, k], k], alpha), _right(own, there, alpha))
    # If the two cross, both would exclude what lies between: that is called possible.
    return np.minimum(low, high), np.maximum(low, high)


def _lowest(positives: Doubles, alpha: float) -> float:
    """Return the value that a new positive falls below with probability ``alpha`` at most."""
    rank = math.floor(alpha * (len(positives) + 1) + 1e-9)
    return float(np.partition(positives, rank - 1)[rank - 1]) if rank else 0.0


def _highest(negatives: Doubles, alpha: float) -> float:
    """Return the value that a new negative reaches with probability ``alpha`` at most."""
    rank = math.ceil((1 - alpha) * (len(negatives) + 1) - 1e-9)
    if rank > len(negatives):
        return math.inf
    return float(np.nextafter(np.partition(negatives, rank - 1)[rank - 1], math.inf))


def _right(chances: Doubles, there: BoolArray, alpha: float) -> float:
    """Return the bound above which at most a share of ``alpha`` is absent, plus one error."""
    order = np.argsort(-chances, kind="stable")
    ranked = chances[order]
    wrong, called = np.cumsum(~there[order]), np.arange(1, len(ranked) + 1)
    # Equal probabilities are on the same side of the bound.
    last = np.append(ranked[1:] != ranked[:-1], True)
    good = np.flatnonzero(last & ((1 + wrong) / (1 + called) <= alpha + 1e-9))
    return float(ranked[good[-1]]) if len(good) else math.inf


def coverage(
    codes: CertaintyCodes,
    truth: BoolArray,
    countries: Sequence[str],
    classes: Sequence[str],
    products: npt.NDArray[Any] | None = None,
) -> dict[str, Any]:
    """Measure the coverage of codes, as :func:`observe` does.

    Args:
        codes: certainty codes ``(patch, class)``.
        truth: bool in the same shape.
        countries: the country of each patch; empty if unknown.
        classes: names along the class axis.
        products: the product of each patch, ``(patch,)``; if given, intervals are those over
            products.
    """
    where = np.array([country or "unknown" for country in countries])
    every = np.ones(len(truth), dtype=bool)

    def shares(rows: BoolArray, columns: slice = slice(None)) -> dict[str, Any]:
        drawn = None if products is None else products[rows]
        return _shares(codes[rows][:, columns], truth[rows][:, columns], drawn)

    return {
        "n": len(truth),
        "overall": shares(every),
        "per_patch": {
            name: float((codes == code).sum() / max(len(codes), 1))
            for code, name in enumerate(CERTAINTIES)
        },
        "per_class": {label: shares(every, slice(k, k + 1)) for k, label in enumerate(classes)},
        "per_country": {
            str(country): {
                "n": int((where == country).sum()),
                **shares(where == country),
            }
            for country in np.unique(where)
        },
        "interval": INTERVAL if products is None else INTERVAL_OF_PRODUCTS,
        "note": NOTE,
    }


def _shares(
    codes: CertaintyCodes, truth: BoolArray, products: npt.NDArray[Any] | None
) -> dict[str, Any]:
    certain = codes == CERTAINTIES.index("certain")
    return {
        "present": _share(truth & (codes > 0), truth, products),
        "absent": _share(~truth & ~certain, ~truth, products),
        "certain": _share(certain & truth, certain, products),
        "ruled_out": _share((codes == 0) & ~truth, codes == 0, products),
    }


def _share(hits: BoolArray, cases: BoolArray, products: npt.NDArray[Any] | None) -> dict[str, Any]:
    good, n = int(hits.sum()), int(cases.sum())
    if n == 0:
        return {"n": 0, "hits": 0, "share": None, "interval": None}
    if products is None:
        span = binomtest(good, n).proportion_ci(CONFIDENCE, method="exact")
        ends: tuple[float, float] | None = (float(span.low), float(span.high))
    else:
        ends = of_places(hits, cases, products)
    return {
        "n": n,
        "hits": good,
        "share": round(good / n, 6),
        "interval": None if ends is None else [round(end, 6) for end in ends],
    }
