"""BigEarthNet in both layouts: records, counts, and error messages."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, LandcoverError, UnknownName
from landcover.datasets import open_dataset
from landcover.datasets.bigearthnet import place_of
from landcover.io.samples import ARCHIVE
from tests.support.bigearthnet_tree import (
    PatchSpec,
    v1_id,
    v2_id,
    write_patch,
    write_table,
    write_v1,
    write_v2,
)
from tests.support.examples import examples

SPECS = (
    PatchSpec(v2_id(0), ("Pastures", "Arable land"), "train"),
    PatchSpec(v2_id(1), ("Pastures",), "train", country="Finland"),
    PatchSpec(v2_id(4), ("Marine waters",), "validation"),
    PatchSpec(v2_id(9), ("Mixed forest",), "test"),
    PatchSpec(v2_id(10), ("Mixed forest",), "test", on_disk=False),
    PatchSpec(v2_id(11), ("Mixed forest",), "test", cloudy=True),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_v2(tmp_path_factory.mktemp("data") / "bigearthnet", SPECS)


def one_patch(tmp_path: Path, **changes: Any) -> Path:
    """Write a tree of one patch whose table has changed columns."""
    spec = PatchSpec(v2_id(0), ("Pastures",))
    root = write_v2(tmp_path / "bigearthnet", [spec])
    write_table(root / "metadata.parquet", [spec], **changes)
    return root


def test_v2_has_the_official_splits_labels_and_countries(tree: Path) -> None:
    dataset = open_dataset("bigearthnet", tree)
    assert dataset.name == "bigearthnet-v2"
    assert dataset.splits == ("train", "validation", "test")
    first, second = dataset.records("train")
    assert first.labels == {"Pastures", "Arable land"}
    assert (second.country, second.split) == ("Finland", "train")
    assert first.folder.is_dir()
    assert [r.patch_id for r in dataset.records("val")] == [v2_id(4)]
    assert len(dataset.records("all")) == 4


def test_v2_counts_absent_patches_and_notes_them(tree: Path) -> None:
    dataset = open_dataset("bigearthnet-v2", tree)
    assert (dataset.absent, dataset.first_absent) == (1, v2_id(10))
    assert "1 of the 6 patches in the tables are not on this disk" in dataset.note
    assert v2_id(10) in dataset.note
    assert [r.patch_id for r in dataset.records("test")] == [v2_id(9)]


def test_v2_counts_folders_that_are_not_in_the_table(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "bigearthnet", SPECS[:1])
    (root / "BigEarthNet-S2" / v2_id(7).rsplit("_", 2)[0] / v2_id(7)).mkdir()
    dataset = open_dataset("bigearthnet", root)
    assert (dataset.unlisted, dataset.absent, dataset.note) == (1, 0, "")


def test_v2_separates_flawed_patches(tree: Path) -> None:
    dataset = open_dataset("bigearthnet", tree)
    (flawed,) = dataset.flawed()
    assert (flawed.patch_id, flawed.cloudy, flawed.snowy) == (v2_id(11), True, False)
    assert flawed not in dataset.records("all")


def test_describe_counts_splits_classes_and_countries(tree: Path) -> None:
    found = open_dataset("bigearthnet", tree).describe()
    assert found["splits"] == {"train": 2, "validation": 1, "test": 1, "all": 4}
    assert found["classes"]["Pastures"] == {"train": 2, "validation": 0, "test": 0, "all": 2}
    assert set(found["classes"]) == set(CLASS_NAMES)
    assert found["countries"]["train"] == {"Austria": 1, "Finland": 1}
    assert (found["n"], found["absent"], found["flawed"]) == (4, 1, 1)


def test_v1_maps_43_labels_to_19_and_uses_the_official_lists(tmp_path: Path) -> None:
    pixels = tmp_path / "root" / "BigEarthNet-v1.0"
    write_v1(
        pixels,
        {
            v1_id(0): ["Continuous urban fabric", "Discontinuous urban fabric", "Airports"],
            v1_id(1): ["Sea and ocean"],
            v1_id(2): ["Airports"],
            v1_id(3): ["Pastures"],
            v1_id(4): ["Pastures"],
        },
        {
            "train.csv": [v1_id(0), v1_id(2)],
            "val.csv": [v1_id(1), v1_id(8)],
            "patches_with_cloud_and_shadow.csv": [v1_id(3)],
        },
    )
    dataset = open_dataset("bigearthnet", pixels.parent)
    assert dataset.name == "bigearthnet-v1"
    (train,) = dataset.records("train")
    assert train.labels == {"Urban fabric"}
    assert [r.patch_id for r in dataset.records("validation")] == [v1_id(1)]
    assert [r.patch_id for r in dataset.flawed()] == [v1_id(3)]
    assert (dataset.absent, dataset.first_absent, dataset.unlisted) == (1, v1_id(8), 1)


def test_v1_without_lists_is_one_split(tmp_path: Path) -> None:
    write_v1(tmp_path / "patches", {v1_id(0): ["Pastures"], v1_id(1): ["Sea and ocean"]}, {})
    dataset = open_dataset("bigearthnet", tmp_path / "patches")
    assert dataset.splits == ()
    assert len(dataset.records("all")) == 2
    with pytest.raises(BadInput, match="no patch of the split 'train' here, only: all"):
        dataset.records("train")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ('{"labels": ["Jungle"]}', "has a class that BigEarthNet v1 does not have"),
        ("[", "contains no labels"),
        ('{"a": 1}', "contains no labels"),
    ],
)
def test_v1_names_a_wrong_labels_file(tmp_path: Path, labels: str, message: str) -> None:
    write_v1(tmp_path / "patches", {v1_id(0): ["Pastures"]}, {})
    (tmp_path / "patches" / v1_id(0) / f"{v1_id(0)}_labels_metadata.json").write_text(labels)
    with pytest.raises(BadInput, match=message) as caught:
        open_dataset("bigearthnet-v1", tmp_path / "patches")
    assert v1_id(0) in str(caught.value)


def test_the_real_v1_patches_that_come_with_a_package(tmp_path: Path) -> None:
    package = pytest.importorskip("importlib.util").find_spec("bigearthnet_common")
    (folder,) = package.submodule_search_locations
    with tarfile.open(Path(folder) / ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    (root,) = {path.parent.parent for path in tmp_path.rglob("*_B01.tif")}
    dataset = open_dataset("bigearthnet", root)
    store = dataset.load("all")
    assert dataset.name == "bigearthnet-v1"
    assert len(store) >= 5
    assert store.targets.sum(dim=1).min() >= 1


@pytest.mark.parametrize("name", ["bigearthnet", "bigearthnet-v1", "bigearthnet-v2"])
def test_a_folder_without_the_data_set_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="There is no folder 'nowhere'"):
        open_dataset(name, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"'empty' (is not|does not contain) BigEarthNet"):
        open_dataset(name, tmp_path / "empty")


def test_a_subfolder_is_refused_with_the_folder_to_give(tree: Path) -> None:
    with pytest.raises(BadInput, match=r"give the folder with metadata\.parquet"):
        open_dataset("bigearthnet", tree / "BigEarthNet-S2")


def test_an_unknown_data_set_or_split_is_refused_with_a_suggestion(tree: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'bigearthnet'"):
        open_dataset("bigearthnt", tree)
    with pytest.raises(UnknownName, match="did you mean 'train'"):
        open_dataset("bigearthnet", tree).records("training")


def test_a_table_without_pixels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "BigEarthNet-S2").mkdir()
    write_table(tmp_path / "metadata.parquet", SPECS)
    with pytest.raises(BadInput, match="none of the patches listed in its tables is in the folder"):
        open_dataset("bigearthnet", tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"country": None}, "no column 'country'"),
        ({"labels": [["Jungle"]]}, "not among the 19 classes"),
        ({"labels": [[]]}, "not among the 19 classes"),
        ({"labels": ["Pastures"]}, "not among the 19 classes"),
        ({"labels": [None]}, "not among the 19 classes"),
        ({"split": ["holdout"]}, "into the split 'holdout'"),
        ({"split": [None]}, "into the split 'None'"),
    ],
)
def test_an_unofficial_table_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        open_dataset("bigearthnet", one_patch(tmp_path, **changes))


def test_a_patch_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "bigearthnet", SPECS[:1])
    write_table(root / "metadata.parquet", [SPECS[0], SPECS[0]])
    with pytest.raises(BadInput, match="twice"):
        open_dataset("bigearthnet", root)


def test_a_table_cannot_refer_to_files_outside_the_data_set(tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    write_patch(outside, 1000)
    root = write_v2(tmp_path / "bigearthnet", SPECS[:1])
    write_table(root / "metadata.parquet", [SPECS[0], PatchSpec("../../secret", ("Pastures",))])
    dataset = open_dataset("bigearthnet", root)
    assert [r.patch_id for r in dataset.records("all")] == [v2_id(0)]
    assert dataset.absent == 1


@pytest.fixture(scope="module")
def small_table(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    root = write_v2(tmp_path_factory.mktemp("damaged") / "bigearthnet", SPECS[:2])
    return root, (root / "metadata.parquet").read_bytes()


@settings(max_examples=examples(200))
@given(cut=st.integers(0, 100_000), at=st.integers(0, 100_000), value=st.integers(0, 255))
def test_a_damaged_table_gives_one_sentence(
    small_table: tuple[Path, bytes], cut: int, at: int, value: int
) -> None:
    root, whole = small_table
    data = bytearray(whole[: 1 + cut % len(whole)] if cut % 2 else whole)
    data[at % len(data)] = value
    (root / "metadata.parquet").write_bytes(bytes(data))
    message = ""
    try:
        open_dataset("bigearthnet", root)
    except LandcoverError as error:
        message = str(error)
    assert "\n" not in message


def test_places_and_distances_come_from_the_ids() -> None:
    assert place_of(v2_id(26, 57)) == ("33UUP", 26, 57)
    assert place_of(v1_id(26, 57)) is None


@pytest.mark.data
def test_the_real_patches(shared_data: Path) -> None:
    dataset = open_dataset("bigearthnet", shared_data / "bigearthnet")
    assert {s: len(dataset.records(s)) for s in dataset.splits} == {
        "train": 301,
        "validation": 209,
        "test": 115,
    }
    assert dataset.absent == 0
    assert dataset.unlisted == 0
    table = pd.read_parquet(shared_data / "bigearthnet" / "metadata.parquet")
    pastures = int(sum("Pastures" in labels for labels in table["labels"]))
    assert dataset.describe()["classes"]["Pastures"]["all"] == pastures


@pytest.mark.slow
@pytest.mark.data
def test_the_table_of_all_480038_patches_opens_in_seconds(
    shared_data: Path, tmp_path: Path
) -> None:
    real = shared_data / "bigearthnet"
    (tmp_path / "BigEarthNet-S2").symlink_to(real / "BigEarthNet-S2")
    (tmp_path / "metadata.parquet").symlink_to(real / "metadata-all-480038.parquet")
    dataset = open_dataset("bigearthnet", tmp_path)
    assert len(dataset.records("all")) == 625
    assert dataset.absent == 480_038 - 625
    labels = np.array([len(r.labels) for r in dataset.records("all")])
    assert labels.min() >= 1
