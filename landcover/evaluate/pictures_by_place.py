"""Score predictions of EuroSAT pictures in cells that no fit has seen.

The counterpart of :mod:`landcover.evaluate.by_place` for pictures, which have one class each: the
accuracy, recall and precision of each class, the folds, and the worst cells with what is confused
there. Intervals hold 95 % of a bootstrap over cells, the same resamples for all recipes, because
pictures of a cell share landscape, weather and season.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from landcover import __version__
from landcover.core.classes import EUROSAT_CLASSES
from landcover.core.raster import FloatArray
from landcover.core.schema import Interval, Schema
from landcover.datasets.eurosat import EuroSatRecord
from landcover.datasets.folds import Fold
from landcover.datasets.picture_folds import CELL_DEGREES, GAP_KM, cells_of
from landcover.evaluate.report import Margin
from landcover.evaluate.report_metrics import Draws, number, span
from landcover.evaluate.report_text import with_span

__all__ = [
    "CellScores",
    "ClassScores",
    "Confusion",
    "PictureAnswer",
    "PictureFold",
    "PictureScores",
    "PicturesByPlace",
    "as_text",
    "score",
]

_CLASSES: Final = len(EUROSAT_CLASSES)
_MOST_CELLS: Final = 10
_MOST_CONFUSIONS: Final = 8
_MOST_IN_CELL: Final = 2

Counts = npt.NDArray[np.int64]


class Confusion(Schema):
    """Pictures of the class ``truth`` that were called ``called``."""

    truth: str
    called: str
    n: int


class ClassScores(Schema):
    """Recall and precision of a class; None if it has no picture, or was never called."""

    support: int
    recall: float | None
    precision: float | None
    recall_interval: Interval | None
    precision_interval: Interval | None


class PictureFold(Schema):
    """Numbers of pictures of a fold, and the accuracy in it; ``near`` were left out of its fit."""

    name: str
    held_out: int
    fitted: int
    near: int
    accuracy: float


class CellScores(Schema):
    """The accuracy in a cell, and what is confused there most."""

    cell: str
    """Latitude and longitude of its south-western corner, in degrees."""
    n: int
    errors: int
    accuracy: float
    confusions: tuple[Confusion, ...]


class PictureScores(Schema):
    """The scores of one recipe; ``margin`` is the judged recipe's accuracy minus this one's."""

    settings: str
    accuracy: float
    interval: Interval | None
    worst_fold: float
    per_class: dict[str, ClassScores]
    confusions: tuple[Confusion, ...]
    margin: Margin | None = None


class PicturesByPlace(PictureScores):
    """What ``landcover evaluate --by place --json`` prints."""

    version: Literal[1] = 1
    model: str
    dataset: str
    by: Literal["place"] = "place"
    n: int
    cells: int
    cell_degrees: float
    gap_km: float
    folds: tuple[PictureFold, ...]
    worst_cells: tuple[CellScores, ...]
    """The cells with most errors, as many as hold a half of all, at most ten."""
    against: dict[str, PictureScores] = Field(default_factory=dict)
    resamples: int
    seed: int
    command: str = ""
    date: str = ""
    landcover: str = ""
    """Version of the library."""


@dataclass(frozen=True, kw_only=True)
class PictureAnswer:
    """The predictions of one recipe.

    Attributes:
        name: of the recipe, or of its folder.
        settings: of the recipe.
        logits: float32 ``(picture, class)``.
    """

    name: str
    settings: str
    logits: FloatArray


def score(
    pictures: Sequence[EuroSatRecord],
    folds: Sequence[Fold],
    judged: PictureAnswer,
    others: Sequence[PictureAnswer] = (),
    *,
    dataset: str,
    draws: Draws | None = None,
    command: str = "",
) -> PicturesByPlace:
    """Score predictions that were made out of fold.

    Args:
        pictures: all pictures of the folds.
        folds: as the predictions were made.
        judged: the recipe to judge.
        others: recipes to compare it with, on the same pictures and folds.
        dataset: name of the data.
        draws: bootstrap settings; whole cells are drawn.
        command: the command that repeats it.
    """
    draws = draws or Draws()
    names, cell = np.unique(cells_of(pictures), return_inverse=True)
    truth = np.array([EUROSAT_CLASSES.index(picture.label) for picture in pictures])
    chance = np.random.default_rng(draws.seed)
    even = np.full(len(names), 1.0 / len(names))
    weights = chance.multinomial(len(names), even, size=draws.resamples)
    sides = (judged, *others)
    tables = [_tables(truth, side.logits.argmax(axis=1), cell, len(names)) for side in sides]
    drawn = [np.tensordot(weights, table, axes=1) for table in tables]
    scored = [
        _scored(side, table, some, truth, folds)
        for side, table, some in zip(sides, tables, drawn, strict=True)
    ]
    hits = judged.logits.argmax(axis=1) == truth
    return PicturesByPlace(
        **scored[0].given_fields(),
        version=1,
        by="place",
        model=judged.name,
        dataset=dataset,
        n=len(pictures),
        cells=len(names),
        cell_degrees=CELL_DEGREES,
        gap_km=GAP_KM,
        folds=tuple(
            PictureFold(
                name=fold.name,
                held_out=len(fold.held_out),
                fitted=len(fold.fitted),
                near=fold.near,
                accuracy=round(float(hits[list(fold.held_out)].mean()), 6),
            )
            for fold in folds
        ),
        worst_cells=_worst(names, tables[0]),
        against={
            side.name: found.with_fields(
                margin=Margin(
                    difference=number(scored[0].accuracy - found.accuracy),
                    interval=span(_accuracy(drawn[0]) - _accuracy(some)),
                )
            )
            for side, found, some in zip(sides[1:], scored[1:], drawn[1:], strict=True)
        },
        resamples=draws.resamples,
        seed=draws.seed,
        command=command,
        date=datetime.now(UTC).date().isoformat(),
        landcover=__version__,
    )


def _tables(truth: Counts, called: Counts, cell: Counts, cells: int) -> Counts:
    """Count pictures, ``(cell, truth, called)``."""
    found = np.zeros((cells, _CLASSES, _CLASSES), dtype=np.int64)
    np.add.at(found, (cell, truth, called), 1)
    return found


def _accuracy(tables: Counts) -> npt.NDArray[np.float64]:
    """Accuracy of tables ``(…, truth, called)``."""
    right = np.trace(tables, axis1=-2, axis2=-1)
    share: npt.NDArray[np.float64] = right / tables.sum(axis=(-2, -1)).clip(min=1)
    return share


def _shares(tables: Counts, axis: int) -> npt.NDArray[np.float64]:
    """Recall (axis −1) or precision (axis −2) of each class; NaN if undefined."""
    own = np.diagonal(tables, axis1=-2, axis2=-1)
    count = tables.sum(axis=axis)
    found: npt.NDArray[np.float64] = np.where(count > 0, own / count.clip(min=1), np.nan)
    return found


def _scored(
    side: PictureAnswer, table: Counts, drawn: Counts, truth: Counts, folds: Sequence[Fold]
) -> PictureScores:
    hits = side.logits.argmax(axis=1) == truth
    whole = table.sum(axis=0)
    recall, precision = _shares(whole, -1), _shares(whole, -2)
    recalls, precisions = _shares(drawn, -1), _shares(drawn, -2)
    return PictureScores(
        settings=side.settings,
        accuracy=round(float(_accuracy(whole)), 6),
        interval=span(_accuracy(drawn)),
        worst_fold=round(min(float(hits[list(fold.held_out)].mean()) for fold in folds), 6),
        per_class={
            name: ClassScores(
                support=int(whole[k].sum()),
                recall=number(recall[k]),
                precision=number(precision[k]),
                recall_interval=span(recalls[:, k]),
                precision_interval=span(precisions[:, k]),
            )
            for k, name in enumerate(EUROSAT_CLASSES)
        },
        confusions=_confusions(whole, _MOST_CONFUSIONS),
    )


def _confusions(table: Counts, most: int) -> tuple[Confusion, ...]:
    """The most frequent confusions of a table ``(truth, called)``."""
    wrong = table - np.diag(table.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = (np.unravel_index(k, wrong.shape) for k in order)
    return tuple(
        Confusion(truth=EUROSAT_CLASSES[a], called=EUROSAT_CLASSES[b], n=int(wrong[a, b]))
        for a, b in pairs
        if wrong[a, b]
    )


def _worst(names: npt.NDArray[Any], tables: Counts) -> tuple[CellScores, ...]:
    count = tables.sum(axis=(1, 2))
    errors = count - np.trace(tables, axis1=1, axis2=2)
    order = np.argsort(-errors, kind="stable")
    before = (np.cumsum(errors[order]) - errors[order]) / max(1, errors.sum())
    chosen = [k for k, share in zip(order, before, strict=True) if errors[k] and share < 0.5]
    return tuple(
        CellScores(
            cell=str(names[k]),
            n=int(count[k]),
            errors=int(errors[k]),
            accuracy=round(float(1 - errors[k] / count[k]), 6),
            confusions=_confusions(tables[k], _MOST_IN_CELL),
        )
        for k in chosen[:_MOST_CELLS]
    )


def as_text(found: PicturesByPlace) -> str:
    """Format the scores for a terminal."""
    parts = (_head(found), _rows(found), _fold_rows(found), _class_rows(found), _cell_rows(found))
    return "\n\n".join("\n".join(lines) for lines in parts)


def _head(found: PicturesByPlace) -> list[str]:
    near = sum(fold.near for fold in found.folds)
    cells = f"{found.cells} cells of {found.cell_degrees:g} degrees"
    return [
        f"{found.model} on {found.dataset}, training and validation pictures",
        f"{found.n} pictures in {cells}, each scored by a fit without its cell",
        f"{near} neighbours within {found.gap_km:g} km of left-out pictures were left out, too",
    ]


def _rows(found: PicturesByPlace) -> list[str]:
    lines = [f"{'':<34}{'accuracy':>24}{'worst fold':>14}"]
    lines += [
        f"{name[-33:]:<34}{with_span(one.accuracy, one.interval):>24}{one.worst_fold:>14.3f}"
        for name, one in ((found.model, found), *found.against.items())
    ]
    for name, one in found.against.items():
        if one.margin is not None:
            text = with_span(one.margin.difference, one.margin.interval, sign="+")
            lines.append(f"{f'above {name[-27:]}':<34}{text:>24}")
    return [*lines, f"Brackets contain 95 % of {found.resamples} bootstrap resamples of cells."]


def _fold_rows(found: PicturesByPlace) -> list[str]:
    lines = [f"{'fold':<14}{'pictures':>10}{'fitted':>10}{'near':>8}{'accuracy':>10}"]
    return lines + [
        f"{fold.name:<14}{fold.held_out:>10}{fold.fitted:>10}{fold.near:>8}{fold.accuracy:>10.3f}"
        for fold in found.folds
    ]


def _class_rows(found: PicturesByPlace) -> list[str]:
    lines = [f"{'class':<24}{'pictures':>10}{'recall':>24}{'precision':>24}"]
    for name, one in found.per_class.items():
        recall = with_span(one.recall, one.recall_interval)
        precision = with_span(one.precision, one.precision_interval)
        lines.append(f"{name:<24}{one.support:>10}{recall:>24}{precision:>24}")
    if found.confusions:
        lines.append("confused most: " + _told(found.confusions))
    return lines


def _cell_rows(found: PicturesByPlace) -> list[str]:
    if not found.worst_cells:
        return ["no errors"]
    lines = [f"{'cells with most errors':<24}{'pictures':>10}{'errors':>8}{'accuracy':>10}"]
    return lines + [
        f"{one.cell:<24}{one.n:>10}{one.errors:>8}{one.accuracy:>10.3f}  {_told(one.confusions)}"
        for one in found.worst_cells
    ]


def _told(confusions: Sequence[Confusion]) -> str:
    return ", ".join(f"{one.truth} as {one.called} {one.n}" for one in confusions)
