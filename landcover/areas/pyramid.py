"""A layer of a map while it is written: a file of bytes that takes blocks in any order.

The file is filled with "no data" when it is made, so that its place on the disk is taken before
anything is computed and a full disk is found out at the start. The bands of a pixel lie together,
so that a row of a block is written at once. When all blocks are there, :meth:`Pyramid.build` makes
smaller versions, each half as large as the one before. Probabilities and shares become means of the
pixels with data; numbers and flags, which have no mean, become the most frequent value. GDAL's COG
driver resamples all bands of a file in the same way, so it is given these instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from threading import Event
from typing import Final

import numpy as np

from landcover.areas.layout import Layer
from landcover.core import progress
from landcover.core.raster import BoolArray, ByteArray

__all__ = ["BLOCK", "CHUNK", "Pyramid", "level_shapes", "stored_bytes"]

BLOCK: Final = 512
"""Side of a block of the finished file; the smallest version fits into one."""
CHUNK: Final = 4_000_000
"""Bytes that are read or written at once."""


def level_shapes(rows: int, columns: int) -> list[tuple[int, int]]:
    """Rows and columns of a raster and of its smaller versions."""
    shapes = [(rows, columns)]
    while max(shapes[-1]) > BLOCK:
        shapes.append(((shapes[-1][0] + 1) // 2, (shapes[-1][1] + 1) // 2))
    return shapes


def stored_bytes(layer: Layer) -> int:
    """Bytes of all versions of a layer, uncompressed."""
    bands, rows, columns = layer.shape
    return bands * sum(tall * wide for tall, wide in level_shapes(rows, columns))


class Pyramid:
    """A layer in files of bytes, one for each size.

    Args:
        layer: what is written.
        folder: an existing folder of its own.

    Raises:
        OSError: the disk is full, or cannot be written to.
    """

    def __init__(self, layer: Layer, folder: Path) -> None:
        self.layer = layer
        self.folder = folder
        bands, rows, columns = layer.shape
        self.shapes = level_shapes(rows, columns)
        self._filled(0, bands * rows * columns)

    def path(self, level: int) -> Path:
        """File of a level; 0 is the full size."""
        return self.folder / f"{self.layer.name}-{level}.raw"

    def put(self, top: int, left: int, values: ByteArray) -> None:
        """Write a block.

        Args:
            top: its first row.
            left: its first column.
            values: uint8 ``(band, row, column)``.

        Raises:
            ValueError: it does not fit into the layer.
            OSError: as for the class.
        """
        bands, rows, columns = self.layer.shape
        count, tall, wide = values.shape
        fits = 0 <= top <= rows - tall and 0 <= left <= columns - wide
        if count != bands or values.dtype != np.uint8 or not fits:
            raise ValueError(
                f"A block {values.shape} of {values.dtype} at row {top}, column {left} does not "
                f"fit into the {self.layer.name} {self.layer.shape}."
            )
        data = np.ascontiguousarray(values.transpose(1, 2, 0)).reshape(-1).data
        run = (tall if wide == columns else 1) * wide * bands
        with self.path(0).open("r+b", buffering=0) as file:
            for row, start in enumerate(range(0, len(data), run)):
                file.seek(((top + row) * columns + left) * bands)
                _write(file, data[start : start + run])

    def build(self, cancel: Event | None = None) -> None:
        """Make the smaller versions.

        Raises:
            Cancelled: ``cancel`` is set.
            OSError: as for the class.
        """
        for level in range(1, len(self.shapes)):
            with self.path(level).open("wb", buffering=0) as file:
                for strip in self._strips(level - 1):
                    progress.check(cancel)
                    _write(file, self._halved(strip).reshape(-1).data)

    def smallest(self) -> ByteArray:
        """The smallest version, uint8 ``(band, row, column)``, at most 512 pixels a side."""
        last = len(self.shapes) - 1
        return self.part(last, 0, self.shapes[last][0])

    def part(self, level: int, top: int, rows: int) -> ByteArray:
        """Rows of all bands of a level, uint8 ``(band, row, column)``."""
        columns, bands = self.shapes[level][1], len(self.layer.bands)
        with self.path(level).open("rb") as file:
            file.seek(top * columns * bands)
            found = np.frombuffer(file.read(rows * columns * bands), np.uint8)
        return found.reshape(rows, columns, bands).transpose(2, 0, 1)

    def _strips(self, level: int) -> Iterator[ByteArray]:
        """Even numbers of rows, uint8 ``(band, row, column)``, from the top."""
        rows, columns = self.shapes[level]
        tall = max(2, CHUNK // (columns * len(self.layer.bands)) // 2 * 2)
        for top in range(0, rows, tall):
            yield self.part(level, top, min(tall, rows - top))

    def _halved(self, strip: ByteArray) -> ByteArray:
        """Half as many rows and columns, uint8 ``(row, column, band)``."""
        bands, rows, columns = strip.shape
        small = np.empty(((rows + 1) // 2, (columns + 1) // 2, bands), dtype=np.uint8)
        nodata = self.layer.nodata
        for number, (band, values) in enumerate(zip(self.layer.bands, strip, strict=True)):
            halve = _mean if band.is_share else _mode
            small[:, :, number] = halve(_even(np.ascontiguousarray(values), nodata), nodata)
        return small

    def _filled(self, level: int, size: int) -> None:
        empty = memoryview(bytes([self.layer.nodata]) * min(size, CHUNK))
        with self.path(level).open("wb", buffering=0) as file:
            for start in range(0, size, CHUNK):
                _write(file, empty[: size - start])


def _write(file: FileIO, data: memoryview) -> None:
    """Write all of the data; a disk that is almost full takes only a part at a time."""
    while data:
        data = data[file.write(data) :]


def _even(values: ByteArray, nodata: int) -> ByteArray:
    """The values with a row and a column of no data added where a side is odd."""
    rows, columns = values.shape
    if rows % 2 == 0 and columns % 2 == 0:
        return values
    return np.pad(values, ((0, rows % 2), (0, columns % 2)), constant_values=nodata)


def _corners(values: ByteArray) -> tuple[ByteArray, ...]:
    """The four pixels that become one."""
    return values[::2, ::2], values[::2, 1::2], values[1::2, ::2], values[1::2, 1::2]


def _mean(values: ByteArray, nodata: int) -> ByteArray:
    """Rounded mean of each four pixels that have data."""
    corners = _corners(values)
    total = np.zeros(corners[0].shape, dtype=np.uint16)
    count = np.zeros(corners[0].shape, dtype=np.uint16)
    for corner in corners:
        known: BoolArray = corner != nodata
        total += np.where(known, corner, 0)
        count += known
    rounded = (total + count // 2) // np.maximum(count, 1)
    found: ByteArray = np.where(count > 0, rounded, nodata).astype(np.uint8)
    return found


def _mode(values: ByteArray, nodata: int) -> ByteArray:
    """Most frequent of each four pixels that have data; of several the highest number."""
    corners = _corners(values)
    best = np.full(corners[0].shape, -1, dtype=np.int16)
    for corner in corners:
        count = np.zeros(corner.shape, dtype=np.int16)
        for other in corners:
            count += corner == other
        rank = count * 256 + corner
        best = np.maximum(best, np.where(corner == nodata, np.int16(-1), rank))
    found: ByteArray = np.where(best < 0, nodata, best & 255).astype(np.uint8)
    return found
