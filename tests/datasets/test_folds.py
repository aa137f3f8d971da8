"""Folds by place: what is left out, what must never be in a fit, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from landcover.core.errors import BadInput
from landcover.datasets import Dataset, Record, open_dataset
from landcover.datasets.folds import folds, groups_of, pool
from landcover.datasets.split_distance import proximity
from tests.support import bigearthnet_tree as tree

FOREST = frozenset({"Mixed forest"})
TILES = {"Austria": "33UUP", "Finland": "35VNL", "Ireland": "29UPU"}


def record(country: str, column: int, row: int = 0, day: int = 13, split: str = "train") -> Record:
    name = f"S2A_MSIL2A_201706{day}T101031_N9999_R022_T{TILES[country]}_{column}_{row}"
    return Record(patch_id=name, labels=FOREST, split=split, country=country, product=Path())


def dataset(*records: Record) -> Dataset:
    return Dataset(name="bigearthnet-v2", title="made", all_records=records)


RECORDS = (
    *(record("Austria", 2 * column) for column in range(6)),
    *(record("Finland", 2 * column, split="validation") for column in range(4)),
    *(record("Finland", 2 * column, row=40, day=21) for column in range(3)),
    record("Ireland", 0),
)


def names(some: tuple[int, ...]) -> list[str]:
    return [RECORDS[k].patch_id for k in some]


@pytest.mark.parametrize(("by", "count"), [("country", 3), ("product", 4)])
def test_every_patch_is_scored_once_by_a_fit_without_its_place(by: str, count: int) -> None:
    made = folds(RECORDS, by)  # type: ignore[arg-type]
    assert len(made) == count
    assert sorted(k for fold in made for k in fold.held_out) == list(range(len(RECORDS)))
    groups = groups_of(RECORDS, by)  # type: ignore[arg-type]
    for fold in made:
        assert {str(groups[k]) for k in fold.held_out} == {fold.name}
        assert not set(groups[list(fold.held_out)]) & set(groups[list(fold.fitted)])
        assert len(fold.held_out) + len(fold.fitted) + fold.near == len(RECORDS)


def test_a_country_of_one_patch_is_a_fold() -> None:
    (fold,) = (fold for fold in folds(RECORDS, "country") if fold.name == "Ireland")
    assert names(fold.held_out) == [record("Ireland", 0).patch_id]
    assert len(fold.fitted) == len(RECORDS) - 1


def test_places_are_joined_into_fewer_folds_but_never_divided() -> None:
    made = folds(RECORDS, "product", 2)
    assert [len(fold.held_out) for fold in made] == [7, 7]
    groups = groups_of(RECORDS, "product")
    first, second = ({str(groups[k]) for k in fold.held_out} for fold in made)
    assert not first & second
    assert {fold.name for fold in made} == {"2 products"}


@pytest.mark.parametrize("column", [2, 3])
def test_the_ground_of_a_held_out_patch_is_not_fitted_to_on_another_date(column: int) -> None:
    near = record("Austria", column, day=30)  # the same ground as a patch, or beside two
    some = (*RECORDS, near)
    made = {fold.name: fold for fold in folds(some, "product")}
    fold = made["S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"]
    assert fold.near == 1
    assert len(some) - 1 not in fold.fitted
    for each in made.values():
        inside, outside = (
            [some[k].patch_id for k in rows] for rows in (each.held_out, each.fitted)
        )
        assert not proximity(outside, inside).touching.any()
    assert sum(len(each.held_out) for each in made.values()) == len(some)


def test_test_patches_never_enter() -> None:
    test = record("Austria", 30, split="test")
    assert test not in pool([dataset(*RECORDS, test)]).records
    with pytest.raises(BadInput, match="of the split 'test'"):
        folds((*RECORDS, test), "country")
    with pytest.raises(BadInput, match="no patch of the training or validation"):
        pool([dataset(test)])


def test_a_patch_of_two_folders_counts_once() -> None:
    again = replace(RECORDS[0], product=Path("elsewhere"))
    joined = pool([dataset(*RECORDS), dataset(again, record("Ireland", 50))])
    assert len(joined.records) == len(RECORDS) + 1
    assert joined.records[: len(RECORDS)] == RECORDS
    with pytest.raises(BadInput, match="occurs twice"):
        folds((*RECORDS, again), "country")


@pytest.mark.parametrize(
    "changes",
    [
        {"split": "test"},
        {"labels": frozenset({"Pastures"})},
        {"country": "Italy"},
        {"cloudy": True},
    ],
)
def test_folders_that_disagree_are_refused(changes: dict[str, object]) -> None:
    # Above all, a test patch must not enter because another folder calls it a training patch.
    other = replace(RECORDS[0], **changes)  # type: ignore[arg-type]
    for order in ((RECORDS[0], other), (other, RECORDS[0])):
        with pytest.raises(BadInput, match="say different things of S2A"):
            pool([dataset(one) for one in order])


def test_patches_with_clouds_or_snow_are_left_out() -> None:
    flawed = [replace(RECORDS[0], cloudy=True), replace(RECORDS[1], snowy=True)]
    assert pool([dataset(*flawed, *RECORDS[2:])]).records == RECORDS[2:]


def made_of_one_ground() -> tuple[Record, ...]:
    return record("Austria", 0), record("Austria", 0, day=21)


@pytest.mark.parametrize(
    ("records", "by", "count", "sentence"),
    [
        (RECORDS[:6], "country", None, "All patches are of one country"),
        (RECORDS, "country", 4, "choose 2 to 3"),
        (RECORDS, "product", 1, "choose 2 to 4"),
        ((replace(RECORDS[0], country=""), *RECORDS[1:]), "country", None, "is not known"),
        ((replace(RECORDS[0], patch_id="x_1_2"), *RECORDS[1:]), "product", None, "does not say"),
        (made_of_one_ground(), "product", None, "nothing is left"),
    ],
)
def test_what_cannot_be_folded_is_refused(
    records: tuple[Record, ...], by: str, count: int | None, sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        folds(records, by, count)  # type: ignore[arg-type]


def test_pixels_are_in_the_order_of_the_records(tmp_path: Path) -> None:
    def specs(*columns: int) -> list[tree.PatchSpec]:
        return [
            tree.PatchSpec(tree.v2_id(k), ("Pastures",), "validation" if k % 2 else "train")
            for k in columns
        ]

    roots = [
        tree.write_v2(tmp_path / name, specs(*columns))
        for name, columns in {"a": (1, 0, 2), "b": (2, 5, 4), "c": (0, 1)}.items()
    ]
    made = pool([open_dataset("bigearthnet", root) for root in roots])
    ids = [one.patch_id for one in made.records]
    assert sorted(ids) == [tree.v2_id(k) for k in (0, 1, 2, 4, 5)]
    store = made.load()
    assert list(store.ids) == ids
    numbers = made.records[-1].native().g10
    assert (store.numbers([len(ids) - 1])[0][0] == numbers).all()


@pytest.mark.data
def test_the_labelled_patches_at_hand(shared_data: Path) -> None:
    roots = (shared_data / "bigearthnet", shared_data / "bigearthnet-extra")
    records = pool([open_dataset("bigearthnet", root) for root in roots]).records
    assert len(records) == 301 + 209 + 127 + 34
    assert not {"test"} & {one.split for one in records}
    assert [len(folds(records, by)) for by in ("country", "product")] == [8, 60]
    assert sum(fold.near for fold in folds(records, "product")) == 5
