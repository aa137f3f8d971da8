"""Two models on the same patches: how far apart they are, and whether that is chance.

Both are measured on the same bootstrap resamples, and the interval is one of the
*difference* (a paired bootstrap; Efron and Tibshirani 1993, chapter 16): patches that are
hard for both models move both figures and leave the difference alone, so that it is far
surer than two separate intervals would let one think. Where the interval holds 0, these
patches do not tell which model is better. Of many differences looked at, one in twenty
excludes 0 by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from landcover.core.errors import BadInput
from landcover.core.raster import FloatArray
from landcover.evaluate.report_metrics import Draws, Material, number, span, thresholds_of
from landcover.evaluate.report_text import UNIT_WORDS, figure, short, with_span
from landcover.evaluate.run import Evaluation
from landcover.metrics.bootstrap import Resampled
from landcover.metrics.scores import (
    CLASS_FIGURES,
    LOWER_IS_BETTER,
    MIN_POSITIVES,
    Doubles,
    counted_classes,
    overall,
    per_class,
)
from landcover.models.card import Card

_SHOWN: Final = ("ap", "f1")
"""Figures of a class that a terminal shows."""
_VERDICTS: Final = {"a": "A", "b": "B", None: "–"}


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of two models, with what it says.

    Attributes:
        name: of the model.
        card_hash: which version of it.
        probability: ``(patch, class)``.
        thresholds: one a class.
        seen: whether it has learnt from these patches; None where that is not known.
    """

    name: str
    card_hash: str
    probability: FloatArray
    thresholds: Sequence[float]
    seen: bool | None = None


def side_of(card: Card, answer: FloatArray, classes: Sequence[str], *, seen: bool | None) -> Side:
    """A model's side from its card and its answers."""
    return Side(
        name=card.name,
        card_hash=card.hash,
        probability=answer,
        thresholds=thresholds_of(card, classes),
        seen=seen,
    )


def compare(first: Evaluation, second: Evaluation, *, draws: Draws | None = None) -> dict[str, Any]:
    """Compare two reports, whose patches may stand in different orders.

    Args:
        first: of model A.
        second: of model B.
        draws: how intervals are made.

    Returns:
        as :func:`compare_sides`, and ``dataset`` and ``split``.

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
    return {
        "dataset": first.figures["dataset"],
        "split": first.figures["split"],
        **compare_sides(material, *sides, draws=draws),
    }


def compare_sides(
    material: Material, first: Side, second: Side, *, draws: Draws | None = None
) -> dict[str, Any]:
    """Compare two models' answers on the same patches.

    Args:
        material: the patches.
        first: model A.
        second: model B.
        draws: how intervals are made.

    Returns:
        JSON-ready: ``a`` and ``b`` (which models), ``n``, ``overall`` (figure → gap),
        ``per_class`` (class → ``support`` and figure → gap), ``macro_classes``,
        ``bootstrap``. A gap is ``a`` and ``b`` (the figures), ``difference`` (A − B), its
        95 % ``interval``, ``share_a_better`` (of the resamples, ties as halves) and
        ``better``: ``a``, ``b``, or None where the interval holds 0 or the class has fewer
        than five positives.
    """
    draws = draws or Draws()
    sides = (first, second)
    drawn = [draws.of(material, s.probability, s.thresholds) for s in sides]
    points = [
        overall(material.truth, s.probability, s.thresholds, exclusive=material.exclusive)
        for s in sides
    ]
    return {
        **{
            key: {"model": s.name, "card_hash": s.card_hash, "seen_in_training": s.seen}
            for key, s in zip("ab", sides, strict=True)
        },
        "n": len(material.truth),
        "overall": {
            name: _gap(name, [p[name] for p in points], [d.overall[name] for d in drawn])
            for name in material.figures
        },
        "per_class": _class_gaps(material, sides, drawn),
        "macro_classes": [material.classes[k] for k in counted_classes(material.truth)],
        "bootstrap": draws.as_dict(material),
    }


def as_text(record: dict[str, Any]) -> str:
    """A comparison as a person reads it in a terminal."""
    names = [record[key]["model"] for key in "ab"]
    boot = record["bootstrap"]
    head = [
        f"A {names[0]} ({record['a']['card_hash']}), B {names[1]} ({record['b']['card_hash']})",
        f"on {record['dataset']}, split {record['split']}: {record['n']} patches",
        *(
            f"{names['ab'.index(key)]} has learnt from these patches: its figures flatter it."
            for key in "ab"
            if record[key]["seen_in_training"]
        ),
    ]
    rows = [f"{'':<30}{'A':>9}{'B':>9}{'A − B':>28}{'A better in':>13}{'better':>8}"]
    for name, gap in record["overall"].items():
        arrow = " ↓" if name in LOWER_IS_BETTER else ""
        rows.append(_row(name + arrow, gap))
    drawn = f"{boot['resamples']} paired bootstrap resamples of {UNIT_WORDS[boot['unit']]}"
    undecided = f"Where they hold 0, or a class has fewer than {MIN_POSITIVES} patches"
    tail = [
        f"Brackets hold 95 % of {drawn}; the patches lie in {boot['blocks']} blocks.",
        f"{undecided}, nothing tells which is better. ↓: lower is better.",
    ]
    classes = [
        row
        for key in _SHOWN
        for row in (
            f"{key.upper()} by class",
            *(
                _row(f"{short(name)} ({item['support']})", item[key])
                for name, item in record["per_class"].items()
                if item["support"]
            ),
        )
    ]
    return "\n\n".join("\n".join(lines) for lines in (head, rows, classes, tail))


def _side(report: Evaluation, answer: FloatArray, thresholds: Sequence[float]) -> Side:
    return Side(
        name=str(report.figures["model"]),
        card_hash=str(report.figures["card_hash"]),
        probability=answer,
        thresholds=thresholds,
        seen=report.figures.get("seen_in_training"),
    )


def _refuse(first: Evaluation, second: Evaluation) -> None:
    """Raise unless two reports are about the same patches and classes.

    Raises:
        BadInput: they are not.
    """
    a, b = first.predictions.ids, second.predictions.ids
    if set(first.classes) != set(second.classes) or first.exclusive != second.exclusive:
        raise BadInput(
            f"{first.figures['model']} and {second.figures['model']} were measured on other "
            "classes: compare two models of the same."
        )
    if set(a) != set(b) or len(set(a)) != len(a) or len(a) != len(b):
        raise BadInput(
            f"The reports of {first.figures['model']} and {second.figures['model']} are about "
            f"different patches ({len(a)} and {len(b)}, {len(set(a) & set(b))} in both): "
            "evaluate both on the same data."
        )


def _gap(
    name: str, points: Sequence[float], drawn: Sequence[Doubles], *, enough: bool = True
) -> dict[str, Any]:
    """What lies between two models in one figure."""
    gaps = drawn[0] - drawn[1]
    known = gaps[np.isfinite(gaps)] * (-1 if name in LOWER_IS_BETTER else 1)
    interval = span(gaps)
    better = None
    if enough and interval is not None and not interval[0] <= 0 <= interval[1]:
        better = "a" if (interval[0] > 0) != (name in LOWER_IS_BETTER) else "b"
    share = float(((known > 0) + 0.5 * (known == 0)).mean()) if known.size else np.nan
    return {
        "a": number(points[0]),
        "b": number(points[1]),
        "difference": number(points[0] - points[1]),
        "interval": interval,
        "share_a_better": number(share),
        "better": better,
    }


def _class_gaps(
    material: Material, sides: Sequence[Side], drawn: Sequence[Resampled]
) -> dict[str, Any]:
    found = [
        per_class(material.truth, s.probability, s.thresholds, exclusive=material.exclusive)
        for s in sides
    ]
    return {
        label: {
            "support": found[0][k].support,
            **{
                key: _gap(
                    key,
                    [getattr(each[k], key) for each in found],
                    [d.per_class[key][:, k] for d in drawn],
                    enough=found[0][k].support >= MIN_POSITIVES,
                )
                for key in CLASS_FIGURES
            },
        }
        for k, label in enumerate(material.classes)
    }


def _row(name: str, gap: dict[str, Any]) -> str:
    share = gap["share_a_better"]
    return (
        f"{name:<30}{figure(gap['a']):>9}{figure(gap['b']):>9}"
        f"{with_span(gap['difference'], gap['interval'], sign='+'):>28}"
        f"{'–' if share is None else f'{share:.0%}':>13}{_VERDICTS[gap['better']]:>8}"
    )
