"""Folders and zips of many sources: what is found, under which address, and in which order."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput
from landcover.io import sources
from landcover.io.samples import sample_files
from tests.io.test_stack import numbers, tif
from tests.support.colour_pictures import encoded, pixels
from tests.support.safe_tree import Safe, write_safe

STACK = tif(numbers())


def fill(root: Path) -> Path:
    """A folder with stacks, pictures, band files, a patch, a product and zips of some."""
    (root / "deep" / "er").mkdir(parents=True)
    (root / "b 2020-01-23.tif").write_bytes(STACK)
    (root / "b 2020-01-23.png").write_bytes(b"a preview of the stack")
    (root / "a.TIFF").write_bytes(STACK)
    (root / "notes.txt").write_text("x")
    (root / ".hidden.tif").write_bytes(STACK)
    (root / "broken.tif").write_bytes(b"II*\0nonsense")
    (root / "picture.png").write_bytes(encoded(pixels()))
    (root / "deep" / "er" / "c.tif").write_bytes(STACK)
    patch = root / "patch"
    patch.mkdir()
    for name, data in sample_files("finland-lake"):
        (patch / name).write_bytes(data)
    two = root / "two"
    two.mkdir()
    for day in ("2020-01-23", "2020-01-24"):
        for name, data in sample_files("finland-lake"):
            (two / f"{day}_{name[-7:]}").write_bytes(data)
    write_safe(root / "safe", Safe())
    with zipfile.ZipFile(root / "one.zip", "w") as archive:
        archive.writestr("inside/d.tif", STACK)
    with zipfile.ZipFile(root / "several.zip", "w") as archive:
        archive.writestr("e.tif", STACK)
        archive.writestr("inside/f.tif", STACK)
        archive.writestr("inside/again.zip", b"PK\x03\x04")
    (root / "damaged.zip").write_bytes(b"PK\x03\x04 and then nothing")
    return root


def test_a_folder_is_expanded_into_its_sources(tmp_path: Path) -> None:
    root = fill(tmp_path / "in")
    found = sources.expand(root)
    assert [address.removeprefix(f"{root}/") for address in found] == [
        "a.TIFF",
        "b 2020-01-23.tif",
        "broken.tif",
        "damaged.zip",
        "one.zip",
        "picture.png",
        "several.zip/e.tif",
        "several.zip/inside/f.tif",
        "deep/er/c.tif",
        "patch",
        f"safe/{Safe().name}",
        "two/2020-01-23",
        "two/2020-01-24",
    ]
    fine = [one for one in found if Path(one).name not in {"broken.tif", "damaged.zip"}]
    for address in fine:
        raster = sources.read(address)
        assert (raster.level == "RGB") == (sources.level_of(address) == "RGB")
        assert raster.is_rgb == address.endswith(".png")
        assert sources.expand(address) == [address]
    for address, words in (("broken.tif", "damaged"), ("damaged.zip", "damaged or not")):
        with pytest.raises(BadInput, match=f"^'{address}' is {words}"):
            sources.read(root / address)
    np.testing.assert_array_equal(
        sources.read(root / "two" / "2020-01-24").data, sources.read("finland-lake").data
    )


def test_maps_of_this_program_are_no_images_of_a_folder(tmp_path: Path) -> None:
    for day in ("2020-06-21", "2022-06-01"):
        (tmp_path / f"lake_{day}.tif").write_bytes(STACK)
    for name in ("map", "map-cover", "map-decision", "change-probability"):
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", driver="GTiff", count=1, height=9, width=9, dtype="uint8",
            crs="EPSG:32633", transform=from_origin(4e5, 5.3e6, 80, 80),
        ) as file:  # fmt: skip
            file.update_tags(LAYER="cover", CARD="abc")
    for name in ("map.json", "change.json", "lake_2020-06-21.json"):
        (tmp_path / name).write_text("{}")
    found = [Path(one).name for one in sources.expand(tmp_path)]
    assert found == ["lake_2020-06-21.tif", "lake_2022-06-01.tif"]
    named = str(tmp_path / "map.tif")
    assert sources.expand(named) == [named]  # and reading it reports why not


def test_reading_a_folder_of_many_names_two_of_them(tmp_path: Path) -> None:
    root = fill(tmp_path / "in")
    with pytest.raises(BadInput) as caught:
        sources.read(root)
    assert str(caught.value) == (
        "'in' contains several scenes or pictures, such as 'a.TIFF' and 'b 2020-01-23.tif': "
        "give one of them, or classify the entire folder or zip."
    )
    (alone := tmp_path / "alone").mkdir()
    (alone / "a.tif").write_bytes(STACK)
    np.testing.assert_array_equal(sources.read(alone).data, sources.read(root / "a.TIFF").data)
    assert sources.expand(alone) == [str(alone / "a.tif")]


def test_other_sources_are_not_expanded(tmp_path: Path) -> None:
    for text in ("finland-lake", "48.2,13.7", "missing.tif", "a\0b", ""):
        assert sources.expand(text) == [text]
    (tmp_path / "bare").mkdir()
    with pytest.raises(BadInput, match=r"^'bare' contains no stack, picture, SAFE product or band"):
        sources.expand(tmp_path / "bare")


@pytest.mark.skipif(os.geteuid() == 0, reason="root opens every folder")
def test_a_folder_that_cannot_be_opened_is_a_source(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    (address,) = sources.expand(tmp_path)
    with pytest.raises(BadInput, match=r"'closed' cannot be opened: check its permissions"):
        sources.read(address)


def test_broken_products_are_sources_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "in" / "S2A.SAFE").mkdir(parents=True)
    (address,) = sources.expand(tmp_path / "in")
    with pytest.raises(BadInput, match=r"^'S2A.SAFE' has no MTD_MSIL2A.xml"):
        sources.read(address)


def test_an_upload_is_expanded_like_a_folder(tmp_path: Path) -> None:
    root = fill(tmp_path / "in")
    files = [(path.name, path.read_bytes()) for path in sorted(root.iterdir()) if path.is_file()]
    files += [(f"x_{name[-7:]}", data) for name, data in sample_files("finland-lake")]
    with sources.Upload(files) as upload:
        found = upload.expand()
    assert found == [
        "x",
        ".hidden.tif",
        "a.TIFF",
        "b 2020-01-23.tif",
        "broken.tif",
        "damaged.zip",
        "one.zip",
        "picture.png",
        "several.zip/e.tif",
        "several.zip/inside/f.tif",
    ]
    for address in found:
        if address not in {"broken.tif", "damaged.zip"}:
            assert sources.read_upload(files, address=address).width >= 64
    assert sources.read_upload(files, address="x").bands == BAND_NAMES


def test_the_number_of_files_in_a_zip_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(1_001):
            archive.writestr(f"{number}.tif", b"")
    assert sources.expand(path) == [str(path)]
    with pytest.raises(
        BadInput, match=r"^'many.zip' contains 1,001 files, more than 1,000: unpack it and"
    ):
        sources.read(path)


def test_the_metadata_file_and_folders_of_a_product_are_the_product(tmp_path: Path) -> None:
    folder = write_safe(tmp_path, Safe())
    (images,) = folder.rglob("IMG_DATA")
    expected = sources.read(folder)
    for path in (folder / "MTD_MSIL2A.xml", folder / "GRANULE", images, images / "R20m"):
        assert sources.expand(path) == [str(path)]
        np.testing.assert_array_equal(sources.read(path).data, expected.data)
    (band,) = images.rglob("*_B02_10m.jp2")
    with pytest.raises(BadInput) as caught:
        sources.read(band)
    assert str(caught.value) == (
        f"'{band.name}' is a single layer of a scene (B02): give the folder, or upload or zip all "
        "its band files together."
    )


def test_names_that_are_not_text_are_refused_with_a_sentence(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.tif"
    Path(os.fsdecode(path)).write_bytes(STACK)
    (address,) = sources.expand(tmp_path)
    with pytest.raises(BadInput, match=r"^'caf.tif' has a name, .* not valid UTF-8: rename it"):
        sources.read(address)
