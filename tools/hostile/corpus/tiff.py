"""Writing TIFF files tag by tag, so that every value of them can be wrong."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

__all__ = ["ASCII", "DOUBLE", "LONG", "SHORT", "Tag", "Tiff", "geokeys", "stack_tags"]

ASCII: Final = 2
SHORT: Final = 3
LONG: Final = 4
DOUBLE: Final = 12
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 12: 8, 13: 4, 16: 8}
_LAYOUT: Final = {3: "H", 4: "I", 12: "d", 13: "I", 16: "Q"}


@dataclass(frozen=True)
class Tag:
    """Type and values of a tag.

    Attributes:
        kind: the type's number.
        values: numbers, or bytes for text.
        count: the stated number of values; None for the true one.
        at: the stated position of the values; None for the true one.
    """

    kind: int
    values: Sequence[float] | bytes
    count: int | None = None
    at: int | None = None

    def data(self) -> bytes:
        """The values as stored."""
        if isinstance(self.values, bytes):
            return self.values
        layout = _LAYOUT[self.kind]
        numbers = self.values if layout == "d" else [int(value) for value in self.values]
        return struct.pack(f"<{len(numbers)}{layout}", *numbers)

    @property
    def stated(self) -> int:
        """The stated number of values."""
        return len(self.data()) // _SIZES.get(self.kind, 1) if self.count is None else self.count


@dataclass(frozen=True)
class Tiff:
    """A little-endian TIFF file of one directory.

    Attributes:
        tags: number → tag.
        body: bytes after the header, from position 8 on; blocks of pixels are here.
        next: position of the next directory; None for none, -1 for this directory again.
    """

    tags: Mapping[int, Tag]
    body: bytes = b""
    next: int | None = None
    extra: Sequence[tuple[int, Tag]] = field(default=())

    def data(self) -> bytes:
        """The file."""
        start = 8 + len(self.body) + len(self.body) % 2
        entries = [*sorted(self.tags.items()), *self.extra]
        after = start + 2 + 12 * len(entries) + 4
        rows, values = b"", b""
        for number, tag in entries:
            stored = tag.data()
            where = after + len(values) if tag.at is None else tag.at
            if len(stored) <= 4 and tag.at is None:
                inline = stored.ljust(4, b"\0")
            else:
                inline = struct.pack("<I", where)
                values += stored + b"\0" * (len(stored) % 2)
            rows += struct.pack("<HHI", number, tag.kind, tag.stated) + inline
        following = {None: 0, -1: start}.get(self.next, self.next)
        directory = struct.pack("<H", len(entries)) + rows + struct.pack("<I", following or 0)
        header = b"II*\0" + struct.pack("<I", start)
        return header + self.body.ljust(start - 8, b"\0") + directory + values


def stack_tags(
    side: int = 120,
    *,
    bands: int = 12,
    bits: int = 16,
    sample: int = 1,
    compression: int = 1,
    blocks: Sequence[tuple[int, int]] = ((8, 0),),
    tile: int | None = None,
    rows: int | None = None,
) -> dict[int, Tag]:
    """Tags of a stack whose bands are stored together.

    Args:
        side: pixels along a side.
        bands: number of bands.
        bits: bits a sample.
        sample: 1 for whole numbers, 2 for negative ones too, 3 for floats.
        compression: number of the compression.
        blocks: position and length of each block.
        tile: pixels along the side of a tile; None for strips.
        rows: of a strip; None for all.
    """
    starts, lengths = zip(*blocks, strict=True)
    own = {
        256: Tag(LONG, [side]),
        257: Tag(LONG, [side]),
        258: Tag(SHORT, [bits] * bands),
        259: Tag(SHORT, [compression]),
        262: Tag(SHORT, [1]),
        277: Tag(SHORT, [bands]),
        284: Tag(SHORT, [1]),
        338: Tag(SHORT, [0] * (bands - 1)),
        339: Tag(SHORT, [sample] * bands),
        33550: Tag(DOUBLE, [10, 10, 0]),
        33922: Tag(DOUBLE, [0, 0, 0, 400_000, 5_300_000, 0]),
        34735: geokeys(32633),
    }
    if tile:
        own |= {322: Tag(LONG, [tile]), 323: Tag(LONG, [tile])}
        return own | {324: Tag(LONG, starts), 325: Tag(LONG, lengths)}
    own[278] = Tag(LONG, [side if rows is None else rows])
    return own | {273: Tag(LONG, starts), 279: Tag(LONG, lengths)}


def geokeys(epsg: int, *, model: int = 1) -> Tag:
    """The keys of a projected CRS (``model`` 1) or a geographic one (2)."""
    key = 3072 if model == 1 else 2048
    return Tag(SHORT, [1, 1, 0, 3, 1024, 0, 1, model, 1025, 0, 1, 1, key, 0, 1, epsg])
