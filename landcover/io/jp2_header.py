"""Checking a JPEG 2000 file's boxes and main header before GDAL opens it.

A few bytes of the header decide how many tiles, precincts and code blocks OpenJPEG allocates, and
how often it decodes each. What they state is counted here. Boxes whose lengths lead nowhere, over
which GDAL can loop for ever, are refused.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Final, Protocol

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.io.messages import FILE

__all__ = ["Readable", "check_jp2"]


class Readable(Protocol):
    """An open file, of which perhaps not all bytes are here."""

    def seek(self, offset: int, whence: int = ..., /) -> int:
        """Change the position."""
        ...

    def read(self, size: int = ..., /) -> bytes:
        """The next bytes, fewer at the end."""
        ...


_CODESTREAM: Final = b"\xff\x4f"
_SIGNATURE: Final = b"\0\0\0\x0cjP  "
_NESTED: Final = frozenset({b"jp2h", b"res ", b"asoc", b"uinf", b"jpch", b"jplh"})
"""Boxes that contain boxes."""
_MAX_DEPTH: Final = 8
_MAX_MARKERS: Final = 1_000
_SIZE: Final = 0xFF51
_STYLE: Final = 0xFF52
_TILE: Final = 0xFF90
_SIZES: Final = struct.Struct(">H8LH")
"""Capabilities; size and offset of the image and of the tiles; number of components."""
_MAX_LEVELS: Final = 32
_MAX_BITS: Final = 38


def check_jp2(source: Path | bytes | Readable) -> None:
    """Check the boxes and the main header of a JPEG 2000 file.

    Args:
        source: the file; of an open one only the first bytes are read.

    Raises:
        BadInput: it is damaged, or has too many boxes, tiles, layers or code blocks; the message
            has a placeholder for its name.
    """
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                _check(file)
        else:
            _check(io.BytesIO(source) if isinstance(source, bytes) else source)
    except (struct.error, ValueError, OverflowError):
        raise BadInput(f"{FILE} is damaged or truncated: copy or export it again.") from None
    except OSError:
        raise BadInput(f"{FILE} cannot be read: check its permissions.") from None


def _check(file: Readable) -> None:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(8)
    if head[:2] == _CODESTREAM:
        start = 0
    elif head == _SIGNATURE:
        start = _Boxes(file).codestream(0, size)
    else:
        raise ValueError("it has another format")
    file.seek(start)
    if file.read(2) != _CODESTREAM:
        raise ValueError("it has no codestream")
    _check_main(file)


class _Boxes:
    """The boxes of a file, counted over all depths."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._count = 0
        self._bytes = 0

    def codestream(self, at: int, stop: int, depth: int = 0) -> int:
        """Check the boxes up to a position.

        Returns:
            where the codestream begins; 0 if it is not among them.
        """
        most = limits.current()
        found = 0
        while at < stop and not found:
            self._count += 1
            if self._count > most.jp2_boxes or depth > _MAX_DEPTH:
                raise _too_much(f"more than {most.jp2_boxes:,} boxes")
            self._file.seek(at)
            length, name = struct.unpack(">L4s", self._file.read(8))
            first = at + 8
            if length == 1:
                (length,) = struct.unpack(">Q", self._file.read(8))
                first += 8
            end = at + length if length else stop
            if end < first or (end > stop and name != b"jp2c"):
                raise ValueError("a box has an impossible length")
            if name == b"jp2c":
                found = first
            elif name in _NESTED:
                self.codestream(first, end, depth + 1)
            else:
                self._bytes += end - first
            if self._bytes > most.jp2_box_bytes:
                raise _too_much(f"more than {most.jp2_box_bytes / 1e6:,.0f} MB of metadata")
            at = end
        if not depth and not found:
            raise ValueError("it has no codestream")
        return found


def _check_main(file: Readable) -> None:
    tile = components = 0
    for number in range(_MAX_MARKERS):
        marker, length = struct.unpack(">2H", file.read(4))
        if (marker == _SIZE) != (number == 0):
            raise ValueError("the size does not come first")
        if marker == _TILE:
            return
        content = file.read(length - 2)
        if marker < 0xFF00 or len(content) < length - 2:
            raise ValueError("it is truncated")
        if marker == _SIZE:
            tile, components = _checked_size(content)
        elif marker == _STYLE:
            _check_style(content, tile, components)
    raise _too_much(f"more than {_MAX_MARKERS:,} markers")


def _checked_size(content: bytes) -> tuple[int, int]:
    """Check the sizes; returns the longest side of a tile, and the number of components."""
    _, x, y, x0, y0, wide, tall, left, top, components = _SIZES.unpack_from(content)
    if len(content) != _SIZES.size + 3 * components:
        raise ValueError("its components are not listed")
    bits = content[_SIZES.size :: 3]
    steps = content[_SIZES.size + 1 :: 3] + content[_SIZES.size + 2 :: 3]
    sound = x0 < x and y0 < y and left <= x0 < left + wide and top <= y0 < top + tall and components
    if not sound or 0 in steps or any((bit & 0x7F) + 1 > _MAX_BITS for bit in bits):
        raise ValueError("its sizes are impossible")
    most = limits.current()
    tiles = -(-(x - left) // wide) * -(-(y - top) // tall) * components
    if tiles > most.jp2_tiles:
        raise _too_much(f"more than {most.jp2_tiles:,} tiles")
    # No tile is larger than the image.
    return min(wide, x - x0) * min(tall, y - y0), components


def _check_style(content: bytes, area: int, components: int) -> None:
    """Check layers, levels, and how many precincts and code blocks a tile has."""
    flags, _, layers, _, levels, across, down = struct.unpack_from(">2BH4B", content)
    most = limits.current()
    if levels > _MAX_LEVELS or max(across, down) > 8 or across + down > 8:
        raise ValueError("its code blocks are impossible")
    if layers > most.jp2_layers:
        raise _too_much(f"more than {most.jp2_layers:,} layers")
    smallest = across + down + 4
    if flags & 1:
        precincts = content[10 : 11 + levels]
        if len(precincts) < levels + 1:
            raise ValueError("its precincts are not listed")
        # The first is that of the smallest picture, and each further one has four times the pixels.
        sides = [(each & 15) + (each >> 4) for each in precincts]
        smallest = min(smallest, *(side + 2 * (levels - k) for k, side in enumerate(sides)))
    if (area >> smallest) * components > most.jp2_blocks:
        raise _too_much(f"more than {most.jp2_blocks:,} code blocks in a tile")


def _too_much(what: str) -> BadInput:
    return BadInput(
        f"{FILE} has {what}, which takes too long to read: convert it to GeoTIFF (gdal_translate)."
    )
