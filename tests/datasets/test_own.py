"""Data sets of one's own: files, tables, splits by place, and what is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from landcover.core import limits
from landcover.core.bands import BAND_NAMES
from landcover.core.classes import cover_of
from landcover.core.errors import BadInput, LandcoverError, UnknownName
from landcover.datasets import open_any, open_dataset
from landcover.datasets.downloads.check import check_own
from landcover.datasets.labelled import SPLITS, Dataset
from landcover.datasets.own import open_own
from landcover.datasets.patch_names import place
from landcover.datasets.split_distance import proximity, refuse_leaking_splits
from landcover.datasets.thumbnails import open_thumbnails
from tests.support.own_folder import CLASSES, write_folder, write_stack


def opened(root: Path) -> Dataset:
    found = open_any("folder", root)
    assert isinstance(found, Dataset)
    return found


def test_a_folder_of_stacks_is_a_data_set_with_classes_of_its_own(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "fields")
    (root / "classes.csv").write_text(
        "name,short,colour,description\nOpen water,Water,#3366CC,Lakes\nTall trees,,,\n"
    )
    dataset = opened(root)
    assert dataset.classes == ("Open water", "Tall trees")
    assert dataset.class_set == "own"
    assert (cover_of("Open water").short, cover_of("Open water").hex) == ("Water", "#3366cc")
    assert dataset.bands == BAND_NAMES
    store = dataset.load("train")
    assert store.targets.shape == (len(dataset.records("train")), 2)
    assert (store.targets.sum(dim=1) == 1).all()
    assert set(store.origin()["support"]) == set(dataset.classes)
    assert dataset.describe()["classes"]["Tall trees"]["all"] == 12
    assert dataset.records()[0].patch().has_place
    assert len(open_thumbnails("folder", root).readers) == 24


def test_pixels_are_those_that_a_classification_reads(tmp_path: Path) -> None:
    dataset = opened(write_folder(tmp_path / "fields"))
    record = dataset.records("train")[0]
    patch, store = record.patch(), dataset.load("train")
    pixels = store.pixels([0])[0].numpy()
    band = BAND_NAMES.index("B04")
    assert np.allclose(pixels[band], patch.band("B04"), atol=1e-4)
    means = patch.band("B11").reshape(60, 2, 60, 2).mean(axis=(1, 3))
    assert np.allclose(pixels[BAND_NAMES.index("B11")][::2, ::2], means, atol=1e-4)


def test_splits_are_by_place_and_do_not_touch(tmp_path: Path) -> None:
    dataset = opened(write_folder(tmp_path / "fields", 48, apart_m=1200))
    names = {split: [r.patch_id for r in dataset.records(split)] for split in SPLITS}
    assert all(names.values())
    for one, other in combinations(SPLITS, 2):
        assert not proximity(names[one], names[other]).touching.any()
    assert "blocks of" in dataset.note
    refuse_leaking_splits(dataset)
    assert opened(tmp_path / "fields").title == dataset.title
    latitude, longitude = place(names["train"][0]) or (0, 0)
    assert 49 < latitude < 50
    assert 11 < longitude < 13


def test_a_split_of_the_table_is_kept_and_needs_no_place(tmp_path: Path) -> None:
    root = tmp_path / "fields"
    for k, corner in enumerate([None, (600_000, 5_300_040), None]):
        write_stack(root / f"{k}.tif", k, corner=corner)
    (root / "labels.csv").write_text(
        "file,labels,split\n0.tif,Tall trees,train\n1,Open water,val\n2.tif,,test\n"
    )
    dataset = opened(root)
    assert [record.split for record in dataset.all_records] == ["train", "validation", "test"]
    assert dataset.all_records[2].labels == frozenset()
    (root / "labels.csv").write_text("file,labels\n0.tif,Tall trees\n1.tif,\n2.tif,\n")
    with pytest.raises(BadInput, match="does not say where it is"):
        opened(root)


def test_patches_at_one_place_cannot_be_split(tmp_path: Path) -> None:
    root = tmp_path / "fields"
    for k in range(3):
        write_stack(root / f"{k}.tif", k)
    (root / "labels.csv").write_text("file,labels\n0.tif,Tall trees\n1.tif,\n2.tif,\n")
    with pytest.raises(BadInput, match="too close together"):
        opened(root)


def test_columns_of_zeros_and_ones_and_a_geopackage_say_the_same(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "fields")
    expected = [record.labels for record in opened(root).all_records]
    rows = [(k, f"field_{k}.tif", 1 - k % 2, k % 2) for k in range(24)]
    lines = [",".join(map(str, row)) for row in rows]
    (root / "labels.csv").write_text("\n".join([f"fid,file,{','.join(CLASSES)}", *lines]))
    assert [record.labels for record in opened(root).all_records] == expected
    (root / "labels.csv").unlink()
    with closing(sqlite3.connect(root / "labels.gpkg")) as base:
        base.execute("CREATE TABLE gpkg_contents (table_name TEXT, data_type TEXT)")
        base.execute("INSERT INTO gpkg_contents VALUES ('fields', 'attributes')")
        base.execute(
            'CREATE TABLE fields (fid INTEGER, file TEXT, "Tall trees" REAL, "Open water")'
        )
        base.executemany("INSERT INTO fields VALUES (?, ?, ?, ?)", rows)
        base.commit()
    assert [record.labels for record in opened(root).all_records] == expected


def test_many_classes_and_fewer_bands(tmp_path: Path) -> None:
    labels = {k: ";".join(f"class {n}" for n in range(k, k + 9)) for k in range(0, 192, 8)}
    table = "\n".join(["file,labels", *(f"field_{k // 8}.tif,{v}" for k, v in labels.items())])
    bands = ("B02", "B03", "B04", "B08")
    dataset = opened(write_folder(tmp_path / "fields", table=table, bands=bands))
    assert len(dataset.classes) == 193
    assert dataset.bands == bands
    assert dataset.load("test").targets.shape[1] == 193


def test_missing_and_unlisted_files_are_counted(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "fields")
    (root / "field_3.tif").unlink()
    write_stack(root / "new.tif")
    dataset = opened(root)
    assert (dataset.absent, dataset.first_absent, dataset.unlisted) == (1, "field_3.tif", 1)
    found = check_own(root)
    assert not found["complete"]
    assert found["counts"]["train"]["here"] == len(dataset.records("train"))
    (root / "field_5.tif").write_bytes(b"II*\0 no picture")
    assert any("field_5" in text for text in check_own(root, sample=100)["problems"])


def test_what_needs_the_19_classes_refuses_others(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "fields")
    with pytest.raises(BadInput, match="needs the 19 classes"):
        open_dataset("folder", root)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("", "has no rows"),
        ("file,labels\n", "has no rows"),
        ("what,labels\na,b\n", "no column 'file'"),
        ("file,comment\nfield_1.tif,hello\n", "has no labels"),
        ("file,labels\nfield_1.tif,Tall trees,Open water\n", "Line 2 of .* has 3 cells"),
        ("file,labels\nother.tif,Tall trees\n", "neither this nor any other"),
        ("file,labels\n../../etc/passwd,Tall trees\n", "neither this nor any other"),
        ("file,labels\nfield_1.tif,<script>\n", "cannot be the name"),
        ("file,labels\nfield_1.tif,a\nfield_2.tif,A\n", "named twice"),
        ("file,labels\nfield_1.tif,a\nfield_2.tif,a\n", "same labels"),
        ("file,labels\n,a\n", "names no file"),
        ("file,labels,split\nfield_1.tif,a,later\n", "has the split 'later'"),
        ("file,labels,split\nfield_1.tif,a,train\nfield_1.tif,b,test\n", "another split"),
        ("file,file\na,b\n", "two columns of the same name"),
        ('file,labels\n"field_1.tif,a\n', "damaged or no CSV"),
        ("file,A,B\n" + "field_1.tif,1,0\n" * 30 + "field_2.tif,1,O\n", "'O' in the column 'B'"),
    ],
)
def test_a_table_that_cannot_be_used_has_one_sentence(
    tmp_path: Path, table: str, sentence: str
) -> None:
    root = write_folder(tmp_path / "fields", 4, table=table or "\n")
    with pytest.raises(BadInput, match=sentence) as caught:
        open_own(root)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("classes", "kind"),
    [
        ("name\nTall trees\n", UnknownName),
        ("title\nTall trees\n", BadInput),
        ("name,colour\nTall trees,red\nOpen water,#000000\n", BadInput),
        ("name,short\nTall trees,<b>\nOpen water,x\n", BadInput),
    ],
)
def test_a_list_of_classes_that_cannot_be_used_is_refused(
    tmp_path: Path, classes: str, kind: type[LandcoverError]
) -> None:
    root = write_folder(tmp_path / "fields", 4)
    (root / "classes.csv").write_text(classes)
    with pytest.raises(kind):
        open_own(root)


@pytest.mark.parametrize("content", [b"\xff\xfe\0", b"SQLite format 3\0" + bytes(200)])
def test_a_damaged_table_is_refused(tmp_path: Path, content: bytes) -> None:
    root = write_folder(tmp_path / "fields", 4)
    (root / "labels.csv").write_bytes(content)
    with pytest.raises(BadInput):
        open_own(root)


def test_tables_are_bounded(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "fields", 4)
    with limits.changed(table_rows=3), pytest.raises(BadInput, match="more than 3 rows"):
        open_own(root)
    with limits.changed(table_bytes=10), pytest.raises(BadInput, match="larger than"):
        open_own(root)
    (root / "labels.csv").unlink()
    with pytest.raises(BadInput, match="no table of labels"):
        open_own(root)
    with pytest.raises(BadInput, match="no folder"):
        open_own(tmp_path / "nowhere")
