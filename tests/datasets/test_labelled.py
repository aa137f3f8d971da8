"""Reading patches of a data set: order, labels, batches, and damaged patches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.core.progress import Progress
from landcover.datasets import open_dataset
from landcover.datasets.statistics import band_statistics
from landcover.io import sources
from tests.support.bigearthnet_tree import PatchSpec, v2_id, write_v2

SPECS = tuple(
    PatchSpec(v2_id(k), (CLASS_NAMES[k], CLASS_NAMES[k + 1]), "train" if k < 4 else "validation")
    for k in range(6)
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_v2(tmp_path_factory.mktemp("labelled") / "bigearthnet", SPECS)


def test_a_store_holds_the_same_patches_as_their_folders(tree: Path) -> None:
    dataset = open_dataset("bigearthnet", tree)
    store = dataset.load("validation")
    for row, record in enumerate(dataset.records("validation")):
        assert store.ids[row] == record.patch_id
        assert {CLASS_NAMES[k] for k in store.targets[row].nonzero().flatten()} == record.labels
        patch = sources.read(record.folder)
        np.testing.assert_allclose(store.pixels([row])[0].numpy(), patch.data, atol=1e-6)
        assert patch.bands == BAND_NAMES


def test_several_splits_load_as_one_and_progress_ends_at_all(tree: Path) -> None:
    seen: list[Progress] = []
    dataset = open_dataset("bigearthnet", tree)
    store = dataset.load(["train", "validation", "train"], seen.append)
    assert store.ids == tuple(spec.patch_id for spec in SPECS)
    assert (seen[-1].done, seen[-1].total) == (6, 6)


def test_batches_hold_every_record_once_in_order(tree: Path) -> None:
    dataset = open_dataset("bigearthnet", tree)
    records = dataset.records("all")
    parts = list(dataset.iter_batches(records, 4))
    assert [len(store) for _, store in parts] == [4, 2]
    assert [record for batch, _ in parts for record in batch] == list(records)
    assert [i for _, store in parts for i in store.ids] == [r.patch_id for r in records]


def test_statistics_in_batches_are_those_of_all_pixels(tree: Path) -> None:
    dataset = open_dataset("bigearthnet", tree)
    mean, std = band_statistics(s for _, s in dataset.iter_batches(dataset.records("all"), 4))
    pixels = dataset.load("all").pixels(range(6))
    wanted = torch.std_mean(pixels.double(), dim=(0, 2, 3), correction=0)
    np.testing.assert_allclose(std, wanted[0].numpy(), rtol=1e-5)
    np.testing.assert_allclose(mean, wanted[1].numpy(), rtol=1e-5)
    with pytest.raises(BadInput, match="at least one patch"):
        band_statistics([])


def test_a_patch_without_one_band_is_named(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "bigearthnet", SPECS[:2])
    next(root.rglob(f"{v2_id(1)}_B8A.tif")).unlink()
    with pytest.raises(BadInput, match="lacks the band B8A") as caught:
        open_dataset("bigearthnet", root).load("train")
    assert v2_id(1) in str(caught.value)


def test_a_truncated_band_file_is_named(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "bigearthnet", SPECS[:2])
    path = next(root.rglob(f"{v2_id(0)}_B02.tif"))
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(BadInput, match=f"{path.stem}.* is damaged or truncated"):
        open_dataset("bigearthnet", root).load("train")
