"""The six labelled samples, and reading any source by its name."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from rasterio.io import MemoryFile

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, LandcoverError, UnknownName
from landcover.io import samples, sources

TRUTH = {
    "portugal-hills": {
        "Complex cultivation patterns",
        "Land principally occupied by agriculture, with significant areas of natural vegetation",
        "Broad-leaved forest",
        "Transitional woodland, shrub",
    },
    "finland-lake": {
        "Coniferous forest",
        "Mixed forest",
        "Transitional woodland, shrub",
        "Inland wetlands",
        "Inland waters",
    },
    "finland-snow": {"Arable land", "Coniferous forest", "Mixed forest"},
    "austria-fields": {
        "Arable land",
        "Land principally occupied by agriculture, with significant areas of natural vegetation",
    },
    "ireland-fields": {"Arable land", "Pastures"},
    "ireland-pastures": {"Pastures"},
}


def test_labels_are_those_of_the_package() -> None:
    assert {s.name: set(s.truth) for s in samples.samples()} == TRUTH
    assert all(s.truth <= set(CLASS_NAMES) for s in samples.samples())


def test_each_sample_is_a_complete_patch_at_its_stated_place() -> None:
    for sample in samples.samples():
        patch = samples.read_sample(sample.name)
        assert patch.data.shape == (12, 120, 120)
        assert patch.valid.all()
        assert 0.01 < np.median(patch.data) < 0.5
        assert patch.centre == sample.centre
        assert patch.provenance.source == sample.name
        assert patch.acquired == sample.acquired
        assert samples.sample_at(*sample.centre) == sample
        for latitude, longitude in sample.outline:
            assert abs(latitude - sample.centre[0]) < 0.0065
            assert abs(longitude - sample.centre[1]) < 0.015
    assert samples.sample_at(48.0, 16.0) is None


def test_the_code_of_the_package_is_not_run() -> None:
    samples.samples()
    assert "bigearthnet_common" not in sys.modules


@pytest.mark.data
def test_splits_are_those_of_the_official_metadata(shared_data: Path) -> None:
    import pandas as pd  # noqa: PLC0415 - only this test needs it

    table = pd.read_parquet(
        shared_data / "bigearthnet" / "metadata-all-480038.parquet",
        columns=["s2v1_name", "patch_id", "split", "country", "labels"],
    ).set_index("s2v1_name")
    for sample in samples.samples():
        if sample.split is None:
            assert sample.patch_id not in table.index
            continue
        row = table.loc[sample.patch_id]
        assert (row["patch_id"], row["split"]) == (sample.v2_id, sample.split)
        assert row["country"] == sample.country
        assert set(row["labels"]) == sample.truth


def test_a_missing_package_gives_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(LandcoverError, match="pip install bigearthnet-common"):
        samples.package_folder()


def test_a_damaged_archive_gives_a_sentence(tmp_path: Path) -> None:
    for data in (None, b"BZh9 nothing", b""):
        if data is not None:
            (tmp_path / samples.ARCHIVE).write_bytes(data)
        with pytest.raises(BadInput, match="missing or damaged"):
            samples.read_archive(tmp_path)


def test_read_accepts_samples_places_files_and_folders(tmp_path: Path) -> None:
    by_name = sources.read("finland-lake")
    latitude, longitude = by_name.centre
    assert sources.read(f"{latitude},{longitude}") is by_name
    v1 = tmp_path / "patch"
    v1.mkdir()
    for name, data in samples.sample_files("finland-lake"):
        (v1 / name).write_bytes(data)
    np.testing.assert_array_equal(sources.read(v1).data, by_name.data)
    stack = tmp_path / "stack.tif"
    stack.write_bytes(_stack(by_name.data))
    np.testing.assert_allclose(sources.read(str(stack)).data, by_name.data, atol=5e-5)


def test_read_upload_accepts_a_stack_or_band_files() -> None:
    by_name = sources.read("finland-lake")
    stack = sources.read_upload([("stack.tif", _stack(by_name.data))])
    files = samples.sample_files("finland-lake")
    np.testing.assert_allclose(stack.data, by_name.data, atol=5e-5)
    np.testing.assert_array_equal(sources.read_upload(files).data, by_name.data)


def _stack(reflectance: np.ndarray) -> bytes:
    import rasterio  # noqa: PLC0415 - only this function needs it

    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=120,
            height=120,
            count=12,
            dtype="uint16",
            crs="EPSG:32635",
            transform=rasterio.Affine(10, 0, 682_800, 0, -10, 6_971_220),
        ) as raster:
            raster.write(np.round(reflectance * 1e4).astype("uint16"))
        return bytes(memory.getbuffer())  # fmt: skip


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("finland-lak", "did you mean 'finland-lake'"),
        ("/no/such/file.tif", "There is no file, folder or sample 'file.tif'"),
        ("vienna", r"a place is written LAT,LON: Vienna, Austria is 48\.2085,16\.3721\.$"),
        ("over the hills", r"a place is written LAT,LON\.$"),
        ("48.2,16.37", "No sample contains 48.20000"),
        ("95,16", "nowhere on Earth"),
        ("a\0b", "There is no file, folder or sample"),
        ("x" * 5000, "There is no file, folder or sample"),
        ("/vsicurl/http://localhost/a.tif", "There is no file, folder or sample"),
        ("GTIFF_DIR:1:/etc/passwd", "There is no file, folder or sample"),
        ("", "There is no file, folder or sample"),
    ],
)
def test_read_refuses_other_texts(source: str, words: str) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        sources.read(source)
    assert "\n" not in str(caught.value)


def test_an_empty_safe_product_is_refused_with_a_sentence(tmp_path: Path) -> None:
    safe = tmp_path / "S2A_MSIL2A_20200123T105321_N0213_R051_T31TDG_20200123T121435.SAFE"
    safe.mkdir()
    with pytest.raises(BadInput, match=r"has no MTD_MSIL2A.xml or MTD_MSIL1C.xml: download it"):
        sources.read(safe)


def test_uploads_of_other_files_are_refused() -> None:
    with pytest.raises(BadInput, match="No image was given"):
        sources.read_upload([])
    with pytest.raises(BadInput, match="'the upload' contains several scenes or pictures"):
        sources.read_upload([("a.tif", b""), ("b.tif", b"")])
    with pytest.raises(UnknownName, match="did you mean"):
        samples.read_sample("finland-lakes")
