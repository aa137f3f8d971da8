"""Headers of TIFF files are checked before GDAL opens them."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.io import sources
from landcover.io.guard import named, open_raster
from landcover.io.tiff_metadata import GDAL_METADATA, check_tiff
from landcover.io.zstandard import zstd
from tests.support.stack_files import numbers, tif
from tests.support.tiff_bytes import image, longs, shorts, text, tiff

GOOD = image([8], [8192])


def items(count: int) -> bytes:
    inside = b"".join(b'<Item name="%d">x</Item>' % n for n in range(count))
    return b"<GDALMetadata>" + inside + b"</GDALMetadata>\0"


def read(data: bytes | Path) -> Any:
    with named("a.tif"), open_raster(data) as file:
        return file.read(list(range(1, file.header.count + 1)))


@pytest.mark.parametrize(
    "options",
    [
        {"compress": "none"},
        {"compress": "deflate", "tiled": True, "blockxsize": 32, "blockysize": 32},
        {"compress": "lzw", "predictor": 2, "interleave": "band"},
        {"compress": "zstd", "tiled": True, "blockxsize": 64, "blockysize": 64},
        {"compress": "lerc", "bigtiff": "YES"},
        {"compress": "packbits", "endianness": "BIG"},
        {"compress": "deflate", "sparse_ok": True},
        {"compress": "deflate", "bigtiff": "YES", "endianness": "BIG"},
    ],
)
def test_files_of_gdal_are_read(options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tif(**options))
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], Resampling.nearest)
        file.update_tags(**{f"KEY_{n}": "value" for n in range(200)})
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            file.write_mask(np.full((120, 120), 255, np.uint8))
    check_tiff(path)
    np.testing.assert_array_equal(read(path), numbers())
    np.testing.assert_array_equal(read(path.read_bytes()), numbers())


@pytest.mark.parametrize("compress", ["jpeg", "webp"])
def test_pictures_of_gdal_are_read(compress: str) -> None:
    drawn = np.full((3, 64, 64), 90, np.uint8)
    assert read(tif(drawn, compress=compress, photometric="RGB")).shape == (3, 64, 64)


def test_cloud_optimised_and_sparse_files_are_read(tmp_path: Path) -> None:
    with MemoryFile(tif()) as memory, memory.open() as file:
        rasterio.shutil.copy(file, tmp_path / "cog.tif", driver="COG", blocksize=128)
    np.testing.assert_array_equal(read(tmp_path / "cog.tif"), numbers())
    profile = {"driver": "GTiff", "height": 4096, "width": 4096, "count": 1, "dtype": "uint16"}
    with rasterio.open(tmp_path / "sparse.tif", "w", tiled=True, sparse_ok=True, **profile) as out:
        out.write(np.ones((1, 256, 256), np.uint16), window=((0, 256), (0, 256)))
    assert read(tmp_path / "sparse.tif").sum() == 256 * 256


def test_made_files_are_read() -> None:
    """Those from which the harmful ones below are made."""
    assert read(tiff(GOOD)).shape == (1, 64, 64)
    assert read(tiff(GOOD | {GDAL_METADATA: text(items(1000))})).shape == (1, 64, 64)
    assert read(tiff(GOOD, after=10**6)).shape == (1, 64, 64)
    assert read(tiff(image([8, 0, 0, 0], [8192, 0, 0, 0], side=128))).shape == (1, 128, 128)


HARMFUL: dict[str, tuple[bytes, str]] = {
    "a tile 64 times": (tiff(image([8] * 64, [8192] * 64, side=512)), "share bytes"),
    "tiles that overlap": (
        tiff(image([8 + 64 * n for n in range(64)], [4096] * 64, side=512)),
        "share bytes",
    ),
    "a mask and an image that share": (tiff(GOOD, GOOD | {254: longs([4])}), "share bytes"),
    "no sizes": (tiff({k: v for k, v in GOOD.items() if k != 325}), "no sizes"),
    "strips and tiles": (tiff(GOOD | {273: longs([8]), 279: longs([9])}), "several positions"),
    "positions of signed numbers": (tiff(GOOD | {324: (9, 1, b"\x08\0\0\0")}), "no program writes"),
    "metadata items": (
        tiff(GOOD | {GDAL_METADATA: text(items(3_001))}),
        "more than 3,000 metadata",
    ),
    "items in capitals": (
        tiff(GOOD | {GDAL_METADATA: text(items(3_001).replace(b"Item", b"ITEM"))}),
        "more than 3,000 metadata",
    ),
    "items in several directories": (
        tiff(*[image([0], [0]) | {GDAL_METADATA: text(items(400))}] * 8),
        "more than 3,000 metadata",
    ),
    "100,000 items": (tiff(GOOD | {GDAL_METADATA: text(items(100_000))}), "3,000 metadata items"),
    "directories": (tiff(*[image([0], [0])] * 101), "more than 100 directories"),
    "a circle": (tiff(GOOD, after=8 + 8192), "directories form a circle"),
    "tags": (
        tiff(GOOD | {n: shorts(1) for n in range(40_000, 41_000)}),
        "a directory of 1,010 tags",
    ),
    "a tag of four billion values": (
        tiff(GOOD | {270: (2, 2**32 - 1, b"\0\0\0\0\0")}),
        "more values than the file can hold",
    ),
    "metadata beyond the end": (
        tiff(GOOD | {GDAL_METADATA: (2, 5_000, b"\xff\xff\xff\0")}),
        "damaged or truncated",
    ),
    "no compression number": (tiff(GOOD | {259: (3, 0, b"")}), "damaged or truncated"),
    "fax": (tiff(GOOD | {259: shorts(4)}), "compression that is not read here .TIFF's number 4"),
    "LZMA": (tiff(GOOD | {259: shorts(34925)}), "compression that is not read here"),
    "JBIG": (tiff(GOOD | {259: shorts(34661)}), "compression that is not read here"),
    "JPEG 2000": (tiff(GOOD | {259: shorts(34712)}), "compression that is not read here"),
    "old JPEG": (tiff(GOOD | {259: shorts(6)}), "compression that is not read here"),
    "another in the second directory": (
        tiff(GOOD, image([0], [0], packed=34925)),
        "compression that is not read here",
    ),
}


@pytest.mark.parametrize("kind", HARMFUL)
def test_harmful_headers_are_refused_at_once(kind: str) -> None:
    data, why = HARMFUL[kind]
    start = time.monotonic()
    with pytest.raises(BadInput, match=rf"^'a\.tif' .*{why}.*\.$") as caught:
        read(data)
    assert time.monotonic() - start < 1
    assert "\n" not in str(caught.value)


def test_many_blocks_are_refused() -> None:
    data = tiff(image([0] * 10_000, [0] * 10_000, side=1600, tile=16))
    assert read(data).shape == (1, 1600, 1600)
    with limits.changed(tiff_blocks=9_999), pytest.raises(BadInput, match="9,999 strips or tiles"):
        read(data)


def test_large_tags_are_refused() -> None:
    data = tiff(GOOD | {700: text(b"x" * 1_000_000)})
    assert read(data).shape == (1, 64, 64)
    with limits.changed(tiff_tag_bytes=10**6), pytest.raises(BadInput, match="than 1 MB of tags"):
        read(data)


def test_a_block_that_unpacks_to_a_gigabyte_fills_no_more_than_a_block() -> None:
    block = zstd.compress(bytes(1_000_000_000))
    data = tiff(image([8], [len(block)], packed=50000), pixels=block)
    start = time.monotonic()
    assert not read(data).any()
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_pixels_without_a_number_are_no_data(kind: str) -> None:
    drawn = numbers().astype(kind)
    drawn[:, :2] = np.nan
    drawn[:, 2:4] = np.inf
    drawn[:, 4:6] = -np.inf
    drawn[:, 6:8] = np.finfo(kind).max
    raster = sources.read_upload([("a.tif", tif(drawn))])
    assert np.isfinite(raster.data).all()
    assert not raster.valid[:6].any()


@pytest.mark.parametrize("nodata", [b"nan\0\0", b"-inf\0", b"1e999", b"-1e99", b"abcde", b"0x1p9"])
@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_an_absurd_fill_value_is_ignored_or_refused(nodata: bytes, kind: str) -> None:
    data = tif(numbers(dtype=kind), nodata=12345, compress="none")
    assert data.count(b"12345") == 1
    with contextlib.suppress(BadInput):
        raster = sources.read_upload([("a.tif", data.replace(b"12345", nodata))])
        assert raster.valid.all()
        assert np.isfinite(raster.data).all()
