"""Places of patches, their distances, and which splits are refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from landcover.core.bands import PATCH_M
from landcover.core.errors import BadInput
from landcover.datasets import Dataset, Record, open_dataset
from landcover.datasets.split_distance import (
    DIAGONAL_M,
    blocks,
    distance_to_training,
    proximity,
    refuse_leaking_splits,
    refuse_leaks,
    split_distances,
    tile_corner,
)
from tests.support.bigearthnet_tree import v1_id, v2_id

CELLS = st.tuples(st.integers(0, 90), st.integers(0, 90))


def at(tile: str, col: int, row: int, date: str = "20170613") -> str:
    return f"S2A_MSIL2A_{date}T101031_N9999_R022_T{tile}_{col:02}_{row:02}"


def data(**splits: Sequence[str]) -> Dataset:
    records = [
        Record(
            patch_id=name, labels=frozenset({"Pastures"}), split=split, country="", product=Path()
        )
        for split, names in splits.items()
        for name in names
    ]
    return Dataset(name="d", title="D", all_records=tuple(records))


@pytest.mark.parametrize(
    ("tile", "latitude", "longitude"),
    [
        ("33UWP", 48.21, 16.37),  # Vienna
        ("33TTG", 41.90, 12.50),  # Rome
        ("32TQM", 41.90, 12.00),  # west of it, in the next zone
        ("35VLG", 60.17, 24.94),  # Helsinki
        ("29SMC", 38.72, -9.14),  # Lisbon
        ("56HLH", -33.87, 151.21),  # Sydney
        ("37MBU", -1.29, 36.82),  # Nairobi
    ],
)
def test_a_tile_contains_its_city(tile: str, latitude: float, longitude: float) -> None:
    found = tile_corner(tile)
    assert found is not None
    epsg, west, north = found
    (east,), (up,) = rasterio.warp.transform("EPSG:4326", f"EPSG:{epsg}", [longitude], [latitude])
    assert 0 <= east - west <= 109_800
    assert 0 <= north - up <= 109_800
    assert west % 60 == north % 60 == 0


@pytest.mark.parametrize("tile", ["99UUP", "33IUP", "33UIP", "33UUZ", "00UUP", "abcde", ""])
def test_unknown_tiles_have_no_corner(tile: str) -> None:
    assert tile_corner(tile) is None


@pytest.mark.data
def test_corners_are_those_of_the_real_patches(shared_data: Path) -> None:
    checked = set()
    for path in sorted((shared_data / "bigearthnet" / "BigEarthNet-S2").glob("*/*/*_B02.tif")):
        tile, col, row = re.findall(r"_T(\w{5})_(\d+)_(\d+)_B02", path.name)[0]
        if tile in checked:
            continue
        checked.add(tile)
        with rasterio.open(path) as raster:
            corner = (raster.crs.to_epsg(), raster.transform.c, raster.transform.f)
        found = tile_corner(tile)
        assert found is not None
        assert corner == (
            found[0],
            found[1] + PATCH_M * int(col),
            found[2] - PATCH_M * int(row),
        )
    assert len(checked) == 18


@given(st.lists(CELLS, min_size=1, max_size=8), st.lists(CELLS, min_size=1, max_size=8))
def test_distances_are_those_of_all_pairs(
    some: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    found = proximity([at("33UUP", *cell) for cell in some], [at("33UUP", *c) for c in others])
    wanted = [min(max(abs(a - c), abs(b - d)) for c, d in others) * PATCH_M for a, b in some]
    np.testing.assert_array_equal(found.distance_m, wanted)
    np.testing.assert_array_equal(found.touching, np.array(wanted) <= PATCH_M)
    np.testing.assert_array_equal(found.overlapping, np.array(wanted) == 0)
    assert found.nearest_m == min(wanted)


@given(st.lists(CELLS, min_size=1, max_size=6), st.lists(CELLS, min_size=1, max_size=6))
def test_the_distance_is_the_same_in_both_directions(
    some: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    """Also across tiles and zones: 32TQM and 33TTG are neighbours at the border of two zones."""
    a = [at("32TQM", *cell) for cell in some]
    b = [at("33TTG", *cell) for cell in others]
    distances = [proximity(a, b).nearest_m, proximity(b, a).nearest_m]
    assert None not in distances
    assert distances[0] == pytest.approx(distances[1], rel=5e-3, abs=2)


def test_tiles_of_one_zone_overlap() -> None:
    """33UVP begins 99,960 m east of 33UUP, whose last columns lie in it."""
    found = proximity([at("33UUP", 84, 10), at("33UUP", 80, 10)], [at("33UVP", 0, 10)])
    np.testing.assert_array_equal(found.distance_m, [84 * 1200 - 99_960, 99_960 - 80 * 1200])
    np.testing.assert_array_equal(found.overlapping, [True, False])
    np.testing.assert_array_equal(found.touching, [True, False])


def test_patches_of_two_zones_are_compared_by_their_centres() -> None:
    """If two neighbouring zones both show a place, the distance is that on the ground."""
    corner, other = tile_corner("32TQM"), tile_corner("33TTG")
    assert corner is not None
    assert other is not None
    east, north = corner[1] + 1200 * 60 + 600, corner[2] - 1200 * 40 - 600
    (right,), (up,) = rasterio.warp.transform("EPSG:32632", "EPSG:32633", [east], [north])
    col, row = ((right - other[1]) / 1200, (other[2] - up) / 1200)
    near = proximity([at("32TQM", 60, 40)], [at("33TTG", int(col), int(row))])
    assert near.overlapping.all()
    assert near.nearest_m is not None
    assert near.nearest_m < PATCH_M
    far = proximity([at("32TQM", 60, 40)], [at("33TTG", int(col) + 3, int(row))])
    assert not far.touching.any()
    assert far.nearest_m is not None
    assert DIAGONAL_M < far.nearest_m < 4 * PATCH_M


def test_far_and_unknown_places_have_no_distance() -> None:
    far = proximity([at("33UUP", 1, 1)], [at("29SND", 1, 1)])
    assert np.isinf(far.distance_m).all()
    assert far.nearest_m is None
    unknown = proximity([v1_id(1), at("33UUP", 1, 1), "picture"], [at("33UUP", 1, 2)])
    assert unknown.unknown == 2
    assert unknown.nearest_m == PATCH_M
    np.testing.assert_array_equal(unknown.touching, [False, True, False])
    assert proximity([], [v2_id(1)]).nearest_m is None
    assert proximity([v2_id(1)], []).nearest_m is None


def test_distances_of_splits() -> None:
    dataset = data(train=[v2_id(0)], validation=[v2_id(4)], test=[v2_id(9), v2_id(30)])
    assert split_distances(dataset) == {
        "train-validation": 4800,
        "train-test": 10_800,
        "validation-test": 6000,
    }
    found = distance_to_training(dataset, "test", ("train", "validation", "margin"))
    assert found is not None
    np.testing.assert_array_equal(found.distance_m, [6000, 31_200])
    assert distance_to_training(dataset, "test", ()) is None


def test_the_same_ground_is_always_refused() -> None:
    again = at("33UUP", 5, 0, date="20180101")
    for split in ("test", "validation"):
        dataset = data(train=[v2_id(5), v2_id(6)], **{split: [again, v2_id(50)]})
        with pytest.raises(BadInput, match=r"1 of the 2 patches of the split .* same ground"):
            refuse_leaks(dataset, split, ["train"], allow_touching=True)
        # If the model was trained on the split itself, its report states this.
        refuse_leaks(dataset, split, ["train", split])
        refuse_leaks(dataset, "all", ["train"])
        refuse_leaks(dataset, split, [])
        with pytest.raises(BadInput, match="same ground"):
            refuse_leaking_splits(dataset)


def test_a_test_split_must_not_touch_the_training_split() -> None:
    dataset = data(train=[v2_id(5)], test=[v2_id(6, row=1), v2_id(50)])
    with pytest.raises(BadInput, match=r"1 of the 2 .* touch patches of 'train'.*allow-touching"):
        refuse_leaks(dataset, "test", ["train"])
    with pytest.raises(BadInput, match="touch patches of 'train'"):
        refuse_leaking_splits(dataset)
    refuse_leaks(dataset, "test", ["train"], allow_touching=True)


def test_splits_that_touch_officially_are_refused_only_if_strict() -> None:
    dataset = data(train=[v2_id(5)], validation=[v2_id(6), v2_id(9)], test=[v2_id(10)])
    for split, trained in (("validation", "train"), ("test", "validation")):
        refuse_leaks(dataset, split, [trained])
        with pytest.raises(BadInput, match="split by place, or omit --strict"):
            refuse_leaks(dataset, split, [trained], strict=True)
    refuse_leaks(dataset, "test", ["train"], strict=True)
    refuse_leaking_splits(dataset)


def test_blocks_are_twelve_kilometres_of_a_tile() -> None:
    names = [v2_id(9), v2_id(10), at("33UUP", 19, 9, date="20180101"), v2_id(19, row=10), v1_id(1)]
    found = blocks(names)
    assert found[0] != found[1] == found[2] != found[3]
    assert found[4] == v1_id(1)


@pytest.mark.slow
@pytest.mark.data
def test_the_official_split_is_as_far_apart_as_the_rule_assumes(shared_data: Path) -> None:
    """All 480,038 patches: test and train keep 12 km, the other two pairs touch."""
    table = pd.read_parquet(
        shared_data / "bigearthnet" / "metadata-all-480038.parquet", columns=["patch_id", "split"]
    )
    names = {split: part["patch_id"].tolist() for split, part in table.groupby("split")}
    assert proximity(names["test"], names["train"]).nearest_m == 12_000
    for split, other in (("validation", "train"), ("test", "validation")):
        found = proximity(names[split], names[other])
        assert found.nearest_m == PATCH_M
        assert not found.overlapping.any()


@pytest.mark.data
def test_the_shared_split_is_not_refused(shared_data: Path) -> None:
    dataset = open_dataset("bigearthnet", shared_data / "bigearthnet")
    refuse_leaking_splits(dataset)
    refuse_leaks(dataset, "test", ["train", "validation"])
    found = distance_to_training(dataset, "test", ["train", "validation"])
    assert found is not None
    assert (found.touching.sum(), found.overlapping.sum()) == (1, 0)
