"""Stacks: reading real and written files, and refusing others with one sentence."""

from __future__ import annotations

import contextlib
import struct
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput, LandcoverError
from landcover.core.raster import Raster
from landcover.core.window import Cut
from landcover.io.guard import check_size
from landcover.io.stack import read_stack
from tests.support.examples import examples
from tests.support.stack_files import SIDE, from_origin, numbers, tif


def test_a_10_m_utm_stack_is_not_resampled() -> None:
    pixels = numbers()
    patch = read_stack(tif(pixels), "S2A_20200123T105321_stack.tif")
    np.testing.assert_allclose(patch.data, pixels / 1e4, rtol=1e-6)
    assert patch.valid.all()
    assert patch.crs == "EPSG:32633"
    assert patch.transform == (10.0, 0.0, 400_000.0, 0.0, -10.0, 5_300_000.0)
    assert patch.acquired == datetime(2020, 1, 23, 10, 53, 21, tzinfo=UTC)
    assert patch.provenance.resampling == "none"
    assert patch.provenance.level == "L2A"
    assert "documented order" in patch.provenance.band_order


def test_path_and_bytes_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tif())
    by_path, by_bytes = read_stack(path, "a.tif"), read_stack(tif(), "a.tif")
    np.testing.assert_array_equal(by_path.data, by_bytes.data)
    assert by_path.provenance == by_bytes.provenance


def test_jpeg_2000_is_read_from_disk_but_not_from_bytes(tmp_path: Path) -> None:
    pixels = numbers()
    path = tmp_path / "a.jp2"
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", count=12, height=SIDE, width=SIDE, dtype="uint16",
        crs="EPSG:32633", transform=from_origin(4e5, 5.3e6, 10, 10), QUALITY="100",
        REVERSIBLE="YES",
    ) as raster:  # fmt: skip
        raster.write(pixels)
    patch = read_stack(path, path.name)
    np.testing.assert_allclose(patch.data, pixels / 1e4, rtol=1e-6)
    with pytest.raises(BadInput, match="convert it to GeoTIFF"):
        read_stack(path.read_bytes(), path.name)


@pytest.mark.parametrize(
    ("scales", "dtype", "value", "said"),
    [
        ((0.0001, 0.0), "uint16", 0.05, "DN / 10000, as the file states"),
        ((0.0001, -0.1), "uint16", -0.05, "(DN − 1000) / 10000, as the file states"),
        ((1.0, -1000.0), "uint16", -0.05, "(DN − 1000) / 10000, as the file states"),
        (None, "int16", 0.05, "DN / 10000"),
    ],
)
def test_scale_and_offset_of_the_file_are_applied(
    scales: tuple[float, float] | None, dtype: str, value: float, said: str
) -> None:
    patch = read_stack(tif(numbers(dtype=dtype), scales=scales), "a.tif")
    assert patch.data[0, 0, 0] == pytest.approx(value)
    assert patch.provenance.scaling.endswith(said)


@pytest.mark.parametrize(("lift", "dark"), [(0, 0.05), (500, 0.0)])
def test_dark_pixels_decide_on_the_offset_of_a_newer_baseline(lift: int, dark: float) -> None:
    pixels = numbers() + np.uint16(lift)
    patch = read_stack(tif(pixels, tags={"PROCESSING_BASELINE": "05.09"}), "a.tif")
    assert patch.provenance.baseline == "05.09"
    assert patch.data[0, 0, 0] == pytest.approx(dark, abs=1e-6)
    assert ("confirmed by the dark pixels" in patch.provenance.scaling) == bool(lift)
    plain = read_stack(tif(pixels), "a.tif")
    assert plain.data[0, 0, 0] == pytest.approx((500 + lift) / 1e4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_float_reflectance_is_accepted_and_stated(dtype: str) -> None:
    pixels = (numbers() / 1e4).astype(dtype)
    pixels[3, 5, 6] = np.nan
    pixels[4, 7, 8] = -9999.0
    patch = read_stack(tif(pixels), "a.tif")
    assert patch.provenance.scaling == "values are reflectance already"
    assert not patch.valid[5, 6]
    assert not patch.valid[7, 8]
    assert patch.valid.sum() == SIDE * SIDE - 2
    np.testing.assert_allclose(patch.data[:, 0, 0], pixels[:, 0, 0], rtol=1e-6)


def test_nodata_is_zero_in_every_band_or_the_declared_value_in_any() -> None:
    pixels = numbers(dtype="int16")
    pixels[:, :10] = 0
    pixels[4, 20, 20] = 0
    pixels[4, 30, 30] = -32768
    patch = read_stack(tif(pixels, nodata=-32768), "a.tif")
    assert not patch.valid[:10].any()
    assert patch.valid[20, 20]
    assert not patch.valid[30, 30]
    assert patch.nodata_fraction == pytest.approx((10 * SIDE + 1) / SIDE**2)
    assert (patch.data[:, ~patch.valid] == 0).all()
    assert any("1 pixels have DN 0 in some band" in note for note in patch.provenance.notes)


def test_single_zeros_are_nodata_if_the_product_has_the_offset() -> None:
    pixels = numbers()
    pixels[4, 20, 20] = 0
    assert not read_stack(tif(pixels, scales=(0.0001, -0.1)), "a.tif").valid[20, 20]
    pixels[pixels > 0] += 500
    patch = read_stack(tif(pixels, tags={"PROCESSING_BASELINE": "05.09"}), "a.tif")
    assert not patch.valid[20, 20]
    assert patch.data.min() >= 0


def test_alpha_channel_is_a_mask() -> None:
    pixels = numbers(13)
    pixels[12] = 65535
    pixels[12, :5] = 0
    patch = read_stack(tif(pixels, alpha=True), "a.tif")
    assert patch.bands == BAND_NAMES
    assert patch.valid[5:].all()
    assert not patch.valid[:5].any()


def test_negative_and_bright_numbers_are_kept() -> None:
    pixels = numbers(dtype="int16")
    pixels[0, 0, 0], pixels[1, 0, 0] = -120, 17_295
    patch = read_stack(tif(pixels), "a.tif")
    assert patch.data[:2, 0, 0] == pytest.approx([-0.012, 1.7295])


REFUSED = {
    "empty": (b"", "is empty"),
    "text": (b"hello, world", "is not a raster"),
    "vrt": (b'<VRTDataset rasterXSize="9" rasterYSize="9"/>', "is not a raster"),
    "gdal path": (b"GTIFF_DIR:1:/etc/passwd", "is not a raster"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(50), r"is a photo \(JPEG\)"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(50), r"is a photo \(PNG\)"),
    "header only": (b"II*\0", "damaged or truncated"),
    "rgb": (tif(numbers(3, dtype="uint8")), "RGB photo"),
    "rgba": (tif(numbers(4, dtype="uint8")), "RGB photo"),
    "one byte map": (tif(numbers(1, dtype="uint8")), "1 band of type uint8"),
    "percent of 8 bits": (tif((numbers() / 100).astype("uint8")), "12 bands of type uint8, which is too coarse"),
    "complex": (tif(numbers(dtype="complex64")), "type complex64"),
    "ten bands": (tif(numbers(10)), "has 10 bands without names"),
    "four numbered": (tif(numbers(4), bands=("b1", "b2", "b3", "b4")), "only numbered \\('b1' …\\)"),
    "no red": (tif(numbers(3), bands=("B02", "B03", "NDVI")), "B04 is missing .names that were not understood: 'NDVI'"),
    "twice": (tif(bands=("B01", *BAND_NAMES[:11])), "B01 more than once"),
    "all nodata": (tif(numbers() * 0), "no data in any pixel"),
    "odd scale": (tif(scales=(0.5, 0.0)), r"a reflectance from 250 to 803 \(reflectance = number × 0.5\)"),
    "scale of a million": (tif(scales=(1e6, 0.0)), "states a scale of 1e\\+06"),
    "too large": (tif(numbers(dtype="float32") * 100), "from about 5e\\+04 to 1.606e\\+05, which fit no scale"),
    "too small": (tif(numbers(dtype="float32") / 1e7), "from 5e-05 to 0.000161"),
    "fill values only": (tif(np.full((12, SIDE, SIDE), 3e38, dtype=np.float32)), "only fill values"),
    "all nan": (tif(np.full((12, SIDE, SIDE), np.nan, dtype=np.float32)), "no data in any pixel"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_other_files_are_refused_with_one_sentence(case: str) -> None:
    data, words = REFUSED[case]
    with pytest.raises(BadInput, match=words) as caught:
        read_stack(data, f"/some/where/{case}.tif")
    message = str(caught.value)
    assert "\n" not in message
    assert "/some" not in message
    assert message.endswith(".")


@pytest.mark.parametrize("options", [
    {"compress": "deflate"}, {"compress": None}, {"compress": "lzw", "interleave": "band"},
    {"compress": "zstd", "tiled": True, "blockxsize": 64, "blockysize": 64},
    {"compress": None, "tiled": True, "blockxsize": 64, "blockysize": 64},
])  # fmt: skip
@pytest.mark.parametrize("kept", [0.99, 0.5, 0.05])
def test_truncated_files_are_refused(options: dict[str, Any], kept: float) -> None:
    data = tif(np.random.default_rng(0).integers(1, 9000, (12, 150, 150), np.uint16), **options)
    with pytest.raises(BadInput, match="damaged or truncated"):
        read_stack(data[: int(len(data) * kept)], "a.tif")


def tif_with_header(width: int, height: int, count: int, tile: int | None = None) -> bytes:
    """A TIFF with a few bytes of pixels and any header."""
    pixels = b"\x78\x9c\x03\x00\x00\x00\x00\x01"
    tags = {256: width, 257: height, 258: 16, 259: 8, 262: 1, 277: count, 284: 1, 339: 1}
    if tile:
        tags |= {322: tile, 323: tile, 324: 8, 325: len(pixels)}
    else:
        tags |= {273: 8, 278: height, 279: len(pixels)}
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    head = b"II*\0" + struct.pack("<I", 8 + len(pixels))
    return head + pixels + struct.pack("<H", len(tags)) + body + bytes(4)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (tif_with_header(60_000, 60_000, 12), "more than fits"),
        (tif_with_header(200, 4_000_000, 12), "more than fits"),
        (tif_with_header(2500, 2500, 12), "far more pixels"),
        (tif_with_header(200, 200, 12, tile=65_536), "far more pixels"),
        (tif_with_header(200, 200, 65_535), "has 65535 bands"),
    ],
)
def test_too_large_files_are_refused_before_decoding(data: bytes, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_stack(data, "a.tif")


@pytest.mark.parametrize(
    ("dtype", "most"), [("uint16", "2,800"), ("float32", "2,800"), ("float64", "2,000")]
)
def test_the_largest_size_depends_on_the_type(dtype: str, most: str) -> None:
    side, item = int(most.replace(",", "")), np.dtype(dtype).itemsize
    check_size(side, side, 12, item)
    with pytest.raises(BadInput, match=f"cut out at most {most} × {most} pixels"):
        check_size(side + 100, side + 100, 12, item)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.tif", tmp_path):
        with pytest.raises(BadInput, match="There is no file"):
            read_stack(path, path.name)


SEED_FILES = (
    tif(tags={"PROCESSING_BASELINE": "04.00"}, bands=BAND_NAMES),
    tif(crs="EPSG:4326", transform=from_origin(15, 48, 0.00014, 0.0001), compress="lzw"),
    tif(numbers(dtype="int16"), nodata=-1, tiled=True, blockxsize=64, blockysize=64),
)


# The limits between opening and reading keep every example fast and small.
@settings(max_examples=examples(150), deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(
    which=st.integers(0, len(SEED_FILES) - 1),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    in_header=st.booleans(),
    cut=st.sampled_from([None, Cut(size=SIDE)]),
    kept=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_damaged_files_give_a_patch_or_a_sentence(
    which: int,
    changes: list[tuple[float, int]],
    kept: float,
    cut: Cut | None,
    *,
    in_header: bool,
) -> None:
    data = bytearray(SEED_FILES[which])
    reach = 400 if in_header else len(data)
    for where, value in changes:
        data[min(int(where * reach), len(data) - 1)] = value
    try:
        patch: Raster | None = read_stack(bytes(data[: int(kept * len(data))]), "a.tif", cut)
    except LandcoverError:
        patch = None
    assert patch is None or min(patch.height, patch.width) >= SIDE


@pytest.mark.slow
def test_damaged_files_print_nothing_on_the_terminal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[object] = []
    monkeypatch.setattr(sys, "excepthook", lambda *what: heard.append(what))
    monkeypatch.setattr(sys, "unraisablehook", heard.append)
    seed = SEED_FILES[0]
    # Tags and descriptions are at the end, and GDAL quotes them if they are damaged.
    for where in range(len(seed) - 600, len(seed)):
        data = bytearray(seed)
        data[where] = 255
        with contextlib.suppress(LandcoverError):
            read_stack(bytes(data), "a.tif")
    captured = capfd.readouterr()
    assert (captured.err, captured.out, heard) == ("", "", [])


@pytest.mark.data
def test_boadella(shared_data: Path) -> None:
    path = shared_data / "scenes" / "boadella" / "Boadella_2020-01-23.tif"
    patch = read_stack(path, path.name)
    assert patch.crs == "EPSG:32631"
    assert (patch.height, patch.width) == (379, 381)
    assert patch.centre == pytest.approx((42.3476, 2.8150), abs=1e-3)
    assert patch.acquired == datetime(2020, 1, 23, tzinfo=UTC)
    assert patch.data.max() > 1.5
    assert patch.centre_window(120).valid.all()


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "level", "size"),
    [
        ("terramind/S2L2A/637U_59R_1_3.tif", "L2A", 224),
        ("terramind/S2L1C/637U_59R_1_3.tif", "L1C", 224),
        ("copernicusfm/20201002T221611_20201002T221610_T60HWB.tif", "L1C", 264),
    ],
)
def test_real_utm_stacks(shared_data: Path, file: str, level: str, size: int) -> None:
    path = shared_data / "scenes" / file
    patch = read_stack(path, path.name)
    assert patch.provenance.level == level
    assert (patch.height, patch.width) == (size, size)
    assert patch.provenance.resampling == "none"
    with rasterio.open(path) as raster:
        np.testing.assert_allclose(patch.band("B8A"), raster.read(9) / 1e4, rtol=1e-6)
