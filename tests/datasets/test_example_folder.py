"""The six samples as a data set: its splits, and that nothing else is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from landcover.core.errors import BadInput
from landcover.datasets import open_dataset
from landcover.datasets.example_folder import write_example
from landcover.io.samples import samples


def test_it_opens_with_the_splits_and_labels_of_the_samples(tmp_path: Path) -> None:
    dataset = open_dataset("bigearthnet", write_example(tmp_path / "deep" / "six"))
    assert {split: len(dataset.records(split)) for split in dataset.splits} == {
        "train": 3,
        "validation": 1,
        "test": 1,
    }
    by_id = {record.patch_id: record for record in dataset.all_records}
    for sample in samples():
        record = by_id[sample.patch_id]
        assert record.labels == sample.truth
        assert record.snowy == (sample.split is None)
        assert record.snowy or record.split == sample.split


def test_a_second_call_changes_nothing(tmp_path: Path) -> None:
    root = write_example(tmp_path / "six")
    mark = root / "train.csv"
    before = mark.stat().st_mtime_ns
    assert write_example(root) == root
    assert mark.stat().st_mtime_ns == before


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="name a new folder"):
        write_example(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
