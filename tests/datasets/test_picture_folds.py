"""Folds of EuroSAT by place: whole cells, a gap around them, and never the test split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from landcover.core.errors import BadInput
from landcover.datasets.eurosat import EuroSat, EuroSatRecord, distance_km
from landcover.datasets.picture_folds import GAP_KM, cells_of, picture_folds, pool


def picture(number: int, latitude: float, longitude: float, split: str = "train") -> EuroSatRecord:
    name = f"Forest_{number}"
    return EuroSatRecord(
        name=name,
        label="Forest",
        split=split,
        latitude=latitude,
        longitude=longitude,
        member=f"{name}.jpg",
    )


PICTURES = tuple(
    picture(10 * k + row, latitude + 0.2 * row, longitude, "validation" if row else "train")
    for k, (latitude, longitude) in enumerate(((40.5, 1.0), (44.5, 1.0), (-3.5, -0.5), (60.5, 9.0)))
    for row in range(5)
)


def some(pictures: Sequence[EuroSatRecord], rows: Sequence[int]) -> list[EuroSatRecord]:
    return [pictures[k] for k in rows]


def test_a_cell_is_named_by_its_south_western_corner_on_both_sides_of_zero() -> None:
    found = cells_of(PICTURES)
    assert list(found[::5]) == ["40,0", "44,0", "-4,-2", "60,8"]
    assert len(set(found)) == 4


def test_every_picture_is_scored_once_by_a_fit_without_its_cell() -> None:
    made = picture_folds(PICTURES, 4)
    assert sorted(k for fold in made for k in fold.held_out) == list(range(len(PICTURES)))
    cells = cells_of(PICTURES)
    for fold in made:
        assert not set(cells[list(fold.held_out)]) & set(cells[list(fold.fitted)])
        assert (fold.name, fold.near) == ("1 cells", 0)


def test_neighbours_in_the_next_cell_are_left_out_of_the_fit() -> None:
    # Two kilometres on both sides of the edge between two cells, and a third cell far away.
    edge = (picture(100, 41.99, 1.0), picture(101, 42.01, 1.0), picture(102, 43.0, 1.0))
    pictures = (*PICTURES, *edge)
    made = picture_folds(pictures, 5)
    assert sum(fold.near for fold in made) == 2
    for fold in made:
        apart = distance_km(some(pictures, fold.held_out), some(pictures, fold.fitted))
        assert apart is not None
        assert apart >= GAP_KM


def test_the_pool_is_training_and_validation_only() -> None:
    test = picture(900, 50.0, 2.0, "test")
    dataset = EuroSat(source=Path(), pictures=(*PICTURES, test), unplaced=0)
    assert pool(dataset) == PICTURES
    with pytest.raises(BadInput, match="so that the test split stays unread"):
        picture_folds([*PICTURES, test], 2)


def test_pictures_without_places_have_no_folds() -> None:
    lost = [replace(one, split="all", latitude=math.nan, longitude=math.nan) for one in PICTURES]
    with pytest.raises(BadInput, match=r"they need locations\.csv"):
        pool(EuroSat(source=Path(), pictures=tuple(lost), unplaced=len(lost)))


@pytest.mark.parametrize("count", [0, 1, 5])
def test_there_are_at_most_as_many_folds_as_cells(count: int) -> None:
    with pytest.raises(BadInput, match=f"{count} folds cannot be made of pictures in 4 cells"):
        picture_folds(PICTURES, count)


def test_something_must_be_left_to_fit_to() -> None:
    with pytest.raises(BadInput, match="nothing is left to fit to"):
        picture_folds([picture(1, 41.999, 1.0), picture(2, 42.001, 1.0)], 2)
