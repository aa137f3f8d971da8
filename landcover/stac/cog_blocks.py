"""Limits on cloud-optimised GeoTIFFs that async-tiff does not have: directories and codecs.

async-tiff follows the directories of a file for ever if they form a circle, and most of its
decoders unpack whatever a block holds: 131 kB can be 4.6 GB.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from async_tiff.enums import Compression
from typing_extensions import Buffer

from landcover.core import limits
from landcover.io.zstandard import zstd

__all__ = ["CODECS", "Inflate", "Unzstd", "check_directories"]

_LARGEST_WINDOW: Final = 25
"""Binary logarithm of the bytes that a Zstandard decoder may keep: 32 MB."""


async def check_directories(read: Callable[[int, int], Awaitable[bytes]]) -> None:
    """Follow the directories of a TIFF file to the last one.

    Args:
        read: gives the bytes of the file from a position up to another one.

    Raises:
        ValueError: there are too many, or they form a circle; also ``struct.error`` if the file
            is damaged.
    """
    head = await read(0, 16)
    order = "<" if head[:2] == b"II" else ">"
    big = 43 in head[2:4]
    many, tag, offset = ("Q", 20, "Q") if big else ("H", 12, "I")
    count_bytes, offset_bytes = struct.calcsize(f"={many}"), struct.calcsize(f"={offset}")
    (at,) = struct.unpack_from(order + offset, head, 8 if big else 4)
    seen = set[int]()
    most = limits.current()
    while at:
        (count,) = struct.unpack(order + many, await read(at, at + count_bytes))
        if at in seen or len(seen) >= most.tiff_directories or count > most.tiff_tags:
            raise ValueError("it has too many directories or tags")
        seen.add(at)
        after = at + count_bytes + count * tag
        (at,) = struct.unpack(order + offset, await read(after, after + offset_bytes))


class Inflate:
    """Decompresses a block of deflate up to its size.

    Args:
        limit: bytes of a block.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def __call__(self, buffer: Buffer) -> Buffer:
        """Decompress a block.

        Raises:
            ValueError: it has more or fewer bytes than a block.
        """
        stream = zlib.decompressobj()
        data = stream.decompress(bytes(buffer), self._limit + 1)
        # The checksum is verified only at the end of the stream.
        if len(data) != self._limit or not stream.eof:
            raise ValueError("a block has another size than the header states")
        return data


class Unzstd:
    """As :class:`Inflate`, for Zstandard."""

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def __call__(self, buffer: Buffer) -> Buffer:
        """Decompress a block.

        Raises:
            ValueError: it has more or fewer bytes than a block, or needs too much memory.
        """
        options = {int(zstd.DecompressionParameter.window_log_max): _LARGEST_WINDOW}
        stream = zstd.ZstdDecompressor(options=options)
        try:
            data: bytes = stream.decompress(bytes(buffer), self._limit + 1)
        except zstd.ZstdError:
            raise ValueError("a block is damaged") from None
        if len(data) != self._limit or not stream.eof:
            raise ValueError("a block has another size than the header states")
        return data


CODECS: Final[Mapping[Compression, type[Inflate | Unzstd] | None]] = {
    Compression.Uncompressed: None,
    Compression.Deflate: Inflate,
    Compression.OldDeflate: Inflate,
    Compression.ZSTD: Unzstd,
}
"""Compressions that are read, and their decoders; the public archives use deflate.

The decoders of LZW, JPEG and others cannot be limited.
"""
