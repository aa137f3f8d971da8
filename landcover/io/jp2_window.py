"""Reading a window of a JPEG 2000 file of which only some bytes are here.

The file is divided into chunks. If GDAL needs one that is missing, reading ends and names it, so
that the program can fetch it and read again: this process opens no connection.
"""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import rasterio

from landcover.core.errors import BadInput
from landcover.core.projection import text_of
from landcover.core.window import Window
from landcover.io.gdal_messages import silence_gdal
from landcover.io.guard import DAMAGE, FILE
from landcover.io.jp2_header import check_jp2

__all__ = ["CHUNK", "MAX_BLOCK", "MAX_SIDE", "read_jp2_window"]

CHUNK: Final = 262_144
"""Bytes of a chunk: a block of 1024 × 1024 pixels has about a megabyte."""
MAX_SIDE: Final = 20_000
MAX_BLOCK: Final = 64_000_000

_ENV: Final = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}


def read_jp2_window(
    path: Path,
    size: int,
    here: Collection[int],
    wanted: Window,
    *,
    pixel: int,
    kind: str,
    bands: int,
) -> npt.NDArray[Any] | int:
    """Read the pixels ``(y, x, band)`` of a file in a window, 0 outside the file.

    Args:
        path: contains the chunks that are here, at their positions in the file.
        size: bytes of the whole file.
        here: numbers of these chunks.
        wanted: the window, with pixels of any size.
        pixel: side of the file's pixels in metres: 10, 20 or 60.
        kind: type of its numbers.
        bands: number of its bands.

    Returns:
        The pixels, or the number of a chunk that is missing.

    Raises:
        BadInput: the file is damaged, or has another grid or type.
    """
    missing: list[int] = []

    def opener(name: str, mode: str = "rb", **_: object) -> _Sparse:
        if not name.endswith(".jp2") or mode not in {"r", "rb"}:
            raise FileNotFoundError(name)  # GDAL looks for sidecar files, and there are none
        return _Sparse(path, size, here, missing)

    try:
        with _Sparse(path, size, here, missing) as header:
            check_jp2(header)
    except (BadInput, OSError):
        if missing:
            return missing[0]
        raise _damaged() from None
    try:
        with (
            silence_gdal(),
            rasterio.Env(**_ENV),
            rasterio.open("file.jp2", driver="JP2OpenJPEG", opener=opener) as raster,
        ):
            out = _read(raster, wanted.with_pixels_of(pixel), pixel, kind, bands)
    except DAMAGE:
        if missing:
            return missing[0]
        raise _damaged() from None
    return missing[0] if missing else out


def _damaged() -> BadInput:
    return BadInput(f"{FILE} cannot be used, because it is damaged or not a raster")


def _read(
    raster: rasterio.DatasetReader,
    window: Window,
    pixel: int,
    kind: str,
    bands: int,
) -> npt.NDArray[Any]:
    west, north = raster.transform.c, raster.transform.f
    col, row = (window.west - west) / pixel, (north - window.north) / pixel
    fits = (
        tuple(raster.transform)[:6] == (pixel, 0, west, 0, -pixel, north)
        and raster.crs is not None
        and text_of(raster.crs) == window.crs
        and raster.count == bands
        and set(raster.dtypes) == {kind}
        and max(raster.width, raster.height) <= MAX_SIDE
        and max(r * c for r, c in raster.block_shapes) * bands <= MAX_BLOCK
        and row == int(row)
        and col == int(col)
    )
    if not fits:
        raise BadInput(
            f"{FILE} cannot be used, because it is not on Sentinel-2's grid of {pixel} m in "
            f"{window.crs}"
        )
    out = np.zeros((window.height, window.width, bands), dtype=kind)
    top, left = max(int(row), 0), max(int(col), 0)
    bottom = min(int(row) + window.height, raster.height)
    right = min(int(col) + window.width, raster.width)
    if bottom > top and right > left:
        pixels = raster.read(window=((top, bottom), (left, right)))
        y, x = top - int(row), left - int(col)
        out[y : y + pixels.shape[1], x : x + pixels.shape[2]] = pixels.transpose(1, 2, 0)
    return out


class _Sparse(io.RawIOBase):
    """The file for GDAL: it seeks and reads, and notes the first chunk that is not here."""

    def __init__(self, path: Path, size: int, here: Collection[int], missing: list[int]) -> None:
        self._file = path.open("rb")
        self._size = size
        self._here = here
        self._missing = missing
        self._at = 0

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
        """The next bytes; none from the first chunk on that is not here."""
        end = self._size if size < 0 else min(self._size, self._at + size)
        if end <= self._at or self._missing:
            return b""
        for number in range(self._at // CHUNK, (end - 1) // CHUNK + 1):
            if number not in self._here:
                self._missing.append(number)
                return b""
        self._file.seek(self._at)
        data = self._file.read(end - self._at)
        self._at += len(data)
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
