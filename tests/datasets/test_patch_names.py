"""Product and place from the names of BigEarthNet patches; no other name becomes a path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from landcover.datasets import open_dataset, patch_names
from landcover.io import samples


@pytest.mark.parametrize("sample", [s for s in samples.samples() if s.v2_id])
def test_a_name_gives_the_place(sample: samples.Sample) -> None:
    found = patch_names.place(str(sample.v2_id))
    assert found == pytest.approx(sample.centre, abs=0.0005)
    assert found is not None
    assert patch_names.distance_m(found, sample.centre) < 30


def test_a_product_has_cells() -> None:
    assert patch_names.product_and_cell("S2A_T33UUP_26_57") == ("S2A_T33UUP", "26_57")
    assert patch_names.product_and_cell("elsewhere") == ("elsewhere", "")


def test_a_degree_of_latitude_has_111_km() -> None:
    assert patch_names.distance_m((48.0, 16.0), (49.0, 16.0)) == pytest.approx(111_195, rel=0.001)
    assert patch_names.distance_m((60.0, 16.0), (60.0, 17.0)) == pytest.approx(55_597, rel=0.001)


def test_a_name_of_another_form_gives_no_place() -> None:
    assert patch_names.place("S2A_MSIL2A_20171221T112501_56_35") is None
    assert patch_names.place("nowhere") is None


@pytest.mark.data
def test_a_patch_on_the_disk_is_read_and_others_are_none(shared_data: Path) -> None:
    root = shared_data / "bigearthnet"
    record = open_dataset("bigearthnet", root).records("train")[0]
    found = patch_names.load_from_disk(root, record.patch_id)
    assert found is not None
    np.testing.assert_array_equal(found.data, record.patch().data)
    assert patch_names.place(record.patch_id) == pytest.approx(found.centre, abs=0.0005)
    assert patch_names.load_from_disk(root.parent, record.patch_id) is None
    assert patch_names.load_from_disk(root, "../../../etc") is None
    assert patch_names.load_from_disk(root, f"../{record.patch_id}") is None
