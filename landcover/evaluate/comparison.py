"""Compare two models on the same patches: their differences and whether these are significant.

Both models are measured on the same bootstrap resamples, and the interval is that of the
*difference* (a paired bootstrap; Efron and Tibshirani 1993, chapter 16). Patches that are
difficult for both models change both metrics but not the difference, so its interval is much
narrower than two separate intervals suggest. If the interval contains 0, these patches do not
show which model is better. Of many differences, one in twenty excludes 0 by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from landcover.core.errors import BadInput
from landcover.core.raster import FloatArray
from landcover.core.schema import Interval, Schema
from landcover.evaluate.report import Bootstrap, Evaluation
from landcover.evaluate.report_metrics import Draws, Material, number, span, thresholds_of
from landcover.evaluate.report_text import UNIT_WORDS, decimals, short, with_span
from landcover.metrics.bootstrap import Resampled
from landcover.metrics.scores import (
    CLASS_METRICS,
    LOWER_IS_BETTER,
    MIN_POSITIVES,
    Doubles,
    counted_classes,
    overall,
    per_class,
)
from landcover.models.card import Card

__all__ = [
    "ClassGaps",
    "ComparedModel",
    "Comparison",
    "Gap",
    "Side",
    "as_text",
    "compare",
    "compare_sides",
    "side_of",
]

_SHOWN: Final = ("ap", "f1")
"""Class metrics shown in a terminal."""
_BETTER: Final = {"a": "A", "b": "B", None: "–"}


class Gap(Schema):
    """Difference of two models in one metric.

    ``a`` and ``b`` are the metrics, ``difference`` is A − B with its 95 % ``interval``, and
    ``share_a_better`` is the share of resamples in which A is better (ties count half).
    ``better`` is None if the interval contains 0 or the class has fewer than five positives.
    """

    a: float | None
    b: float | None
    difference: float | None
    interval: Interval | None
    share_a_better: float | None
    better: Literal["a", "b"] | None


class ClassGaps(Schema):
    """The differences in one class; ``support`` is the number of patches with it."""

    support: int
    ap: Gap
    precision: Gap
    recall: Gap
    f1: Gap
    f2: Gap
    brier: Gap
    ece: Gap
    ace: Gap

    def gap(self, name: str) -> Gap:
        """Return the difference in one of :data:`landcover.metrics.scores.CLASS_METRICS`."""
        found: Gap = getattr(self, name)
        return found


class ComparedModel(Schema):
    """Name and version of one of the two models."""

    model: str
    card_hash: str
    seen_in_training: bool | None


class Comparison(Schema):
    """Comparison of two models on the same patches, as ``landcover compare --json`` prints it."""

    version: Literal[1] = 1
    dataset: str
    split: str
    a: ComparedModel
    b: ComparedModel
    n: int
    overall: dict[str, Gap]
    """Metric over all classes → difference."""
    per_class: dict[str, ClassGaps]
    macro_classes: tuple[str, ...]
    bootstrap: Bootstrap


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two models, with its probabilities.

    Attributes:
        name: name of the model.
        card_hash: hash of its card.
        probability: ``(patch, class)``, 0 to 1.
        thresholds: one per class.
        seen: whether it was trained on these patches; None if unknown.
    """

    name: str
    card_hash: str
    probability: FloatArray
    thresholds: Sequence[float]
    seen: bool | None = None


def side_of(card: Card, answer: FloatArray, classes: Sequence[str], *, seen: bool | None) -> Side:
    """Build a model's side from its card and its probabilities."""
    return Side(
        name=card.name,
        card_hash=card.hash,
        probability=answer,
        thresholds=thresholds_of(card, classes),
        seen=seen,
    )


def compare(first: Evaluation, second: Evaluation, *, draws: Draws | None = None) -> Comparison:
    """Compare two reports, which may list the patches in different orders.

    Args:
        first: report of model A.
        second: report of model B.
        draws: bootstrap settings.

    Raises:
        BadInput: the reports are about different patches, labels or classes.
    """
    _refuse(first, second)
    found = first.predictions
    rows = {name: row for row, name in enumerate(second.predictions.ids)}
    order = np.array([rows[name] for name in found.ids])
    columns = [second.classes.index(name) for name in first.classes]
    if not np.array_equal(second.predictions.truth[order][:, columns], found.truth):
        raise BadInput(
            "The two reports give the same patches different labels: evaluate both models on "
            "the same copy of the data set."
        )
    material = Material(
        ids=found.ids,
        classes=first.classes,
        truth=found.truth,
        countries=found.countries,
        places=np.array(found.blocks),
        exclusive=first.exclusive,
    )
    thresholds = second.thresholds()
    sides = (
        _side(first, found.probability, first.thresholds()),
        _side(
            second,
            second.predictions.probability[order][:, columns],
            [thresholds[k] for k in columns],
        ),
    )
    return compare_sides(
        material,
        *sides,
        dataset=first.metrics.dataset,
        split=first.metrics.split,
        draws=draws,
    )


def compare_sides(
    material: Material,
    first: Side,
    second: Side,
    *,
    dataset: str,
    split: str,
    draws: Draws | None = None,
) -> Comparison:
    """Compare two models' probabilities on the same patches.

    Args:
        material: the patches.
        first: model A.
        second: model B.
        dataset: name of the data set.
        split: its split.
        draws: bootstrap settings.
    """
    draws = draws or Draws()
    sides = (first, second)
    drawn = [draws.of(material, s.probability, s.thresholds) for s in sides]
    points = [
        overall(material.truth, s.probability, s.thresholds, exclusive=material.exclusive)
        for s in sides
    ]
    a, b = (
        ComparedModel(model=s.name, card_hash=s.card_hash, seen_in_training=s.seen) for s in sides
    )
    return Comparison(
        version=1,
        dataset=dataset,
        split=split,
        a=a,
        b=b,
        n=len(material.truth),
        overall={
            name: _gap(name, [p[name] for p in points], [d.overall[name] for d in drawn])
            for name in material.metrics
        },
        per_class=_class_gaps(material, sides, drawn),
        macro_classes=tuple(material.classes[k] for k in counted_classes(material.truth)),
        bootstrap=draws.described(material),
    )


def as_text(found: Comparison) -> str:
    """Format a comparison for a terminal."""
    boot, models = found.bootstrap, (found.a, found.b)
    head = [
        f"A {found.a.model} ({found.a.card_hash}), B {found.b.model} ({found.b.card_hash})",
        f"on {found.dataset}, split {found.split}: {found.n} patches",
        *(
            f"{one.model} was trained on these patches: its metrics are too good."
            for one in models
            if one.seen_in_training
        ),
    ]
    rows = [f"{'':<30}{'A':>9}{'B':>9}{'A − B':>28}{'A better in':>13}{'better':>8}"]
    for name, gap in found.overall.items():
        arrow = " ↓" if name in LOWER_IS_BETTER else ""
        rows.append(_row(name + arrow, gap))
    drawn = f"{boot.resamples} paired bootstrap resamples of {UNIT_WORDS[boot.unit]}"
    undecided = f"If they contain 0, or a class has fewer than {MIN_POSITIVES} patches"
    tail = [
        f"Brackets contain 95 % of {drawn}; the patches are in {boot.blocks} blocks.",
        f"{undecided}, the data do not show which is better. ↓: lower is better.",
    ]
    classes = [
        row
        for key in _SHOWN
        for row in (
            f"{key.upper()} by class",
            *(
                _row(f"{short(name)} ({item.support})", item.gap(key))
                for name, item in found.per_class.items()
                if item.support
            ),
        )
    ]
    return "\n\n".join("\n".join(lines) for lines in (head, rows, classes, tail))


def _side(report: Evaluation, answer: FloatArray, thresholds: Sequence[float]) -> Side:
    return Side(
        name=report.metrics.model,
        card_hash=report.metrics.card_hash,
        probability=answer,
        thresholds=thresholds,
        seen=report.metrics.seen_in_training,
    )


def _refuse(first: Evaluation, second: Evaluation) -> None:
    """Check that two reports are about the same patches and classes.

    Raises:
        BadInput: they are not.
    """
    a, b = first.predictions.ids, second.predictions.ids
    if set(first.classes) != set(second.classes) or first.exclusive != second.exclusive:
        raise BadInput(
            f"{first.metrics.model} and {second.metrics.model} were measured on different "
            "classes: compare two models of the same classes."
        )
    if set(a) != set(b) or len(set(a)) != len(a) or len(a) != len(b):
        raise BadInput(
            f"The reports of {first.metrics.model} and {second.metrics.model} are about "
            f"different patches ({len(a)} and {len(b)}, {len(set(a) & set(b))} in both): "
            "evaluate both on the same data."
        )


def _gap(
    name: str, points: Sequence[float], drawn: Sequence[Doubles], *, enough: bool = True
) -> Gap:
    """Compute the difference of two models in one metric."""
    gaps = drawn[0] - drawn[1]
    known = gaps[np.isfinite(gaps)] * (-1 if name in LOWER_IS_BETTER else 1)
    interval = span(gaps)
    better: Literal["a", "b"] | None = None
    if enough and interval is not None and not interval[0] <= 0 <= interval[1]:
        better = "a" if (interval[0] > 0) != (name in LOWER_IS_BETTER) else "b"
    share = float(((known > 0) + 0.5 * (known == 0)).mean()) if known.size else np.nan
    return Gap(
        a=number(points[0]),
        b=number(points[1]),
        difference=number(points[0] - points[1]),
        interval=interval,
        share_a_better=number(share),
        better=better,
    )


def _class_gaps(
    material: Material, sides: Sequence[Side], drawn: Sequence[Resampled]
) -> dict[str, ClassGaps]:
    found = [
        per_class(material.truth, s.probability, s.thresholds, exclusive=material.exclusive)
        for s in sides
    ]
    return {
        label: ClassGaps(
            support=found[0][k].support,
            **{
                key: _gap(
                    key,
                    [getattr(each[k], key) for each in found],
                    [d.per_class[key][:, k] for d in drawn],
                    enough=found[0][k].support >= MIN_POSITIVES,
                )
                for key in CLASS_METRICS
            },
        )
        for k, label in enumerate(material.classes)
    }


def _row(name: str, gap: Gap) -> str:
    share = "–" if gap.share_a_better is None else f"{gap.share_a_better:.0%}"
    return (
        f"{name:<30}{decimals(gap.a):>9}{decimals(gap.b):>9}"
        f"{with_span(gap.difference, gap.interval, sign='+'):>28}"
        f"{share:>13}{_BETTER[gap.better]:>8}"
    )
