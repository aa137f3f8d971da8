"""The parts of a PNG or JPEG file that hold its pixels.

A picture also has parts for other programs: thumbnails, profiles, texts, further frames. Pillow
parses them while it opens a file, and some take gigabytes there. So it gets only the parts that
hold pixels. Parts and scans are counted: a progressive JPEG is decoded once for each scan, and
20,000 of them in 0.5 MB take 20 s.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.io.guard import FILE

__all__ = ["Parts", "parts_of"]

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PNG_PIXELS: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_MARKER: Final = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""The next marker; escaped bytes and restarts are part of the compressed pixels."""
_START: Final = b"\xd8"
_END: Final = b"\xd9"
_ALONE: Final = frozenset({_START, _END, b"\x01"})
"""Markers without content."""
_SCAN: Final = b"\xda"
_EXIF: Final = b"\xe1"
_PROFILE: Final = b"\xe2"
_JPEG_PIXELS: Final = frozenset(
    bytes([code])
    for code in (
        *(0xC0, 0xC1, 0xC2, 0xC9, 0xCA),  # sizes: baseline, extended, progressive, arithmetic
        *(0xC4, 0xCC, 0xDB, 0xDD),  # tables
        *(0xDA, 0xE0, 0xEE),  # scans, and which colours they have: JFIF, Adobe
    )
)
_OTHER_SIZES: Final = frozenset(
    bytes([code]) for code in (0xC3, 0xC5, 0xC6, 0xC7, 0xC8, 0xCB, 0xCD, 0xCE, 0xCF, 0xDE, 0xDC)
)
_ORIENTATION: Final = 0x0112
_SHORT: Final = 3


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A picture without the parts that hold no pixels.

    Attributes:
        data: the file without them.
        orientation: as in EXIF, from 1 to 8; 1 is upright.
        notes: what was ignored, one phrase each.
    """

    data: bytes
    orientation: int = 1
    notes: tuple[str, ...] = ()


def parts_of(data: bytes, kind: str) -> Parts:
    """Take the parts that hold pixels out of a file.

    Args:
        data: the file, perhaps truncated.
        kind: ``PNG`` or ``JPEG``.

    Raises:
        BadInput: it has too many parts or scans, or a rare kind of compression.
    """
    pieces: list[bytes] = []
    exif = b""
    profile = frames = False
    for name, piece, content in _chunks(data) if kind == "PNG" else _segments(data):
        if name in _PNG_PIXELS or name in _JPEG_PIXELS or name in {_START, _END}:
            pieces.append(piece)
        elif name == b"eXIf" or (name == _EXIF and content.startswith(b"Exif\0\0")):
            exif = exif or content.removeprefix(b"Exif\0\0")
        profile |= name == b"iCCP" or (name == _PROFILE and content.startswith(b"ICC_PROFILE\0"))
        frames |= name == b"acTL" or (name == _PROFILE and content.startswith(b"MPF\0"))
    notes = []
    orientation = 1
    if exif:
        try:
            orientation = _orientation(exif)
        except (struct.error, ValueError):
            notes.append("its EXIF data is damaged, so it was not rotated")
    if profile:
        notes.append("its colour profile was not applied")
    if frames:
        notes.append("only its first frame was read")
    head = _PNG if kind == "PNG" else b""
    return Parts(data=head + b"".join(pieces), orientation=orientation, notes=tuple(notes))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Name, bytes and content of each part of a PNG."""
    at = len(_PNG)
    for _ in range(limits.current().picture_parts):
        length, name = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        stop = at + 12 + length
        if len(name) < 4:
            return
        needed = name in _PNG_PIXELS
        yield name, data[at:stop] if needed else b"", data[at + 8 : at + 8 + min(length, 65_536)]
        if name == b"IEND":
            return
        at = stop
    raise _too_many("parts", limits.current().picture_parts)


def _segments(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Marker, bytes and content of each part of a JPEG; a scan's bytes include its pixels."""
    at = scans = 0
    for _ in range(limits.current().picture_parts):
        found = _MARKER.search(data, at)
        if found is None:
            return
        marker = found.group(1)
        first = found.end() - 2
        at = found.end()
        if marker in _ALONE:
            yield marker, data[first:at], b""
            if marker == _END:
                return
            continue
        at += max(2, int.from_bytes(data[at : at + 2]))
        content = data[first + 4 : at]
        if marker in _OTHER_SIZES:
            raise BadInput(f"{FILE} has a rare kind of JPEG compression: save it as plain JPEG.")
        if marker == _SCAN:
            scans += 1
            if scans > limits.current().jpeg_scans:
                raise _too_many("scans", limits.current().jpeg_scans)
            after = _MARKER.search(data, at)
            at = len(data) if after is None else after.start()
        yield marker, data[first:at], content
    raise _too_many("parts", limits.current().picture_parts)


def _too_many(what: str, most: int) -> BadInput:
    return BadInput(
        f"{FILE} has more than {most:,} {what}, which takes too long to read: save it again as a "
        "plain PNG or JPEG."
    )


def _orientation(exif: bytes) -> int:
    """The orientation in EXIF data.

    Raises:
        ValueError: the data is damaged; also ``struct.error``.
    """
    if exif[:4] not in {b"II*\0", b"MM\0*"}:
        raise ValueError("it has another format")
    order = "<" if exif[:1] == b"I" else ">"
    (at,) = struct.unpack_from(f"{order}I", exif, 4)
    (count,) = struct.unpack_from(f"{order}H", exif, at)
    for number in range(count):
        tag, kind, many, value = struct.unpack_from(f"{order}HHIH", exif, at + 2 + 12 * number)
        if tag == _ORIENTATION:
            if kind != _SHORT or many != 1 or not 1 <= value <= 8:
                raise ValueError("it is none of eight")
            return int(value)
    return 1
