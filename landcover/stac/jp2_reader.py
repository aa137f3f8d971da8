"""Reading windows of remote JPEG 2000 files: GDAL decodes, this module fetches the bytes."""

from __future__ import annotations

import asyncio
import io
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.errors import RasterioError

from landcover.core.errors import FetchError, LandcoverError
from landcover.core.window import Window
from landcover.net.http import Transport

__all__ = ["CHUNK", "MAX_BLOCK", "MAX_CHUNKS", "MAX_SIDE", "POLL_S", "read_window"]

CHUNK: Final = 262_144
"""Bytes fetched at once: a block of 1024 × 1024 pixels has about a megabyte."""
MAX_CHUNKS: Final = 200
"""Maximum number of chunks: a file that needs more than 50 MB for a 1200 m square is damaged."""
POLL_S: Final = 0.5
MAX_SIDE: Final = 20_000
MAX_BLOCK: Final = 64_000_000

_ENV: Final = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
_threads: Final = ThreadPoolExecutor(max_workers=16, thread_name_prefix="landcover-jp2")
"""Separate from the loop's threads, which resolve host names: these threads wait for the loop."""
_lock: Final = threading.Lock()
"""rasterio keeps its openers in one table without a lock."""


async def read_window(
    transport: Transport, address: str, wanted: Window, *, pixel: int, kind: str, bands: int = 1
) -> npt.NDArray[Any]:
    """As :func:`landcover.stac.cog_reader.read_window`, for a JPEG 2000 file.

    Raises:
        FetchError: the file cannot be read, is damaged, or has another grid or type.
        Cancelled: the user stopped it.
    """
    loop = asyncio.get_running_loop()
    whole = await transport.size(address)
    file = _File(transport, address, whole, loop)
    return await loop.run_in_executor(_threads, _read, file, wanted, pixel, np.dtype(kind), bands)


class _File(io.RawIOBase):
    """A remote file for GDAL: it seeks and reads, and chunks are fetched as needed."""

    def __init__(
        self, transport: Transport, address: str, size: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.name = f"'{address.partition('?')[0].rsplit('/', 1)[-1][:80]}' of {transport.title}"
        self.fault: LandcoverError | None = None
        self._transport = transport
        self._address = address
        self._size = size
        self._loop = loop
        self._at = 0
        self._chunks: dict[int, bytes] = {}

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Position of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Change the position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """The next bytes; none if the file cannot be read, and then ``fault`` is set."""
        end = self._size if size < 0 else min(self._size, self._at + size)
        parts = []
        while self._at < end:
            number, start = divmod(self._at, CHUNK)
            chunk = self._chunk(number)
            part = chunk[start : start + end - self._at]
            if not part:
                break
            parts.append(part)
            self._at += len(part)
        return b"".join(parts)

    def _chunk(self, number: int) -> bytes:
        if number not in self._chunks:
            if self.fault is not None or len(self._chunks) >= MAX_CHUNKS:
                return b""
            first = number * CHUNK
            try:
                self._chunks[number] = self._fetched(first, min(first + CHUNK, self._size))
            except LandcoverError as fault:
                self.fault = fault
                return b""
        return self._chunks[number]

    def _fetched(self, start: int, end: int) -> bytes:
        """Let the loop fetch bytes, and wait for them until the loop is closed."""
        work = self._get(start, end)
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
            while True:
                with suppress(TimeoutError):
                    return future.result(timeout=POLL_S)
                if self._loop.is_closed():
                    break
        except (CancelledError, RuntimeError):
            pass
        with suppress(RuntimeError, ValueError):  # it may not have started
            work.close()
        raise FetchError(f"Reading {self.name} has ended: try again.")

    async def _get(self, start: int, end: int) -> bytes:
        with self._transport.track():
            return await self._transport.get(self._address, start, end)

    def again(self) -> _File:
        """The same file from its beginning: GDAL opens it several times and closes each."""
        other = _File(self._transport, self._address, self._size, self._loop)
        other._chunks = self._chunks
        return other


def _read(
    file: _File, wanted: Window, pixel: int, kind: np.dtype[Any], bands: int
) -> npt.NDArray[Any]:
    window = wanted.with_pixels_of(pixel)
    out = np.zeros((window.height, window.width, bands), dtype=kind)
    handles: list[_File] = []

    def opener(path: str, mode: str = "rb", **_: object) -> _File:
        if not path.endswith(".jp2") or mode not in {"r", "rb"}:
            raise FileNotFoundError(path)  # GDAL looks for sidecar files, and there are none
        handles.append(file.again())
        return handles[-1]

    try:
        with rasterio.Env(**_ENV):
            with _lock:
                raster = rasterio.open(f"{id(file)}.jp2", driver="JP2OpenJPEG", opener=opener)
            with raster:
                west, north = raster.transform.c, raster.transform.f
                col, row = (window.west - west) / pixel, (north - window.north) / pixel
                fits = (
                    tuple(raster.transform)[:6] == (pixel, 0, west, 0, -pixel, north)
                    and raster.crs is not None
                    and raster.crs.to_string() == window.crs
                    and raster.count == bands
                    and set(raster.dtypes) == {str(kind)}
                    and max(raster.width, raster.height) <= MAX_SIDE
                    and max(r * c for r, c in raster.block_shapes) * bands <= MAX_BLOCK
                    and row == int(row)
                    and col == int(col)
                )
                if not fits:
                    raise FetchError(
                        f"{file.name} cannot be used, because it is not on Sentinel-2's grid of "
                        f"{pixel} m in {window.crs}: choose another date or catalogue."
                    )
                top, left = max(int(row), 0), max(int(col), 0)
                bottom = min(int(row) + window.height, raster.height)
                right = min(int(col) + window.width, raster.width)
                if bottom > top and right > left:
                    pixels = raster.read(window=((top, bottom), (left, right)))
                    y, x = top - int(row), left - int(col)
                    out[y : y + pixels.shape[1], x : x + pixels.shape[2]] = pixels.transpose(
                        1, 2, 0
                    )
    except (RasterioError, OSError, ValueError):
        fault = next((handle.fault for handle in handles if handle.fault is not None), None)
        raise fault or FetchError(
            f"{file.name} cannot be used, because it is damaged or not a raster: choose another "
            "date or catalogue."
        ) from None
    if fault := next((handle.fault for handle in handles if handle.fault is not None), None):
        raise fault
    return out
