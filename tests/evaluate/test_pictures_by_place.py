"""Scores of pictures in left-out cells: accuracy, classes, folds, worst cells, paired intervals."""

from __future__ import annotations

import numpy as np
import pytest

from landcover.core.classes import EUROSAT_CLASSES
from landcover.datasets.eurosat import EuroSatRecord
from landcover.datasets.folds import Fold
from landcover.evaluate.pictures_by_place import PictureAnswer, as_text, score
from landcover.evaluate.report_metrics import Draws

CELLS, EACH = 6, 20
DRAWS = Draws(resamples=200)


@pytest.fixture(scope="module")
def pictures() -> tuple[EuroSatRecord, ...]:
    """Six cells of twenty pictures, all classes but the last."""
    return tuple(
        EuroSatRecord(
            name=f"{label}_{k}",
            label=label,
            split="train",
            latitude=40.5 + 2 * (k // EACH),
            longitude=1.0,
            member="",
        )
        for k in range(CELLS * EACH)
        for label in [EUROSAT_CLASSES[k % 9]]
    )


FOLDS = tuple(
    Fold(name=f"{k}", held_out=tuple(range(60 * k, 60 * k + 60)), fitted=(), near=k)
    for k in range(2)
)


def answer(pictures: tuple[EuroSatRecord, ...], name: str, wrong: range) -> PictureAnswer:
    """All right but some, which are called like the next class."""
    column = np.array([EUROSAT_CLASSES.index(one.label) for one in pictures])
    column[wrong] = (column[wrong] + 1) % 9
    return PictureAnswer(
        name=name, settings="{}", logits=np.eye(10, dtype=np.float32)[column] * 5 - 2
    )


def test_accuracy_folds_and_worst_cells_are_counted(pictures: tuple[EuroSatRecord, ...]) -> None:
    found = score(
        pictures, FOLDS, answer(pictures, "x", range(60, 72)), dataset="made", draws=DRAWS
    )
    assert found.accuracy == pytest.approx(0.9)
    assert [fold.accuracy for fold in found.folds] == [1.0, pytest.approx(0.8)]
    assert found.worst_fold == pytest.approx(0.8)
    (worst,) = found.worst_cells
    assert (worst.cell, worst.n, worst.errors) == ("46,0", 20, 12)
    assert sum(one.n for one in found.confusions) <= 12
    # Twelve wrong in one cell of six: between none and several of that cell are drawn.
    assert found.interval is not None
    assert found.interval[1] == 1.0
    assert found.interval[0] < 0.8


def test_recall_and_precision_are_those_of_the_table(pictures: tuple[EuroSatRecord, ...]) -> None:
    found = score(
        pictures, FOLDS, answer(pictures, "x", range(60, 63)), dataset="made", draws=DRAWS
    )
    first, last = EUROSAT_CLASSES[6], EUROSAT_CLASSES[9]  # Picture 60 is of class 6.
    support = found.per_class[first].support
    assert found.per_class[first].recall == pytest.approx((support - 1) / support, abs=1e-5)
    assert found.per_class[first].precision == 1.0
    # No picture of the last class, and none called so: undefined, not 0.
    none = found.per_class[last]
    assert (none.support, none.recall, none.precision, none.recall_interval) == (
        0,
        None,
        None,
        None,
    )


def test_recipes_are_compared_on_the_same_resamples(pictures: tuple[EuroSatRecord, ...]) -> None:
    judged, twin, poor = (
        answer(pictures, name, range(0, stop, 3))
        for name, stop in (("judged", 30), ("twin", 30), ("poor", 120))
    )
    found = score(pictures, FOLDS, judged, [twin, poor], dataset="made", draws=DRAWS)
    same, better = found.against["twin"].margin, found.against["poor"].margin
    assert same is not None
    assert better is not None
    assert (same.difference, same.interval) == (0, (0, 0))
    assert better.difference == pytest.approx(0.25)
    assert better.interval is not None
    assert better.interval[0] > 0
    text = as_text(found)
    assert "120 pictures in 6 cells of 2 degrees" in text
    assert "1 neighbours within 10 km" in text
    assert "above poor" in text


def test_no_error_has_no_worst_cell(pictures: tuple[EuroSatRecord, ...]) -> None:
    found = score(pictures, FOLDS, answer(pictures, "x", range(0)), dataset="made", draws=DRAWS)
    assert (found.accuracy, found.worst_cells, found.confusions) == (1.0, (), ())
    assert "confused most" not in as_text(found)
