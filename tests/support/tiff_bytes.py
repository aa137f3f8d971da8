"""TIFF files from their tags, also those that no program would write."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

Tag = tuple[int, int, bytes]
"""Type, count and values."""
ASCII, SHORT, LONG = 2, 3, 4


def shorts(*values: int) -> Tag:
    return SHORT, len(values), struct.pack(f"<{len(values)}H", *values)


def longs(values: Iterable[int]) -> Tag:
    many = list(values)
    return LONG, len(many), struct.pack(f"<{len(many)}I", *many)


def text(data: bytes) -> Tag:
    return ASCII, len(data), data


def image(
    offsets: Sequence[int],
    counts: Sequence[int],
    *,
    side: int = 64,
    tile: int = 64,
    packed: int = 1,
) -> dict[int, Tag]:
    """Tags of a square grey image of 16 bits in tiles."""
    return {
        256: longs([side]),
        257: longs([side]),
        258: shorts(16),
        259: shorts(packed),
        262: shorts(1),
        277: shorts(1),
        322: longs([tile]),
        323: longs([tile]),
        324: longs(offsets),
        325: longs(counts),
    }


def tiff(
    *directories: Mapping[int, Tag], pixels: bytes = bytes(8192), after: int | None = None
) -> bytes:
    """A little-endian TIFF file whose pixels begin at byte 8.

    Args:
        directories: the tags of each by their numbers.
        pixels: the bytes of the blocks.
        after: position of the directory that follows the last one; None for none.
    """
    out = bytearray(b"II*\0\0\0\0\0" + pixels)
    pointer = 4
    for tags in directories:
        entries = b""
        for number, (kind, count, data) in sorted(tags.items()):
            value = data.ljust(4, b"\0")
            if len(data) > 4:
                value = struct.pack("<I", len(out))
                out += data + bytes(len(data) % 2)
            entries += struct.pack("<HHI", number, kind, count) + value
        struct.pack_into("<I", out, pointer, len(out))
        out += struct.pack("<H", len(tags)) + entries
        pointer = len(out)
        out += bytes(4)
    if after is not None:
        struct.pack_into("<I", out, pointer, after)
    return bytes(out)
