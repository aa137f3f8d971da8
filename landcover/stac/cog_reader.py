"""Reading windows of remote cloud-optimised GeoTIFFs on their native grids.

A header takes one request and is cached; then only the blocks that a window touches are
fetched. The header is checked before anything is decompressed.

async-tiff parses the headers and decodes the blocks. This module adds limits on size, memory
and requests, which async-tiff does not have and GDAL's own remote reader cannot enforce.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
from async_tiff import TIFF, DecoderRegistry, ImageFileDirectory
from async_tiff.enums import PlanarConfiguration

from landcover.core.errors import FetchError, LandcoverError
from landcover.core.window import Window
from landcover.net.http import HEADER_BYTES, Transport
from landcover.stac.cog_blocks import CODECS, check_directories

__all__ = ["MAX_BLOCK", "MAX_SIDE", "T", "read_window"]

MAX_BLOCK: Final = 2048
"""Maximum number of pixels along a side of a block; archives use 512 or 1024."""
MAX_SIDE: Final = 20_000

T = TypeVar("T")


async def read_window(
    transport: Transport, address: str, wanted: Window, *, pixel: int, kind: str, bands: int = 1
) -> npt.NDArray[Any]:
    """Read the pixels of a file in a window, 0 outside the file.

    Args:
        transport: fetches the bytes.
        address: of the file, signed if needed.
        wanted: the window, with pixels of any size.
        pixel: side of the file's pixels in metres: 10, 20 or 60.
        kind: type of its numbers, ``"uint16"`` or ``"uint8"``.
        bands: required number of bands.

    Returns:
        Numbers as stored ``(y, x, band)``.

    Raises:
        FetchError: the file cannot be read, is damaged, or has another grid or type.
        Cancelled: the user stopped it.
    """
    store = _Store(transport, address)
    name = f"'{address.partition('?')[0].rsplit('/', 1)[-1][:80]}' of {transport.title}"
    try:
        await check_directories(store.read)
        tiff = await TIFF.open(address, store=store, prefetch=HEADER_BYTES)
        ifd = tiff.ifd(0)
        window = wanted.with_pixels_of(pixel)
        offset = _offset(ifd, window, pixel)
        _check(ifd, kind, bands)
        pixels = await _window(ifd, offset, (window.height, window.width), np.dtype(kind), bands)
    except LandcoverError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged file can raise anything in async-tiff
        # async-tiff wraps the exceptions of its store.
        if store.fault is not None:
            raise store.fault from None
        what = str(error) if isinstance(error, _Unfit) else "it is damaged or not a raster"
        raise FetchError(
            f"{name} cannot be used, because {what}: choose another date or catalogue."
        ) from None
    # In a thread, because the disk may be slow and other files wait for their bytes.
    await asyncio.to_thread(transport.confirm, address)
    return pixels


class _Unfit(Exception):
    """The header does not fit the request."""


class _Store:
    """The two methods through which async-tiff reads, for one file."""

    def __init__(self, transport: Transport, address: str) -> None:
        self._transport = transport
        self._address = address
        self.fault: LandcoverError | None = None
        self._head: bytes | None = None

    async def read(self, start: int, end: int) -> bytes:
        """The bytes from ``start`` up to ``end``, of which those of the header are kept."""
        if self._head is None:
            self._head = await self._transport.get(self._address, 0, HEADER_BYTES)
        if end <= len(self._head):
            return self._head[start:end]
        return await self._transport.get(self._address, start, end)

    # These are not coroutine functions: async-tiff calls them in its own threads, perhaps after
    # the transport is closed, and starts the returned coroutine in the loop only then.

    def get_range_async(
        self, path: str, *, start: int, end: int | None = None, length: int | None = None
    ) -> Coroutine[Any, Any, bytes]:
        """The bytes from ``start`` up to ``end`` of the file."""
        del path
        stop = end if end is not None else start + (length or 0)
        if self._head is not None and (start, stop) == (0, HEADER_BYTES):
            return self._registered(partial(self._kept, self._head))
        return self._registered(lambda: self._transport.get(self._address, start, stop))

    @staticmethod
    async def _kept(head: bytes) -> bytes:
        return head

    def get_ranges_async(
        self,
        path: str,
        *,
        starts: Sequence[int],
        ends: Sequence[int] | None = None,
        lengths: Sequence[int] | None = None,
    ) -> Coroutine[Any, Any, list[bytes]]:
        """Several ranges of the file."""
        del path
        stops = (
            ends
            if ends is not None
            else [a + b for a, b in zip(starts, lengths or (), strict=True)]
        )
        wanted = list(zip(starts, stops, strict=True))
        return self._registered(lambda: self._transport.ranges(self._address, wanted))

    def _registered(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Coroutine[Any, Any, T]:
        async def tracked() -> T:
            try:
                with self._transport.track():
                    return await work()
            except LandcoverError as fault:
                self.fault = fault
                raise

        return self._transport.register(tracked)


def _offset(ifd: ImageFileDirectory, window: Window, pixel: int) -> tuple[int, int]:
    """Row and column of the window's upper left pixel, which may be outside the file."""
    keys, scale, tie = ifd.geo_key_directory, ifd.model_pixel_scale, ifd.model_tiepoint
    if keys is None or scale is None or tie is None or len(scale) < 2 or len(tie) < 6:
        raise _Unfit("it has no position")
    if f"EPSG:{keys.projected_type}" != window.crs:
        raise _Unfit(f"its CRS is EPSG:{keys.projected_type}, not {window.crs}")
    if scale[0] != pixel or scale[1] != pixel:
        raise _Unfit(f"its pixels measure {scale[0]:g} × {scale[1]:g} m, not {pixel} × {pixel}")
    row = (tie[4] + tie[1] * pixel - window.north) / pixel
    col = (window.west - tie[3] + tie[0] * pixel) / pixel
    if not (math.isfinite(row) and math.isfinite(col) and row == int(row) and col == int(col)):
        raise _Unfit("its pixels are not aligned with Sentinel-2's grid")
    return int(row), int(col)


def _check(ifd: ImageFileDirectory, kind: str, bands: int) -> None:
    width, height = ifd.image_width, ifd.image_height
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise _Unfit(f"it states {width:,} × {height:,} pixels")
    if ifd.compression not in CODECS:
        raise _Unfit("its blocks have another compression than deflate or Zstandard")
    tile_width, tile_height = ifd.tile_width or 0, ifd.tile_height or 0
    if not (0 < tile_width <= MAX_BLOCK and 0 < tile_height <= MAX_BLOCK):
        raise _Unfit("it is not stored in blocks")
    bits = np.dtype(kind).itemsize * 8
    if ifd.samples_per_pixel != bands or set(ifd.bits_per_sample) != {bits}:
        raise _Unfit(f"it is not {bands} band(s) of {bits} bits")
    if bands > 1 and ifd.planar_configuration != PlanarConfiguration.Chunky:
        raise _Unfit("its bands are stored separately")
    down, across = math.ceil(height / tile_height), math.ceil(width / tile_width)
    if not len(ifd.tile_offsets or ()) == len(ifd.tile_byte_counts or ()) == down * across:
        raise _Unfit("its list of blocks has the wrong length")


async def _window(
    ifd: ImageFileDirectory,
    offset: tuple[int, int],
    shape: tuple[int, int],
    kind: np.dtype[Any],
    bands: int,
) -> npt.NDArray[Any]:
    out = np.zeros((*shape, bands), dtype=kind)
    tall, wide = ifd.tile_height or 1, ifd.tile_width or 1
    across = math.ceil(ifd.image_width / wide)
    (top, left), (high, broad) = offset, shape
    rows = range(max(top, 0) // tall, math.ceil(min(top + high, ifd.image_height) / tall))
    cols = range(max(left, 0) // wide, math.ceil(min(left + broad, ifd.image_width) / wide))
    counts = ifd.tile_byte_counts or []
    whole = tall * wide * bands * kind.itemsize
    wanted = []
    for y, x in itertools.product(rows, cols):
        count = counts[y * across + x]
        if count > whole + 65_536:
            raise _Unfit("a block has more bytes than its pixels need")
        if count:  # a block that is not stored has no data
            wanted.append((x, y))
    decoders = {codec: make(whole) for codec, make in CODECS.items() if make is not None}
    registry = DecoderRegistry(decoders)  # type: ignore[arg-type]
    # A block at the edge is padded beyond the image.
    bottom, right = min(top + high, ifd.image_height), min(left + broad, ifd.image_width)
    tiles = await ifd.fetch_tiles(wanted) if wanted else []
    for (x, y), tile in zip(wanted, tiles, strict=True):
        pixels = np.asarray(await tile.decode(decoder_registry=registry))
        if pixels.shape != (tall, wide, bands) or pixels.dtype != kind:
            raise _Unfit("a block has another shape than the header states")
        y0, x0 = y * tall, x * wide
        y1, x1 = max(y0, top), max(x0, left)
        y2, x2 = min(y0 + tall, bottom), min(x0 + wide, right)
        out[y1 - top : y2 - top, x1 - left : x2 - left] = pixels[
            y1 - y0 : y2 - y0, x1 - x0 : x2 - x0
        ]
    return out
