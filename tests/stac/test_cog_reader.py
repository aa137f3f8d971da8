"""Remote cloud-optimised GeoTIFFs: what a block or a header holds is limited."""

from __future__ import annotations

import asyncio
import io
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio

from landcover.core import limits
from landcover.core.errors import FetchError
from landcover.core.window import Window
from landcover.io.zstandard import zstd
from landcover.net.http import Transport
from landcover.stac.cog_blocks import Unzstd
from landcover.stac.cog_reader import read_window
from tests.live.range_server import RangeServer

WEST, NORTH, SIDE = 500_000, 5_300_000, 256
WINDOW = Window(
    crs="EPSG:32633", transform=(10, 0, WEST + 600, 0, -10, NORTH - 600), width=120, height=120
)
PIXELS = (np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 10_007).astype(np.uint16)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RangeServer]:
    with RangeServer(tmp_path) as running:
        yield running


def write(path: Path, pixels: npt.NDArray[Any] = PIXELS, **options: Any) -> bytes:
    profile = {"compress": "deflate", "tiled": True, "blockxsize": 128, "blockysize": 128}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=SIDE,
        width=SIDE,
        count=1,
        dtype=pixels.dtype,
        crs="EPSG:32633",
        transform=rasterio.Affine(10, 0, WEST, 0, -10, NORTH),
        **(profile | options),
    ) as file:
        file.write(pixels, 1)
    return path.read_bytes()


def read(server: RangeServer) -> npt.NDArray[Any]:
    async def fetch() -> npt.NDArray[Any]:
        async with Transport("the archive", (server.host,), deadline_s=20) as transport:
            address = f"{server.url}/a.tif"
            return await read_window(transport, address, WINDOW, pixel=10, kind="uint16")

    return asyncio.run(fetch())


@pytest.mark.parametrize(
    "options",
    [
        {"compress": "none"},
        {"compress": "deflate"},
        {"compress": "deflate", "predictor": 2},
        {"compress": "zstd"},
        {"compress": "zstd", "predictor": 2, "zstd_level": 19},
        {"compress": "zstd", "bigtiff": "YES"},
        {"compress": "deflate", "endianness": "BIG"},
    ],
)
def test_blocks_are_read(server: RangeServer, tmp_path: Path, options: dict[str, Any]) -> None:
    write(tmp_path / "a.tif", **options)
    np.testing.assert_array_equal(read(server)[..., 0], PIXELS[60:180, 60:180])


def test_old_deflate_is_read(server: RangeServer, tmp_path: Path) -> None:
    data = write(tmp_path / "a.tif")
    tag = struct.pack("<HHIH", 259, 3, 1, 8)
    assert data.count(tag) == 1
    old = data.replace(tag, struct.pack("<HHIH", 259, 3, 1, 32946))
    (tmp_path / "a.tif").write_bytes(old)
    np.testing.assert_array_equal(read(server)[..., 0], PIXELS[60:180, 60:180])


def test_a_header_takes_one_request(server: RangeServer, tmp_path: Path) -> None:
    write(tmp_path / "a.tif")
    read(server)
    assert len(server.requests) == 2


@pytest.mark.parametrize("compress", ["lzw", "packbits", "lerc"])
def test_codecs_without_a_limit_are_refused(
    server: RangeServer, tmp_path: Path, compress: str
) -> None:
    write(tmp_path / "a.tif", compress=compress)
    with pytest.raises(FetchError, match=r"'a\.tif' of the archive cannot be used, because"):
        read(server)


def with_blocks(path: Path, block: bytes, codec: int) -> None:
    """Give a file of one codec the same block everywhere, written at its end."""
    data = bytearray(write(path, compress="none"))
    size = len(data)
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from("<H", data, entry)
        if tag == 259:
            struct.pack_into("<HHIH", data, entry, tag, 3, 1, codec)
        elif tag in (324, 325):
            # Two lists of four numbers are between the file and the block.
            value = len(block) if tag == 325 else size + 32
            struct.pack_into("<HHII", data, entry, tag, 4, 4, len(data))
            data += struct.pack("<4I", *[value] * 4)
    path.write_bytes(bytes(data) + block)


ZEROS = bytes(100_000_000)
ONE = np.full((128, 128), 7, np.uint16).tobytes()


@pytest.mark.parametrize(
    ("codec", "pack"), [(8, zlib.compress), (32946, zlib.compress), (50000, zstd.compress)]
)
def test_a_block_that_unpacks_to_more_is_refused(
    server: RangeServer, tmp_path: Path, codec: int, pack: Callable[[bytes], bytes]
) -> None:
    with_blocks(tmp_path / "a.tif", pack(ONE) + b"padding", codec)
    assert (read(server) == 7).all()
    with_blocks(tmp_path / "a.tif", pack(ONE)[:-1], codec)
    with pytest.raises(FetchError, match="it is damaged or not a raster"):
        read(server)
    with_blocks(tmp_path / "a.tif", pack(ZEROS if codec == 50000 else ZEROS[:60_000_000]), codec)
    start = time.monotonic()
    tracemalloc.start()
    with pytest.raises(FetchError, match="it is damaged or not a raster"):
        read(server)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
    assert time.monotonic() - start < 10


def test_a_block_that_needs_a_large_window_is_refused() -> None:
    held = io.BytesIO()
    options = {int(zstd.CompressionParameter.window_log): 27}
    with zstd.open(held, "wb", options=options) as file:
        file.write(bytes(1000))
        file.write(bytes(1000))
    with pytest.raises(ValueError, match="damaged"):
        Unzstd(2000)(held.getvalue())


@pytest.mark.parametrize("big", [False, True])
def test_directories_in_a_circle_are_refused(
    server: RangeServer, tmp_path: Path, *, big: bool
) -> None:
    data = bytearray(write(tmp_path / "a.tif", bigtiff="YES" if big else "NO"))
    at = struct.unpack_from("<Q", data, 8)[0] if big else struct.unpack_from("<I", data, 4)[0]
    (count,) = struct.unpack_from("<Q" if big else "<H", data, at)
    after = at + (8 + 20 * count if big else 2 + 12 * count)
    struct.pack_into("<Q" if big else "<I", data, after, at)
    (tmp_path / "a.tif").write_bytes(data)
    start = time.monotonic()
    with pytest.raises(FetchError, match="it is damaged or not a raster"):
        read(server)
    assert time.monotonic() - start < 10


def test_many_directories_and_tags_are_refused(server: RangeServer, tmp_path: Path) -> None:
    with rasterio.Env():
        write(tmp_path / "a.tif")
        with rasterio.open(tmp_path / "a.tif", "r+") as file:
            file.build_overviews([2, 4])
    assert read(server).any()
    with limits.changed(tiff_directories=2), pytest.raises(FetchError, match="damaged"):
        read(server)
    with limits.changed(tiff_tags=5), pytest.raises(FetchError, match="damaged"):
        read(server)
