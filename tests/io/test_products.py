"""Products and sets of band files: the same reflectance as of a stack with the same pixels."""

from __future__ import annotations

import io
import json
import math
import tracemalloc
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from affine import Affine
from rasterio.warp import Resampling, reproject

from landcover.core import limits
from landcover.core.bands import BAND_NAMES, L1C_BAND_NAMES
from landcover.core.errors import BadInput
from landcover.core.raster import Raster
from landcover.core.window import Cut
from landcover.io import sources
from landcover.io.samples import native
from landcover.io.stack import read_stack
from tests.support.examples import sampled
from tests.support.safe_tree import RESOLUTION, Safe, pixels, write_raster, write_safe
from tests.support.stack_files import tif

AUSTRIA = native("austria-fields")
CORNER = (AUSTRIA.transform[2], AUSTRIA.transform[5])
COPERNICUS = "2017-06-13-00:00_2017-06-13-23:59_Sentinel-2_L2A_{band}_(Raw).tiff"
SCP = "clip_T33UUP_20170613T101031_{band}_{metres}m.tif"
CUT = Cut(size=120, corner=(31, 57))
NAMES = (COPERNICUS, SCP, "RT_T33UUP_20170613T101031_{band}.tif", "x/{band}.TIF", "{band}.jp2")


def tiled(numbers: npt.NDArray[Any], times: int = 2) -> npt.NDArray[Any]:
    """A larger scene of repeated real pixels."""
    return np.tile(numbers, (times, times))


def scene(times: int = 2) -> dict[str, npt.NDArray[Any]]:
    return {band: tiled(numbers, times) for band, numbers in pixels().items()}


def as_stack(bands: Mapping[str, npt.NDArray[Any]], **options: Any) -> Raster:
    """The bands as one stack with repeated coarse pixels, read by the reader of stacks."""
    names = [name for name in L1C_BAND_NAMES if name in bands]
    repeated = [
        bands[name].repeat(RESOLUTION[name] // 10, axis=0).repeat(RESOLUTION[name] // 10, axis=1)
        for name in names
    ]
    where = {"crs": AUSTRIA.crs, "transform": rasterio.Affine(*AUSTRIA.transform)}
    return read_stack(tif(np.stack(repeated), bands=names, **(where | options)), "a_2017-06-13.tif")


def write_set(folder: Path, pattern: str, bands: Mapping[str, npt.NDArray[Any]]) -> Path:
    for band, numbers in bands.items():
        name = pattern.format(band=band, metres=RESOLUTION[band])
        write_raster(folder / name, numbers, AUSTRIA.crs, (*CORNER, RESOLUTION[band]))
    return folder


def zipped(folder: Path, *, kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", kind) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder.parent))
    return packed.getvalue()


def assert_same_pixels(found: Raster, expected: Raster) -> None:
    np.testing.assert_array_equal(found.data, expected.data)
    np.testing.assert_array_equal(found.valid, expected.valid)
    assert (found.crs, found.transform) == (expected.crs, expected.transform)
    assert found.bands == expected.bands


# SAFE products


@pytest.mark.parametrize("offset", ["0", "-1000"])
def test_a_product_has_the_reflectance_of_a_stack(tmp_path: Path, offset: str) -> None:
    folder = write_safe(tmp_path, Safe(offsets=[offset] * 13))
    raster = sources.read(folder)
    bands = {name: numbers for name, numbers in pixels().items() if name in BAND_NAMES}
    assert_same_pixels(raster, as_stack(bands, scales=(1e-4, int(offset) / 1e4)))
    assert raster.acquired == datetime(2017, 6, 13, 10, 10, 31, tzinfo=UTC)
    facts = raster.provenance
    assert (facts.source, facts.scene) == (folder.name, folder.name.removesuffix(".SAFE"))
    assert (facts.level, facts.baseline) == ("L2A", "05.00")
    assert facts.scaling.endswith("/ 10000: BOA_ADD_OFFSET")
    assert facts.resampling == "nearest repetition of the coarser bands to the finest grid"
    assert facts.band_order == "names of the band files"
    assert facts.missing_bands == ()
    assert raster.scl is not None
    assert set(np.unique(raster.scl)) == {4}
    assert sources.level_of(folder) == "L2A"


def test_clouds_in_the_scene_classification_are_not_valid(tmp_path: Path) -> None:
    folder = write_safe(tmp_path, Safe(offsets=["0"] * 13))
    classes = pixels()["SCL"]
    classes[:10, :20], classes[10:20, :20], classes[50, 50] = 9, 3, 11
    (path,) = folder.rglob("*_SCL_20m.jp2")
    write_raster(path, classes, AUSTRIA.crs, (*CORNER, 20))
    raster = sources.read(folder)
    assert not raster.valid[:40, :40].any()
    assert raster.valid[40:].all()
    assert not raster.data[:, :40, :40].any()
    assert raster.scl is not None
    np.testing.assert_array_equal(raster.scl, classes.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize(
    "kind", sampled([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], [zipfile.ZIP_DEFLATED])
)
def test_a_zipped_product_equals_the_product(tmp_path: Path, kind: int) -> None:
    folder = write_safe(tmp_path, Safe())
    path = tmp_path / "S2A.zip"
    path.write_bytes(zipped(folder, kind=kind))
    expected = sources.read(folder)
    for cut in (None, Cut(size=60), Cut(size=60, corner=(7, 11))):
        found = sources.read(path, cut)
        assert_same_pixels(found, expected if cut is None else expected.cut(cut))
        assert found.provenance == expected.provenance
    assert sources.expand(path) == [str(path)]


def large_product(root: Path) -> tuple[Path, Raster]:
    """A product of a full tile with pixels at its centre, and these pixels as a raster."""
    folder = write_safe(root, Safe(offsets=["0"] * 13, side_m=109_800))
    bands = {name: numbers for name, numbers in pixels().items() if name in (*BAND_NAMES, "SCL")}
    (images,) = folder.rglob("IMG_DATA")
    for band, numbers in bands.items():
        metres = RESOLUTION[band]
        side, corner = 109_800 // metres, 54_000 // metres
        (old,) = images.rglob(f"*_{band}_{metres}m.jp2")
        old.unlink()
        with rasterio.open(
            old.with_suffix(".tif"), "w", driver="GTiff", count=1, width=side, height=side,
            dtype=numbers.dtype, crs=AUSTRIA.crs, tiled=True, SPARSE_OK=True, compress="deflate",
            transform=rasterio.Affine(metres, 0, CORNER[0], 0, -metres, CORNER[1]),
        ) as raster:  # fmt: skip
            size = 1200 // metres
            raster.write(numbers[None], window=((corner, corner + size), (corner, corner + size)))
    del bands["SCL"]
    return folder, as_stack(bands, scales=(1e-4, 0.0))


def test_a_window_of_a_large_product_is_read_without_the_rest(tmp_path: Path) -> None:
    folder, expected = large_product(tmp_path)
    with pytest.raises(
        BadInput, match=r"has 10,980 × 10,980 pixels in 12 bands of 2 bytes, more than fits"
    ):
        sources.read(folder)
    (tmp_path / "a.zip").write_bytes(zipped(folder))
    centre = (5400 + 60) * 10
    place = AUSTRIA.transform[2] + centre, AUSTRIA.transform[5] - centre
    xs, ys = rasterio.warp.transform(AUSTRIA.crs, "EPSG:4326", [place[0]], [place[1]])
    for source in (folder, tmp_path / "a.zip"):
        for cut in (Cut(size=120, corner=(5400, 5400)), Cut(size=120, place=(ys[0], xs[0]))):
            tracemalloc.start()
            window = sources.read(source, cut)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            np.testing.assert_array_equal(window.data, expected.data)
            assert window.transform == (10, 0, CORNER[0] + 54_000, 0, -10, CORNER[1] - 54_000)
            assert peak < 30_000_000
    assert sources.read(folder, Cut(size=120)).transform == (
        10, 0, CORNER[0] + 54_300, 0, -10, CORNER[1] - 54_300
    )  # fmt: skip
    with pytest.raises(BadInput, match="lies outside"):
        sources.read(folder, Cut(size=120, place=(0.0, 0.0)))


def test_a_level_1c_product_is_read_as_such(tmp_path: Path) -> None:
    raster = sources.read(write_safe(tmp_path, Safe(level="1C")))
    assert (raster.level, raster.bands) == ("L1C", L1C_BAND_NAMES)
    assert raster.provenance.scaling.endswith("RADIO_ADD_OFFSET")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"EPSG:32633": "EPSG:99999"}, "EPSG:99999' is not a coordinate reference system"),
        ({"10000</BOA": "1000</BOA"}, "states 1000 numbers for a reflectance of 1"),
        ({"<NROWS>120<": "<NROWS>121<"}, "has 120 × 120 pixels, not 120 × 121: download it"),
        ({'"20"><ULX>': '"20"><ULX>9'}, "covers another place than other bands"),
        ({"<XDIM>20<": "<XDIM>nan<"}, "lacks the tile's position"),
        ({"<XDIM>10<": "<XDIM>1e999<"}, "lacks the tile's position"),
    ],
)
def test_products_with_wrong_metadata_are_refused(
    tmp_path: Path, change: dict[str, str], words: str
) -> None:
    folder = write_safe(tmp_path, Safe(replace=change))
    with pytest.raises(BadInput, match=words):
        sources.read(folder)


def test_an_uploaded_product_equals_the_product(tmp_path: Path) -> None:
    folder = write_safe(tmp_path, Safe())
    upload = [("S2A.zip", zipped(folder))]
    assert_same_pixels(sources.read_upload(upload), sources.read(folder))
    (path,) = folder.rglob("*_B05_20m.jp2")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(BadInput, match=f"^'{path.name}' is damaged or truncated"):
        sources.read_upload([("S2A.zip", zipped(folder))])


def test_an_uploaded_jpeg_2000_file_is_read(tmp_path: Path) -> None:
    stack = write_raster(tmp_path / "a.jp2", AUSTRIA.stack(), AUSTRIA.crs, (*CORNER, 10))
    upload = [(stack.name, stack.read_bytes())]
    assert_same_pixels(sources.read_upload(upload), sources.read(stack))


def test_damaged_images_are_reported_with_their_names(tmp_path: Path) -> None:
    folder = write_safe(tmp_path, Safe())
    (path,) = folder.rglob("*_B05_20m.jp2")
    path.write_bytes(path.read_bytes()[:300])
    (tmp_path / "a.zip").write_bytes(zipped(folder))
    for source in (folder, tmp_path / "a.zip"):
        with pytest.raises(BadInput, match=f"^'{path.name}' is damaged or truncated"):
            sources.read(source)


# Sets of band files


@pytest.mark.parametrize(
    ("pattern", "cut"), sampled(product(NAMES, (None, CUT)), [(n, CUT) for n in NAMES])
)
def test_band_files_have_the_reflectance_of_a_stack(
    tmp_path: Path, pattern: str, cut: Cut | None
) -> None:
    bands = {name: numbers for name, numbers in scene().items() if name in BAND_NAMES}
    folder = write_set(tmp_path / "2017-06-13", pattern, bands)
    (tmp_path / "a.zip").write_bytes(zipped(folder))
    expected = as_stack(bands)
    for source in (folder, tmp_path / "a.zip"):
        found = sources.read(source, cut)
        assert_same_pixels(found, expected if cut is None else expected.cut(cut))
        assert found.acquired is not None
        assert found.acquired.date() == datetime(2017, 6, 13, tzinfo=UTC).date()
    assert sources.expand(folder) == [str(folder / "x" if "x/" in pattern else folder)]
    files = [(path.name, path.read_bytes()) for path in folder.rglob("*.*")]
    assert_same_pixels(sources.read_upload(files), expected)


def test_band_files_of_one_resolution_and_another_crs() -> None:
    # The Copernicus Browser exports all bands with pixels of one size, also in degrees.
    step = 0.0001
    transform = rasterio.Affine(step * 1.4, 0, 13.70, 0, -step, 48.235)
    stored = AUSTRIA.stack()
    bands = np.zeros((12, 240, 240), np.uint16)
    reproject(
        stored, bands, src_crs=AUSTRIA.crs, src_transform=rasterio.Affine(*AUSTRIA.transform),
        dst_crs="EPSG:4326", dst_transform=transform, resampling=Resampling.nearest,
    )  # fmt: skip
    files = []
    for name, numbers in zip(BAND_NAMES, bands, strict=True):
        data = tif(numbers[None], crs="EPSG:4326", transform=transform)
        files.append((COPERNICUS.format(band=name), data))
    expected = read_stack(tif(bands, crs="EPSG:4326", transform=transform), "a.tif")
    found = sources.read_upload(files)
    assert_same_pixels(found, expected)
    assert found.provenance.resampling == expected.provenance.resampling
    cut = Cut(size=60, place=found.centre)
    assert_same_pixels(sources.read_upload(files, cut), expected.cut(cut))


def test_clipped_bands_with_different_corners_cover_the_common_place(tmp_path: Path) -> None:
    # A clip along a line snaps each band to its own pixels.
    bands = scene()
    folder = tmp_path / "clip_2017-06-13"
    for band in BAND_NAMES:
        metres = RESOLUTION[band]
        skip = -(-130 // metres)
        place = (CORNER[0] + skip * metres, CORNER[1] - skip * metres, metres)
        name = SCP.format(band=band, metres=metres)
        write_raster(folder / name, bands[band][skip:, skip:], AUSTRIA.crs, place)
    found = sources.read(folder)
    expected = as_stack({band: bands[band] for band in BAND_NAMES})
    assert found.transform == (10, 0, CORNER[0] + 130, 0, -10, CORNER[1] - 130)
    inner = 18 - 13  # where all bands have a pixel of their own
    np.testing.assert_array_equal(found.data[:, inner:, inner:], expected.data[:, 18:, 18:])
    assert found.valid.all()


@pytest.mark.parametrize("corner", [math.nan, math.inf])
def test_a_band_without_a_place_is_refused(tmp_path: Path, corner: float) -> None:
    bands = {name: scene()[name] for name in ("B02", "B03", "B04", "B08")}
    folder = write_set(tmp_path / "2017-06-13", "{band}.tif", bands)
    with rasterio.open(folder / "B03.tif", "r+") as raster:
        raster.transform = Affine(10, 0, corner, 0, -10, 5_000_000)
    with pytest.raises(BadInput, match=r"B03.tif' has a position that is nowhere on Earth"):
        sources.read(folder)


def test_a_set_of_four_bands_and_one_with_a_mask(tmp_path: Path) -> None:
    bands = {name: scene()[name] for name in ("B02", "B03", "B04", "B08")}
    folder = write_set(tmp_path / "2017-06-13", "{band}.tif", bands)
    found = sources.read(folder)
    assert_same_pixels(found, as_stack(bands))
    assert len(found.provenance.missing_bands) == 8
    with rasterio.open(folder / "B03.tif", "r+") as raster:
        raster.nodata = 65_000
        numbers = bands["B03"].copy()
        numbers[:30, :40] = 65_000
        raster.write(numbers, 1)
    found = sources.read(folder)
    assert not found.valid[:30, :40].any()
    assert found.valid[30:].all()


def test_an_item_next_to_the_files_tells_the_offset(tmp_path: Path) -> None:
    bands = {name: numbers + np.uint16(1000) for name, numbers in scene().items()}
    bands = {name: bands[name] for name in BAND_NAMES}
    folder = write_set(tmp_path / "S2B_33UUP_20220613_0_L2A", "{band}.tif", bands)
    facts = {"datetime": "2022-06-13T10:10:31Z", "s2:processing_baseline": "04.00"}
    item = {"type": "Feature", "id": folder.name, "properties": facts, "assets": {}}
    (folder / "item.json").write_text(json.dumps(item))
    found = sources.read(folder)
    assert found.provenance.baseline == "04.00"
    assert "confirmed by the dark pixels" in found.provenance.scaling
    expected = as_stack({name: scene()[name] for name in BAND_NAMES})
    np.testing.assert_allclose(found.data, expected.data, atol=1e-6)
    facts["earthsearch:boa_offset_applied"] = True  # type: ignore[assignment]
    (folder / "item.json").write_text(json.dumps(item))
    assert sources.read(folder).data.min() >= 0.1


def test_wrong_sets_are_refused_with_a_sentence(tmp_path: Path) -> None:
    bands = {name: scene()[name] for name in BAND_NAMES}
    moved = write_set(tmp_path / "moved", "{band}.tif", bands)
    write_raster(moved / "B12.tif", bands["B12"], AUSTRIA.crs, (0, 5_000_000, 20))
    with pytest.raises(BadInput, match=r"^'B12.tif' covers another place than other bands of"):
        sources.read(moved)
    other = write_set(tmp_path / "other", "{band}.tif", bands)
    write_raster(other / "B12.tif", bands["B12"], "EPSG:32634", (*CORNER, 20))
    with pytest.raises(BadInput, match=r"^'B12.tif' covers another place than other bands of"):
        sources.read(other)
    several = write_set(tmp_path / "several", "{band}.tif", bands)
    write_raster(several / "B03.tif", AUSTRIA.stack(), AUSTRIA.crs, (*CORNER, 10))
    with pytest.raises(BadInput, match=r"^'B03.tif' has 12 bands, not one: give it as a stack"):
        sources.read(several)
    redirect = write_set(tmp_path / "redirect", "{band}.tif", bands)
    (redirect / "B03.tif").write_text('<VRTDataset rasterXSize="1" rasterYSize="1"/>')
    with pytest.raises(BadInput, match=r"^'B03.tif' is not a raster that can be read here"):
        sources.read(redirect)


def test_unpacking_a_zip_is_limited_in_total() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for band in BAND_NAMES:
            archive.writestr(f"etc/{band}.tif", bytes(10_000_000))
    with pytest.raises(BadInput, match=r"^'B01.tif' is not a raster that can be read here"):
        sources.read_upload([("a.zip", packed.getvalue())])
    with (
        limits.changed(archive_slack_bytes=1_000_000),
        pytest.raises(BadInput, match=r"^'a\.zip' unpacks to more than \d MB: unpack it"),
    ):
        sources.read_upload([("a.zip", packed.getvalue())])


@pytest.mark.parametrize("corner", [None, (0, 0), (606, 1201)])
def test_a_window_of_large_files_with_coarse_pixels(
    tmp_path: Path, corner: tuple[int, int] | None
) -> None:
    side = 3000
    rows, cols = np.mgrid[0:side, 0:side].astype(np.uint16)
    for band, numbers in (("B02", rows), ("B03", cols), ("B04", rows // 2 + 100)):
        path = tmp_path / f"2017-06-13_{band}_20m.tif"
        write_raster(path, numbers + np.uint16(1), AUSTRIA.crs, (*CORNER, 20))
    window = sources.read(tmp_path, Cut(size=120, corner=corner))
    row, col = corner or (2940, 2940)
    assert window.transform == (10, 0, CORNER[0] + col * 10, 0, -10, CORNER[1] - row * 10)
    expected = np.mgrid[row : row + 120, col : col + 120] // 2 + 1
    np.testing.assert_array_equal(np.round(window.data[:2] * 1e4), expected)
    assert window.provenance.native_pixel_m == 20
