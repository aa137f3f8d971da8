"""BigEarthNet patch folders, band files and zips."""

from __future__ import annotations

import io
import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile

from landcover.core import limits
from landcover.core.bands import BAND_NAMES, BANDS, BANDS_10M, BANDS_20M, BANDS_60M
from landcover.core.errors import BadInput
from landcover.io import sources
from landcover.io.archive import Zip
from landcover.io.band_files import read_native

NAME = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57"
WEST, NORTH = 331_200, 5_331_600


def band_file(
    band: str, *, shift: float = 0, dtype: str = "uint16", side: int | None = None
) -> bytes:
    resolution = next(b.resolution_m for b in BANDS if b.name == band)
    side = side or 1200 // resolution
    pixels = (np.arange(side * side).reshape(side, side) + 100 * BAND_NAMES.index(band) + 1).astype(
        dtype
    )
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=side,
            height=side,
            count=1,
            dtype=dtype,
            crs="EPSG:32633",
            transform=rasterio.Affine(resolution, 0, WEST + shift, 0, -resolution, NORTH),
        ) as raster:
            raster.write(pixels, 1)
        return bytes(memory.getbuffer())  # fmt: skip


FILES = {band: (f"{NAME}_{band}.tif", band_file(band)) for band in BAND_NAMES}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    path.mkdir()
    for name, data in FILES.values():
        (path / name).write_bytes(data)
    return path


def test_native_grids(folder: Path) -> None:
    native = read_native(folder)
    assert native.name == NAME
    assert native.g10.shape == (4, 120, 120)
    assert native.g20.shape == (6, 60, 60)
    assert native.g60.shape == (2, 20, 20)
    assert {a.dtype for a in (native.g10, native.g20, native.g60)} == {np.dtype("uint16")}
    for names, pixels in (
        (BANDS_10M, native.g10),
        (BANDS_20M, native.g20),
        (BANDS_60M, native.g60),
    ):
        for band, values in zip(names, pixels, strict=True):
            assert values[0, 0] == 100 * BAND_NAMES.index(band) + 1
    assert native.crs == "EPSG:32633"
    assert native.transform == (10.0, 0.0, WEST, 0.0, -10.0, NORTH)
    assert native.acquired == datetime(2017, 6, 13, 10, 10, 31, tzinfo=UTC)


def test_a_folder_is_read_with_coarse_pixels_repeated(folder: Path) -> None:
    native, patch = read_native(folder), sources.read(folder)
    assert patch.data.shape == (12, 120, 120)
    expected = np.kron(native.g60[1], np.ones((6, 6))) / 1e4
    np.testing.assert_allclose(patch.band("B09"), expected, rtol=1e-6)
    expected = np.kron(native.g20[3], np.ones((2, 2))) / 1e4
    np.testing.assert_allclose(patch.band("B8A"), expected, rtol=1e-6)
    np.testing.assert_allclose(patch.band("B04"), native.g10[2] / 1e4, rtol=1e-6)
    assert patch.valid.all()
    assert "nearest repetition" in patch.provenance.resampling


def test_uploaded_files_and_zips_give_the_same(folder: Path) -> None:
    patch = sources.read(folder)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._B01.tif", b"noise")
        for name, data in FILES.values():
            archive.writestr(f"up/{NAME}/{name}", data)
    for other in (
        sources.read_upload(list(FILES.values())),
        sources.read_upload([("a.zip", stream.getvalue())]),
    ):
        np.testing.assert_array_equal(other.data, patch.data)
        assert other.transform == patch.transform
        assert other.acquired == patch.acquired
        assert other.provenance.scene == NAME


def test_labels_file_is_read(folder: Path) -> None:
    labels = folder / f"{NAME}_labels_metadata.json"
    labels.write_text('{"labels": ["Pastures"], "acquisition_date": "2017-06-13 10:10:31"}')
    assert read_native(folder).corine == ("Pastures",)
    assert sources.read(folder).provenance.notes == ("CORINE labels: Pastures",)
    for text in ("[" * 100_000, "{", "3"):
        labels.write_text(text)
        with pytest.raises(BadInput, match="The file of labels of"):
            read_native(folder)


def test_labels_become_text(folder: Path) -> None:
    labels = folder / f"{NAME}_labels_metadata.json"
    labels.write_text('{"labels": ["a\\ud800\\u001b[31m", 3]}')
    for label in read_native(folder).corine:
        assert label.encode()
        assert label.isprintable()


def test_missing_band_is_named(folder: Path) -> None:
    (folder / f"{NAME}_B8A.tif").unlink()
    (folder / f"{NAME}_B01.tif").unlink()
    with pytest.raises(BadInput, match="lacks the bands B01, B8A"):
        read_native(folder)


@pytest.mark.parametrize(
    ("band", "data", "words"),
    [
        ("B03", band_file("B03", shift=10), "covers another place than B01"),
        ("B05", band_file("B05", dtype="int16"), "of type int16"),
        ("B02", band_file("B02", side=60), "not 120 × 120"),
        ("B09", FILES["B05"][1], "not 20 × 20"),
        ("B11", FILES["B11"][1][:-3000], "damaged or truncated"),
        ("B12", b"", "is empty"),
        ("B01", b"x" * 3_000_000, "larger than 2 MB"),
    ],
)
def test_wrong_band_files_are_refused(folder: Path, band: str, data: bytes, words: str) -> None:
    (folder / f"{NAME}_{band}.tif").write_bytes(data)
    with pytest.raises(BadInput, match=words):
        read_native(folder)


def test_other_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / f"{NAME}_B01.tif", folder / "other_B01.tif")
    with pytest.raises(BadInput, match="B01 more than once"):
        read_native(folder)
    with pytest.raises(BadInput, match="There is no folder"):
        read_native(tmp_path / "none")
    (tmp_path / "bare").mkdir()
    with pytest.raises(BadInput, match="'bare' contains no stack, picture, SAFE product or band"):
        sources.read(tmp_path / "bare")


def zipped(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/") + ".tif", data)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04 and then nothing", "is damaged or not a zip"),
        (zipped(), "contains no raster file"),
        (
            zipped(a=b"1", b=b"2"),
            "'a.zip' contains several scenes or pictures, such as 'a.tif' and 'b.tif'",
        ),
        (zipped(a=b"text"), "is not a raster"),
        (zipped(a__x_B01=b"1", b__x_B01=b"2"), "such as 'a/x_B01.tif' and 'b/x_B01.tif'"),
        (zipped(x_B01=bytes(30_000_000), x_B02=b""), "such as 'x_B01.tif' and 'x_B02.tif'"),
    ],
)
def test_other_zips_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        sources.read_upload([("a.zip", data)])


def test_members_of_zips_are_limited_while_they_are_read() -> None:
    packed = Zip(zipped(a=bytes(30_000_000)), "a.zip")
    assert packed.read("a.tif", 30_000_000) == bytes(30_000_000)
    with pytest.raises(BadInput, match=r"^'a.tif' in 'a.zip' unpacks to more than 20 MB: cut"):
        packed.read("a.tif", 20_000_000)


def test_one_file_of_labels_of_many_is_read() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in FILES.values():
            archive.writestr(name, data)
        for number in range(100):
            archive.writestr(f"{number:02d}_labels_metadata.json", b"{}" + b" " * 1_900_000)
    with (
        pytest.raises(BadInput, match="The file of labels of"),
        limits.changed(archive_upload_bytes=10_000_000),
    ):
        sources.read_upload([("a.zip", stream.getvalue())])


@pytest.mark.parametrize("kind", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("damaged", [False, True])
def test_zips_of_other_compressions_are_refused(kind: int, *, damaged: bool) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind) as archive:
        archive.writestr("a.tif", FILES["B02"][1])
    data = bytearray(stream.getvalue())
    if damaged:
        data[40:60] = bytes(20)
    with pytest.raises(BadInput) as caught:
        sources.read_upload([("a.zip", bytes(data))])
    assert str(caught.value) == (
        "'a.zip' has another compression than deflate: pack it again with the usual compression "
        "(deflate), without a password and with plain names."
    )


@pytest.mark.data
def test_real_v2_patch(shared_data: Path) -> None:
    path = next((shared_data / "bigearthnet" / "BigEarthNet-S2").glob(f"*/{NAME}"))
    patch = sources.read(path)
    with rasterio.open(path / f"{NAME}_B05.tif") as raster:
        expected = raster.read(1).repeat(2, 0).repeat(2, 1) / 1e4
    np.testing.assert_allclose(patch.band("B05"), expected, rtol=1e-6)
    assert patch.crs == "EPSG:32633"
