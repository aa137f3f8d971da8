"""Checking a TIFF file's directories before GDAL opens it.

What a header states is counted in milliseconds, while GDAL may take minutes or gigabytes for it:

* GDAL puts metadata items into a list that it searches for each new item, so opening takes time
  with the square of their number: 19,000 items (0.5 MB) take 3.5 s.
* Blocks that share bytes multiply a file: 64 tiles of 4096 × 4096 pixels in twelve bands can be
  one tile of 205 kB.
* Some decoders cannot be limited, and files with many directories, tags or blocks are slow.

Only the first directory must be sound: some programs write nonsense after the last one, which GDAL
ignores.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.io.messages import FILE

__all__ = ["COMPRESSIONS", "GDAL_METADATA", "check_tiff"]

GDAL_METADATA: Final = 42112
"""Number of the TIFF tag in which GDAL stores metadata items, as XML."""
COMPRESSIONS: Final[dict[int, str]] = {
    1: "none",
    5: "LZW",
    7: "JPEG",
    8: "deflate",
    32773: "PackBits",
    32946: "deflate",
    34887: "LERC",
    50000: "Zstandard",
    50001: "WebP",
}
"""Compressions that are read. libtiff unpacks them into the memory of one block, and stops there.

Others are made for scanned pages, or their decoders take as much memory as the data asks for.
"""
_COMPRESSION: Final = 259
_OFFSETS: Final = (273, 324)
_COUNTS: Final = (279, 325)
"""Tags with the positions and sizes of strips or tiles."""
_ITEM_BYTES: Final = {
    **dict.fromkeys((1, 2, 6, 7), 1),
    **dict.fromkeys((3, 8), 2),
    **dict.fromkeys((4, 9, 11, 13), 4),
    **dict.fromkeys((5, 10, 12, 16, 17, 18), 8),
}
"""Type of a tag → bytes of each of its values."""
_UNSIGNED: Final = {3: "u2", 4: "u4", 16: "u8"}
"""Types of positions and sizes; libtiff reads others, but no program writes them."""
_DAMAGE: Final = (struct.error, OverflowError, ValueError, IndexError, MemoryError)


def check_tiff(source: Path | bytes) -> None:
    """Check the directories of a TIFF file.

    Args:
        source: a TIFF file, or the bytes of one.

    Raises:
        BadInput: it is damaged, has too many directories, tags, blocks or metadata, a
            compression that is not read, or blocks that share bytes; the message has a
            placeholder for the file's name.
        OSError: the file cannot be read.
    """
    with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
        try:
            _check(_Tiff(file))
        except _DAMAGE:
            raise BadInput(f"{FILE} is damaged or truncated: copy or export it again.") from None


@dataclass(frozen=True)
class _Tag:
    number: int
    kind: int
    count: int
    at: int
    """Position of its values."""

    @property
    def size(self) -> int:
        return self.count * _ITEM_BYTES.get(self.kind, 1)


class _Tiff:
    """The structure of a TIFF file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, io.SEEK_END)
        file.seek(0)
        head = file.read(16)
        self._order = "<" if head[:2] == b"II" else ">"
        big = 43 in head[2:4]
        # Layout of the number of tags, of one tag (number, type, count) and of an offset.
        self._many, self._tag, self._offset = ("Q", "HHQ8x", "Q") if big else ("H", "HHI4x", "I")
        (self._first,) = self._packed(self._offset, head[8 if big else 4 :])

    def directories(self) -> Iterator[list[_Tag]]:
        """The tags of each directory."""
        at, seen = self._first, set[int]()
        while at:
            if at in seen:
                raise _harmful("its directories form a circle")
            seen.add(at)
            if len(seen) > (most := limits.current().tiff_directories):
                raise _too_much(f"more than {most:,} directories")
            try:
                tags, at = self._directory(at)
            except _DAMAGE:
                if len(seen) == 1:
                    raise
                return
            yield tags

    def _directory(self, at: int) -> tuple[list[_Tag], int]:
        """The tags of a directory, and the position of the next one."""
        self._file.seek(at)
        (count,) = self._read(self._many)
        if count > limits.current().tiff_tags:
            raise _too_much(f"a directory of {count:,} tags")
        tags = [self._read_tag() for _ in range(count)]
        try:
            (after,) = self._read(self._offset)
        except struct.error:
            after = 0
        return tags, after

    def numbers(self, tag: _Tag) -> npt.NDArray[np.uint64]:
        """The values of a tag of whole numbers."""
        if tag.kind not in _UNSIGNED:
            raise _harmful("a tag has a type that no program writes")
        raw = np.frombuffer(self.text(tag), np.dtype(self._order + _UNSIGNED[tag.kind]))
        return raw.astype(np.uint64)

    def text(self, tag: _Tag) -> bytes:
        """The bytes of a tag's values."""
        self._file.seek(tag.at)
        data = self._file.read(tag.size)
        if len(data) < tag.size:
            raise ValueError("it is truncated")
        return data

    def _read_tag(self) -> _Tag:
        here = self._file.tell()
        data = self._file.read(self._bytes(self._tag))
        number, kind, count = self._packed(self._tag, data)
        # Values that fit into the tag are stored in it instead of their position.
        inside = len(data) - self._bytes(self._offset)
        if count * _ITEM_BYTES.get(kind, 1) <= len(data) - inside:
            return _Tag(number, kind, count, here + inside)
        return _Tag(number, kind, count, self._packed(self._offset, data[inside:])[0])

    def _read(self, layout: str) -> tuple[int, ...]:
        return self._packed(layout, self._file.read(self._bytes(layout)))

    def _packed(self, layout: str, data: bytes) -> tuple[int, ...]:
        return struct.unpack_from(self._order + layout, data)

    def _bytes(self, layout: str) -> int:
        return struct.calcsize(self._order + layout)


def _check(tiff: _Tiff) -> None:
    items = stored = blocks = others = 0
    most = limits.current()
    for tags in tiff.directories():
        if any(tag.size > tiff.size for tag in tags):
            raise _harmful("a tag states more values than the file can hold")
        others += sum(tag.size for tag in tags if tag.number not in _OFFSETS + _COUNTS)
        if others > most.tiff_tag_bytes:
            raise _too_much(f"more than {most.tiff_tag_bytes / 1e6:,.0f} MB of tags")
        _check_compression(tiff, tags)
        for tag in _of(tags, GDAL_METADATA):
            items += tiff.text(tag).lower().count(b"<item")
        if items > most.tiff_items:
            raise _too_much(f"more than {most.tiff_items:,} metadata items")
        blocks += sum(tag.count for tag in _of(tags, *_OFFSETS, *_COUNTS))
        if blocks > 2 * most.tiff_blocks:
            raise _too_much(f"more than {most.tiff_blocks:,} strips or tiles")
        stored += _stored(tiff, tags)
        if stored > tiff.size:
            raise _harmful("its strips or tiles share bytes")


def _of(tags: list[_Tag], *numbers: int) -> list[_Tag]:
    return [tag for tag in tags if tag.number in numbers]


def _stored(tiff: _Tiff, tags: list[_Tag]) -> int:
    """Bytes of a directory's strips or tiles that lie in the file.

    A block at position 0 is not stored, and has no data. Blocks beyond the end are left to GDAL,
    because of a truncated file a window may still be read.
    """
    offsets, counts = _of(tags, *_OFFSETS), _of(tags, *_COUNTS)
    if len(offsets) > 1 or len(counts) != len(offsets):
        raise _harmful("its strips or tiles have no sizes, or several positions")
    if not offsets:
        return 0
    positions, sizes = tiff.numbers(offsets[0]), tiff.numbers(counts[0])
    many = min(len(positions), len(sizes))
    end = np.uint64(tiff.size)
    positions = np.minimum(positions[:many], end)
    inside = np.minimum(sizes[:many], end - positions)
    return int(inside[positions > 0].sum())


def _check_compression(tiff: _Tiff, tags: list[_Tag]) -> None:
    for tag in _of(tags, _COMPRESSION):
        number = int(tiff.numbers(tag)[0])
        if number not in COMPRESSIONS:
            raise BadInput(
                f"{FILE} has a compression that is not read here (TIFF's number {number}): store "
                "it with deflate (gdal_translate -co COMPRESS=DEFLATE)."
            )


def _harmful(why: str) -> BadInput:
    return BadInput(f"{FILE} is damaged or harmful, because {why}: export it again.")


def _too_much(what: str) -> BadInput:
    return BadInput(
        f"{FILE} has {what}, which takes too long to read: write it again without "
        "(gdal_translate -co PROFILE=GeoTIFF)."
    )
