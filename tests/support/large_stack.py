"""A stack of an entire Sentinel-2 tile, small on disk, in which most blocks cannot be decoded."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import rasterio

SIDE: Final = 10_980
BLOCK: Final = 256
WEST, NORTH = 399_960, 5_300_040
CORNER: Final = (20 * BLOCK, 20 * BLOCK)
"""Row and column of the first block with pixels, next to the centre of the tile."""


def pixels() -> npt.NDArray[np.int16]:
    """Numbers ``(12, 512, 512)`` of the four blocks with pixels."""
    rng = np.random.default_rng(3)
    return rng.integers(300, 4000, (12, 2 * BLOCK, 2 * BLOCK), dtype=np.int16)


def write(path: Path, *, damaged: bool = True, **profile: Any) -> Path:
    """Write the tile; if ``damaged``, all other blocks are damaged.

    A reader that decodes another block then fails.
    """
    options = {
        "driver": "GTiff",
        "count": 12,
        "height": SIDE,
        "width": SIDE,
        "dtype": "int16",
        "crs": "EPSG:32633",
        "transform": rasterio.Affine(10, 0, WEST, 0, -10, NORTH),
        "compress": "deflate",
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "interleave": "pixel",
        "SPARSE_OK": True,
    } | profile
    row, col = CORNER
    with rasterio.open(path, "w", **options) as raster:
        raster.write(pixels(), window=((row, row + 2 * BLOCK), (col, col + 2 * BLOCK)))
    if damaged:
        _damage(path)
    return path


def _damage(path: Path) -> None:
    """Let all blocks without pixels point to bytes that are not a deflate stream."""
    data = bytearray(path.read_bytes())
    assert data[:4] == b"II*\0"
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    tags = {}
    for i in range(count):
        tag, kind, number, value = struct.unpack_from("<HHII", data, at + 2 + 12 * i)
        tags[tag] = (kind, number, value)
    (_, number, offsets), (kind, _, sizes) = tags[324], tags[325]
    wide = 2 if kind == 3 else 4
    for i in range(number):
        where = offsets + 4 * i
        if struct.unpack_from("<I", data, where)[0] == 0:
            # Each has bytes of its own, because a file whose blocks share bytes is refused.
            struct.pack_into("<I", data, where, len(data))
            data += b"\xff" * 64
            struct.pack_into("<I" if wide == 4 else "<H", data, sizes + wide * i, 64)
    path.write_bytes(data)
