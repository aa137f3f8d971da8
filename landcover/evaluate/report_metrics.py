"""Compute the metrics of a report from truth and probabilities, for any classes and models.

This part of an evaluation reads no pixels: it takes arrays and returns typed values.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np

from landcover.core.errors import BadInput
from landcover.core.json_numbers import none_if_nan
from landcover.core.raster import BoolArray, FloatArray
from landcover.core.schema import Interval
from landcover.evaluate.report import (
    Baseline,
    Bootstrap,
    ClassMetrics,
    Margin,
    Measurement,
    PartMetrics,
    Unit,
)
from landcover.metrics.bootstrap import CONFIDENCE, Groups, Resampled, interval, resample
from landcover.metrics.crossfit import places as products
from landcover.metrics.scores import (
    ACCURACY,
    CLASS_METRICS,
    ECE_BINS,
    METRICS,
    MIN_POSITIVES,
    Doubles,
    counted_classes,
    overall,
    per_class,
)
from landcover.models.card import Card

__all__ = [
    "MARGINS",
    "MIN_COUNTRY",
    "OTHERS",
    "UNITS",
    "UNKNOWN",
    "Draws",
    "Material",
    "measure",
    "number",
    "part",
    "per_country",
    "span",
    "thresholds_of",
]

UNITS: Final[tuple[Unit, ...]] = get_args(Unit)

MIN_COUNTRY: Final = 10
"""Number of patches that a country needs for its own metrics."""
OTHERS: Final = "others"
UNKNOWN: Final = "unknown"
MARGINS: Final = ("macro_ap", "micro_ap", ACCURACY)
"""Metrics for which the margin over a baseline is given."""
_DIGITS: Final = 6


@dataclass(frozen=True, kw_only=True)
class Material:
    """Labelled patches, without pixels.

    Attributes:
        ids: names of the patches.
        classes: names along the class axis.
        truth: bool ``(patch, class)``.
        countries: countries of the patches, empty if unknown.
        places: block of each patch, ``(patch,)``; patches of a block are similar.
        exclusive: whether a patch has exactly one of the classes; then the most probable
            one is predicted, and there is an accuracy.
    """

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    truth: BoolArray
    countries: tuple[str, ...]
    places: Groups
    exclusive: bool = False

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics over all classes that are defined for these patches."""
        return (*METRICS, ACCURACY) if self.exclusive else METRICS

    def rows(self, mask: BoolArray) -> Material:
        """Select a subset of the patches with a mask ``(patch,)``."""
        return Material(
            ids=tuple(np.array(self.ids, dtype=object)[mask]),
            classes=self.classes,
            truth=self.truth[mask],
            countries=tuple(np.array(self.countries, dtype=object)[mask]),
            places=self.places[mask],
            exclusive=self.exclusive,
        )


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Bootstrap settings for intervals.

    Attributes:
        resamples: number of resamples.
        seed: random seed.
        unit: unit that is drawn.
    """

    resamples: int = 1000
    seed: int = 0
    unit: Unit = "patch"

    def of(self, material: Material, answer: FloatArray, thresholds: Sequence[float]) -> Resampled:
        """Compute the metrics of all resamples; these are the same patches for every model."""
        return resample(
            material.truth,
            answer,
            thresholds,
            resamples=self.resamples,
            seed=self.seed,
            groups=self.groups(material),
            exclusive=material.exclusive,
        )

    def groups(self, material: Material) -> Groups | None:
        """Return the place of each patch that is drawn as a whole; None if patches are drawn.

        Raises:
            BadInput: pictures are not cut from known products.
        """
        if self.unit == "product" and material.exclusive:
            raise BadInput(
                "Pictures do not name the product that they were cut from: draw patches or blocks."
            )
        wholes = {"block": material.places, "product": products(material.ids)}
        return wholes.get(self.unit)

    def described(self, material: Material) -> Bootstrap:
        """Describe the intervals for a report."""
        return Bootstrap(
            resamples=self.resamples,
            seed=self.seed,
            unit=self.unit,
            blocks=len(np.unique(material.places)),
            confidence=CONFIDENCE,
            method="percentile",
        )


def measure(
    cards: Sequence[Card],
    material: Material,
    answers: Sequence[FloatArray],
    draws: Draws | None = None,
) -> Measurement:
    """Compute the metrics of a model and of baselines; undefined ones are None.

    Macro metrics average the classes with at least five positives. Intervals contain 95 % of
    the bootstrap (:mod:`landcover.metrics.bootstrap`); a baseline's ``margin`` is the model's
    metric minus the baseline's, on the same resamples.

    Args:
        cards: cards of the model and then of the baselines.
        material: the patches.
        answers: probabilities ``(patch, class)`` of each model.
        draws: bootstrap settings.
    """
    draws = draws or Draws()
    limits = [thresholds_of(card, material.classes) for card in cards]
    drawn = [draws.of(material, *each) for each in zip(answers, limits, strict=True)]
    points = [_points(material, *each) for each in zip(answers, limits, strict=True)]
    whole = [_with_intervals(*each) for each in zip(points, drawn, strict=True)]
    return Measurement(
        n=len(material.truth),
        **whole[0],
        per_class=_class_metrics(material, answers[0], limits[0], drawn[0]),
        per_country=per_country(material, answers[0], limits[0], draws),
        baselines={
            cards[k].name: Baseline(**whole[k], margin=_margins(points, drawn, k))
            for k in range(1, len(cards))
        },
        macro_classes=tuple(material.classes[k] for k in counted_classes(material.truth)),
        macro_rule=f"classes with at least {MIN_POSITIVES} positives in this split",
        bootstrap=draws.described(material),
        ece_bins=ECE_BINS,
    )


def part(
    material: Material,
    mask: BoolArray,
    answer: FloatArray,
    thresholds: Sequence[float],
    draws: Draws,
) -> PartMetrics:
    """Compute the metrics of a subset, with intervals; None if there are too few patches.

    Args:
        material: all patches.
        mask: bool ``(patch,)``, which patches to use.
        answer: probabilities of all patches.
        thresholds: one per class.
        draws: bootstrap settings.
    """
    some = material.rows(mask)
    n = len(some.truth)
    if n < MIN_COUNTRY:
        nothing = dict.fromkeys(material.metrics)
        return PartMetrics(n=n, **nothing, confidence_intervals=nothing, macro_classes=())
    found = _with_intervals(
        _points(some, answer[mask], thresholds), draws.of(some, answer[mask], thresholds)
    )
    counted = tuple(some.classes[k] for k in counted_classes(some.truth))
    return PartMetrics(n=n, **found, macro_classes=counted)


def per_country(
    material: Material, answer: FloatArray, thresholds: Sequence[float], draws: Draws
) -> dict[str, PartMetrics]:
    """Compute the metrics of each country with at least ten patches, the most frequent first.

    Other countries are pooled as ``others``. Empty if no country is known.
    """
    counts = Counter(country or UNKNOWN for country in material.countries)
    if set(counts) <= {UNKNOWN}:
        return {}
    small = {country for country, n in counts.items() if n < MIN_COUNTRY}
    names = np.array(
        [OTHERS if (c or UNKNOWN) in small else c or UNKNOWN for c in material.countries]
    )
    order = [country for country, _ in counts.most_common() if country not in small]
    return {
        name: part(material, names == name, answer, thresholds, draws)
        for name in (*order, *([OTHERS] if small else []))
    }


def thresholds_of(card: Card, classes: Sequence[str]) -> list[float]:
    """Return a card's thresholds in the order of ``classes``."""
    return [card.thresholds[name] for name in classes]


def number(value: float) -> float | None:
    """Round a value for a report: six digits, None if undefined."""
    found = none_if_nan(value)
    return None if found is None else round(found, _DIGITS)


def span(values: Doubles) -> Interval | None:
    """Compute the 95 % interval of resampled values, rounded for a report."""
    low, high = interval(values)
    return None if math.isnan(low) else (round(low, _DIGITS), round(high, _DIGITS))


def _points(
    material: Material, answer: FloatArray, thresholds: Sequence[float]
) -> dict[str, float]:
    return overall(material.truth, answer, thresholds, exclusive=material.exclusive)


def _with_intervals(points: dict[str, float], drawn: Resampled) -> dict[str, Any]:
    """Return the fields of :class:`~landcover.evaluate.report.Metrics`."""
    return {
        **{name: number(value) for name, value in points.items()},
        "confidence_intervals": {name: span(drawn.overall[name]) for name in points},
    }


def _class_metrics(
    material: Material, answer: FloatArray, thresholds: Sequence[float], drawn: Resampled
) -> dict[str, ClassMetrics]:
    found = per_class(material.truth, answer, thresholds, exclusive=material.exclusive)
    spans = [
        {key: span(drawn.per_class[key][:, k]) for key in CLASS_METRICS}
        for k in range(len(material.classes))
    ]
    return {
        name: ClassMetrics(
            support=item.support,
            **{key: number(getattr(item, key)) for key in CLASS_METRICS},
            # Not rounded, since decisions are recomputed from it.
            threshold=item.threshold,
            ap_interval=intervals["ap"],
            confidence_intervals=intervals,
        )
        for name, item, intervals in zip(material.classes, found, spans, strict=True)
    }


def _margins(
    points: Sequence[dict[str, float]], drawn: Sequence[Resampled], k: int
) -> dict[str, Margin]:
    return {
        name: Margin(
            difference=number(points[0][name] - points[k][name]),
            interval=span(drawn[0].overall[name] - drawn[k].overall[name]),
        )
        for name in MARGINS
        if name in points[0]
    }
