"""Score predictions that were made out of fold: of places that no fit has seen.

All patches are scored together, each by the fit that left its place out
(:mod:`landcover.datasets.folds`). Models are compared on the same patches and resamples. The
scores rank patches of different fits together, so a recipe whose fits disagree on how frequent a
class is loses by it. One that only states frequencies falls below chance within each class, since
a class is the rarer in a fit the more of it is left out.

Intervals are those of a bootstrap over products by default: patches of a product are similar, and
the question is what a model does at another place. They hold for places like these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import numpy as np
from pydantic import Field

from landcover import __version__
from landcover.core.raster import FloatArray
from landcover.core.schema import Interval, Schema
from landcover.datasets.folds import By, Fold
from landcover.evaluate.decision_scores import FEW_PLACES, effective_places
from landcover.evaluate.report import Bootstrap, Margin
from landcover.evaluate.report_metrics import Draws, Material, number, per_country, span
from landcover.evaluate.report_text import UNIT_WORDS, decimals, short, with_span
from landcover.metrics.bootstrap import Resampled
from landcover.metrics.crossfit import places as products
from landcover.metrics.scores import MIN_POSITIVES, counted_classes, overall, per_class

__all__ = [
    "Answer",
    "ByPlace",
    "ClassAP",
    "FoldSize",
    "MacroMicro",
    "PartAP",
    "Scored",
    "as_text",
    "score",
]

_METRICS: Final = ("macro_ap", "micro_ap")


class MacroMicro(Schema):
    """Macro and micro average precision with their 95 % intervals."""

    macro_ap: float | None
    micro_ap: float | None
    confidence_intervals: dict[str, Interval | None]


class PartAP(MacroMicro):
    """The scores of the patches of a country; None if there are too few patches.

    The intervals are None if too few places are drawn: if the effective number of blocks or
    products, (Σ n)² / Σ n² of their numbers of patches, is less than five.
    """

    n: int
    macro_classes: tuple[str, ...]


class ClassAP(Schema):
    """Average precision of a class; ``support`` is the number of patches with it."""

    support: int
    ap: float | None
    interval: Interval | None


class Scored(MacroMicro):
    """The scores of one recipe; ``margin`` is the judged recipe's score minus this one's."""

    settings: str
    per_class: dict[str, ClassAP]
    per_country: dict[str, PartAP]
    margin: dict[str, Margin] = Field(default_factory=dict)


class FoldSize(Schema):
    """The numbers of patches of a fold; ``near`` were left out as neighbours."""

    name: str
    held_out: int
    fitted: int
    near: int


class ByPlace(Scored):
    """What ``landcover evaluate --by … --json`` prints."""

    version: Literal[1] = 1
    model: str
    dataset: str
    by: By
    n: int
    folds: tuple[FoldSize, ...]
    macro_classes: tuple[str, ...]
    """The classes over which macro scores are averaged."""
    against: dict[str, Scored]
    products: int
    """Number of products that the patches are from."""
    bootstrap: Bootstrap
    command: str = ""
    date: str = ""
    landcover: str = ""
    """Version of the library."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The predictions of one recipe.

    Attributes:
        name: of the recipe, or of its folder.
        settings: of the recipe.
        probability: float32 ``(patch, class)``, 0 to 1.
    """

    name: str
    settings: str
    probability: FloatArray


def score(
    material: Material,
    folds: Sequence[Fold],
    by: By,
    judged: Answer,
    others: Sequence[Answer] = (),
    *,
    dataset: str,
    draws: Draws | None = None,
    command: str = "",
) -> ByPlace:
    """Score predictions that were made out of fold.

    Args:
        material: the patches.
        folds: as the predictions were made.
        by: what the folds leave out.
        judged: the recipe to judge.
        others: recipes to compare it with, on the same patches and folds.
        dataset: name of the data.
        draws: bootstrap settings; by default products are drawn.
        command: the command that repeats it.
    """
    draws = draws or Draws(unit="product")
    sides = (judged, *others)
    half = [0.5] * len(material.classes)  # Average precision needs no thresholds.
    points = [overall(material.truth, side.probability, half) for side in sides]
    drawn = [draws.of(material, side.probability, half) for side in sides]
    scored = [_scored(material, *each, draws) for each in zip(sides, points, drawn, strict=True)]
    return ByPlace(
        **scored[0].given_fields(),
        version=1,
        model=judged.name,
        dataset=dataset,
        by=by,
        n=len(material.ids),
        folds=tuple(
            FoldSize(
                name=fold.name,
                held_out=len(fold.held_out),
                fitted=len(fold.fitted),
                near=fold.near,
            )
            for fold in folds
        ),
        macro_classes=tuple(material.classes[k] for k in counted_classes(material.truth)),
        against={
            side.name: found.with_fields(
                margin={key: _margin(points, drawn, k, key) for key in _METRICS}
            )
            for k, (side, found) in enumerate(zip(sides, scored, strict=True))
            if k
        },
        products=len(np.unique(products(material.ids))),
        bootstrap=draws.described(material),
        command=command,
        date=datetime.now(UTC).date().isoformat(),
        landcover=__version__,
    )


def _scored(
    material: Material,
    side: Answer,
    points: Mapping[str, float],
    drawn: Resampled,
    draws: Draws,
) -> Scored:
    half = [0.5] * len(material.classes)
    classes = per_class(material.truth, side.probability, half)
    return Scored(
        settings=side.settings,
        macro_ap=number(points["macro_ap"]),
        micro_ap=number(points["micro_ap"]),
        confidence_intervals={key: span(drawn.overall[key]) for key in _METRICS},
        per_class={
            name: ClassAP(support=one.support, ap=number(one.ap), interval=span(drawn.ap[:, k]))
            for k, (name, one) in enumerate(zip(material.classes, classes, strict=True))
        },
        per_country=_countries(material, side.probability, draws),
    )


def _countries(material: Material, answer: FloatArray, draws: Draws) -> dict[str, PartAP]:
    half = [0.5] * len(material.classes)
    found = {}
    for name, part in per_country(material, answer, half, draws).items():
        enough = _effective_places(material, name, draws) >= FEW_PLACES
        found[name] = PartAP(
            n=part.n,
            macro_ap=part.macro_ap,
            micro_ap=part.micro_ap,
            confidence_intervals={key: part.interval(key) if enough else None for key in _METRICS},
            macro_classes=part.macro_classes,
        )
    return found


def _effective_places(material: Material, country: str, draws: Draws) -> float:
    some = material.rows(np.array(material.countries) == country)
    groups = draws.groups(some)
    return float(len(some.ids)) if groups is None else effective_places(groups)


def _margin(
    points: Sequence[Mapping[str, float]], drawn: Sequence[Resampled], k: int, key: str
) -> Margin:
    return Margin(
        difference=number(points[0][key] - points[k][key]),
        interval=span(drawn[0].overall[key] - drawn[k].overall[key]),
    )


def as_text(found: ByPlace) -> str:
    """Format the scores for a terminal."""
    parts = (_head_lines(found), _score_lines(found), _class_lines(found), _country_lines(found))
    return "\n\n".join("\n".join(lines) for lines in parts)


def _head_lines(found: ByPlace) -> list[str]:
    near = sum(fold.near for fold in found.folds)
    how = f"each scored by a fit without its {found.by} ({len(found.folds)} folds)"
    lines = [
        f"{found.model} on {found.dataset}, training and validation patches",
        f"{found.n} patches of {found.products} products, {how}",
    ]
    if near:
        lines.append(f"{near} neighbours of left-out patches were left out of their fits, too.")
    return lines


def _score_lines(found: ByPlace) -> list[str]:
    lines = [f"{'':<34}" + "".join(f"{key:>24}" for key in _METRICS), _row(found.model, found)]
    lines += [_row(name, one) for name, one in found.against.items()]
    for name, one in found.against.items():
        margins = (one.margin[key] for key in _METRICS)
        cells = (with_span(each.difference, each.interval, sign="+") for each in margins)
        lines.append(f"{f'above {_end(name, 27)}':<34}" + "".join(f"{cell:>24}" for cell in cells))
    drawn = f"{found.bootstrap.resamples} bootstrap resamples of {UNIT_WORDS[found.bootstrap.unit]}"
    counted = f"{len(found.macro_classes)} classes with at least {MIN_POSITIVES} positives (*)"
    return [
        *lines,
        f"Brackets contain 95 % of {drawn}, the same for all.",
        f"macro_ap averages the {counted}; in a country, those of the country.",
    ]


def _class_lines(found: ByPlace) -> list[str]:
    names = found.against
    heads = "".join(f"{_end(name, 18):>20}" for name in names)
    lines = [f"  {'AP by class':<24}{'support':>8}{_end(found.model, 22):>24}{heads}"]
    for label, one in found.per_class.items():
        mark = "*" if label in found.macro_classes else " "
        own = with_span(one.ap, one.interval)
        cells = "".join(f"{decimals(names[name].per_class[label].ap):>20}" for name in names)
        lines.append(f"{mark} {short(label):<24}{one.support:>8}{own:>24}{cells}")
    return lines


def _country_lines(found: ByPlace) -> list[str]:
    return [
        f"{f'{found.model} by country':<34}" + "".join(f"{key:>24}" for key in _METRICS),
        *(
            _row(f"{name} ({one.n}; {len(one.macro_classes)} classes)", one)
            for name, one in found.per_country.items()
        ),
    ]


def _end(name: str, most: int) -> str:
    """The end of a name, which in a path says most."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


def _row(name: str, scores: MacroMicro) -> str:
    cells = (
        with_span(value, scores.confidence_intervals[key])
        for key, value in zip(_METRICS, (scores.macro_ap, scores.micro_ap), strict=True)
    )
    return f"{_end(name, 33):<34}" + "".join(f"{cell:>24}" for cell in cells)
