"""Counting a data set: the shipped counts, a folder, parts of either, and its figures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyproj import Transformer

from landcover.core.classes import CLASS_NAMES
from landcover.datasets import open_dataset
from landcover.datasets.overview import Counts, Entry, as_dict, count, of_dataset, shipped
from landcover.datasets.overview.figures import centres, combinations, labels_per_patch, together
from landcover.datasets.overview.shipped import FILE, pack
from tests.support.bigearthnet_tree import PatchSpec, v2_id, write_v2

WINTER = "S2B_MSIL2A_20180204T94161_N9999_R036_T35VPJ_10_20"
CLASSES = ("Field", "Wood", "Lake")


def some() -> Counts:
    return count(
        "Some",
        CLASSES,
        [
            Entry(v2_id(1), ("Field",), "train", "Austria"),
            Entry(v2_id(2), ("Wood", "Field"), "train", "Austria"),
            Entry(v2_id(25, 3), ("Field", "Wood"), "test", "Austria"),
            Entry(WINTER, ("Wood",), "test", "Finland"),
            Entry("no place or day", ("Wood",), "all", ""),
        ],
    )


def test_patches_are_counted_along_each_axis() -> None:
    found = some()
    assert found.n == 5
    assert found.totals("split") == {"all": 1, "test": 2, "train": 2}
    assert found.totals("country") == {"": 1, "Austria": 3, "Finland": 1}
    assert found.totals("day") == {"": 1, "20170613": 3, "20180204": 1}
    assert found.totals("month") == {"": 1, "02": 1, "06": 3}
    assert found.totals("season") == {"": 1, "summer": 3, "winter": 1}
    assert found.totals("tile") == {"": 1, "33UUP": 3, "35VPJ": 1}
    assert found.totals("place") == {"": 1, "33UUP_0_0": 2, "33UUP_2_0": 1, "35VPJ_1_2": 1}
    assert {name: row.tolist() for name, row in found.by_class("season").items()} == {
        "": [0, 1, 0],
        "summer": [3, 2, 0],
        "winter": [0, 1, 0],
    }


def test_parts_are_counted_like_the_whole() -> None:
    found = some()
    assert found.where("country", "Austria").n == 3
    assert found.where("season", "winter").totals("country") == {"Finland": 1}
    assert found.where("country", "Norway").n == 0
    assert found.with_classes({"Wood"}).n == 4
    assert found.with_classes({"Wood"}, exactly=True).n == 2
    assert found.with_classes({"Wood", "Field"}, exactly=True).totals("split") == {
        "test": 1,
        "train": 1,
    }
    assert found.with_classes({"Lake"}).n == 0
    assert as_dict(found.with_classes({"Lake"}))["mean_labels"] == 0


def test_what_occurs_together() -> None:
    pairs = together(some())
    assert pairs.both.tolist() == [[3, 2, 0], [2, 4, 0], [0, 0, 0]]
    np.testing.assert_allclose(pairs.conditional[:2], [[1, 2 / 3, 0], [0.5, 1, 0]])
    assert np.isnan(pairs.conditional[2]).all()
    assert pairs.expected[0, 1] == 3 * 4 / 5
    assert pairs.lift[0, 1] == pairs.lift[1, 0] == 2 / (3 * 4 / 5)
    assert np.isnan(pairs.lift[2]).all()


def test_combinations_and_labels_per_patch() -> None:
    assert labels_per_patch(some()) == {1: 3, 2: 2}
    # Equal numbers always come in the same order.
    assert combinations(some()) == [(("Field", "Wood"), 2), (("Wood",), 2), (("Field",), 1)]
    assert len(combinations(some(), 1)) == 1


def test_places_are_the_middle_of_tiles_and_blocks() -> None:
    tile, first, unknown = centres(["33UUP", "33UUP_0_0", ""])
    assert np.isnan(unknown).all()
    # ESA's tile has its corner at 300 km east and 5400 km north of UTM zone 33, and 109.8 km a side.
    to_degrees = Transformer.from_crs("EPSG:32633", "EPSG:4326").transform
    assert tile == pytest.approx(to_degrees(354_900, 5_345_100), abs=1e-9)
    assert first == pytest.approx(to_degrees(306_000, 5_394_000), abs=1e-9)


def test_a_folder_is_counted_without_cloudy_patches(tmp_path: Path) -> None:
    lake, wood = "Inland waters", "Mixed forest"
    specs = [
        PatchSpec(v2_id(1), (lake,)),
        PatchSpec(v2_id(2), (lake, wood), split="test"),
        PatchSpec(v2_id(3), (wood,), cloudy=True),
        PatchSpec(v2_id(4), (wood,), on_disk=False),
    ]
    found = of_dataset(open_dataset("bigearthnet", write_v2(tmp_path / "data", specs)))
    assert found.n == 2
    assert found.totals("split") == {"test": 1, "train": 1}
    assert combinations(found) == [((wood, lake), 1), ((lake,), 1)]


def test_the_shipped_counts_are_of_all_patches() -> None:
    found = shipped()
    assert found.classes == CLASS_NAMES
    assert found.n == 480_038
    # Clasen et al. (2024), table 2: the official split.
    assert found.totals("split") == {"test": 119_825, "train": 237_871, "validation": 122_342}
    assert len(found.totals("country")) == 10
    assert len(found.totals("tile")) == 54
    assert labels_per_patch(found)[1] == 86_375
    assert FILE.stat().st_size < 400_000


def test_counts_are_the_same_after_packing() -> None:
    found = shipped()
    again = pq.read_table(io.BytesIO(pack(found)))
    assert again.equals(pq.read_table(FILE))
