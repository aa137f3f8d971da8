"""PNG and JPEG files that cost too much or say what is not so."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Final

from tools.hostile.corpus import seeds
from tools.hostile.corpus.case import Case, Gate, of_bytes
from tools.hostile.corpus.flips import jpeg_segments, png_chunks

__all__ = ["cases"]

GATES: Final[tuple[Gate, ...]] = ("path", "upload")
MAGIC: Final = b"\x89PNG\r\n\x1a\n"


def cases() -> Iterator[Case]:
    """Pictures of every such kind."""
    yield from _png()
    yield from _png_chunks()
    yield from _jpeg()
    yield from _mixed()


@cache
def _bomb() -> bytes:
    return zlib.compress(bytes(300_000_000), 9)


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    width: int, height: int, *more: bytes, depth: int = 8, colour: int = 2, interlace: int = 0
) -> bytes:
    """A PNG file of zeros whose header states this, with chunks before its pixels."""
    side = min(width * height * 4 + height, 20_000_000)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    body = chunk(b"IDAT", zlib.compress(bytes(max(side, 1)), 9))
    return MAGIC + chunk(b"IHDR", head) + b"".join(more) + body + chunk(b"IEND", b"")


def _png() -> Iterator[Case]:
    kind = "PNG"
    for width, height in (
        (0, 0),
        (1, 1),
        (64, 64),
        (12_000, 64),
        (12_001, 64),
        (5_000, 5_000),
        (60_000, 60_000),
        (2**31 - 1, 2**31 - 1),
        (2**31, 64),
        (64, 2**32 - 1),
    ):
        for gate in GATES:
            yield of_bytes(
                kind, f"{width} × {height}, {gate}", "a.png", partial(png, width, height), gate=gate
            )
    for depth in (0, 1, 2, 4, 8, 16, 255):
        for colour in (0, 1, 2, 3, 4, 6, 7, 255):
            yield of_bytes(kind, f"depth {depth}, colour {colour}", "a.png",
                           png(64, 64, depth=depth, colour=colour))  # fmt: skip
    for interlace in (1, 2, 255):
        data = png(64, 64, interlace=interlace)
        yield of_bytes(kind, f"interlace {interlace}", "a.png", data)


def _png_chunks() -> Iterator[Case]:
    kind = "PNG: chunks"
    chunks: dict[str, Callable[[], bytes]] = {
        "zTXt": lambda: chunk(b"zTXt", b"Comment\0\0" + _bomb()),
        "iTXt": lambda: chunk(b"iTXt", b"Comment\0\1\0\0\0" + _bomb()),
        "iCCP": lambda: chunk(b"iCCP", b"profile\0\0" + _bomb()),
        "1,000 zTXt": lambda: chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(60_000), 9)) * 1_000,
        "100,000 tEXt": lambda: chunk(b"tEXt", b"a\0b") * 100_000,
        "eXIf": lambda: chunk(b"eXIf", b"MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 200),
        "PLTE": lambda: chunk(b"PLTE", b"\0" * 769),
        "tRNS": lambda: chunk(b"tRNS", b"\0" * 6_000),
        "gAMA": lambda: chunk(b"gAMA", b"\0\0\0\0"),
        "pHYs": lambda: chunk(b"pHYs", b"\xff" * 9),
        "acTL": lambda: chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)),
        "10,000 frames": lambda: (
            chunk(b"acTL", struct.pack(">II", 10_000, 0))
            + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 64, 64, 0, 0, 0, 1, 0, 0)) * 10_000
        ),
        "unknown critical": lambda: chunk(b"ABCD", b"x" * 100),
        "not a name": lambda: chunk(b"\x1b[2J", b"x" * 100),
        "IHDR twice": lambda: chunk(b"IHDR", struct.pack(">IIBBBBB", 9_000, 9_000, 8, 2, 0, 0, 0)),
    }
    for name, more in chunks.items():
        for gate in GATES:

            def data(more: Callable[[], bytes] = more) -> bytes:
                return png(64, 64, more())

            yield of_bytes(kind, f"{name}, {gate}", "a.png", data, gate=gate)
    sound = seeds.picture("PNG")
    for at, length in png_chunks(sound):
        for stated in (0, 2**31 - 1, 2**32 - 1):
            broken = sound[:at] + struct.pack(">I", stated) + sound[at + 4 :]
            yield of_bytes(kind, f"length {stated} at {at}", "a.png", broken)
        end = at + 12 + length
        yield of_bytes(kind, f"chunk at {at} missing", "a.png", sound[:at] + sound[end:])
        yield of_bytes(kind, f"chunk at {at} twice", "a.png", sound[:end] + sound[at:])


def _jpeg() -> Iterator[Case]:
    kind = "JPEG"
    progressive = seeds.picture("JPEG", progressive=True, side=120)
    for count in (50, 1_000, 20_000):
        for gate in GATES:
            yield of_bytes(kind, f"{count} scans, {gate}", "a.jpg", _scans(progressive, count),
                           gate=gate)  # fmt: skip
    large = seeds.picture("JPEG", progressive=True, side=64)
    yield of_bytes(kind, "12,000 × 2,000 and 300 scans", "a.jpg",
                   _scans(_sized(large, 12_000, 2_000), 300))  # fmt: skip
    sound = seeds.picture("JPEG")
    for width, height in (
        (0, 0),
        (64, 0),
        (1, 1),
        (65_535, 65_535),
        (12_000, 2_000),
        (5_000, 5_000),
    ):
        yield of_bytes(kind, f"{width} × {height}", "a.jpg", _sized(sound, width, height))
        yield of_bytes(kind, f"progressive {width} × {height}", "a.jpg",
                       _sized(progressive, width, height))  # fmt: skip
    exifs = {
        "empty": b"", "no directory": b"MM\0*", "far directory": b"MM\0*\xff\xff\xff\xff",
        "cyclic": b"MM\0*\0\0\0\x08\0\0\0\0\0\x08", "65,535 tags": b"II*\0\x08\0\0\0\xff\xff",
        "huge value": b"MM\0*\0\0\0\x08\0\1\1\x12\0\2\x7f\xff\xff\xff\0\0\0\0",
        **{f"orientation {n}": b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0" + bytes([n]) + b"\0" * 6
           for n in (0, 1, 2, 5, 6, 8, 9, 255)},
        "text as orientation": b"MM\0*\0\0\0\x08\0\1\1\x12\0\2\0\0\0\3ab\0\0" + b"\0" * 4,
    }  # fmt: skip
    for name, data in exifs.items():
        segment = b"\xff\xe1" + struct.pack(">H", len(data) + 8) + b"Exif\0\0" + data
        for gate in GATES:
            yield of_bytes(kind, f"EXIF {name}, {gate}", "a.jpg", sound[:2] + segment + sound[2:],
                           gate=gate)  # fmt: skip
    comment = b"\xff\xfe\xff\xff" + b"x" * 65_533
    yield of_bytes(kind, "500 comments", "a.jpg", lambda: sound[:2] + comment * 500 + sound[2:])
    for marker in (*range(0xC0, 0xD0), 0xDD, 0xDC, 0xDE, 0xE0, 0xE2, 0xEE, 0xEF, 0xFE):
        segment = bytes([0xFF, marker, 0, 8]) + b"\xff" * 6
        yield of_bytes(kind, f"marker {marker:#x}", "a.jpg", sound[:2] + segment + sound[2:])
    for at in jpeg_segments(sound):
        for length in (0, 1, 2, 65_535):
            broken = sound[: at + 2] + struct.pack(">H", length) + sound[at + 4 :]
            yield of_bytes(kind, f"length {length} at {at}", "a.jpg", broken)


def _scans(data: bytes, count: int) -> Callable[[], bytes]:
    """The last scan of a progressive file, so many times."""

    def made() -> bytes:
        start = data.rindex(b"\xff\xda")
        return data[:start] + data[start:-2] * count + data[-2:]

    return made


def _sized(data: bytes, width: int, height: int) -> bytes:
    """A JPEG file that states another size."""
    at = next(data.index(mark) for mark in (b"\xff\xc0\0\x11", b"\xff\xc2\0\x11") if mark in data)
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def _mixed() -> Iterator[Case]:
    """Files that are two things, or another than their name says."""
    kind = "pictures: other things"
    jpeg, image, tif = seeds.picture("JPEG"), seeds.picture("PNG"), seeds.stack()
    packed = seeds.zipped({"a.tif": tif})
    for name, data in {
        "JPEG and zip": jpeg + packed,
        "PNG and zip": image + packed,
        "TIFF and zip": tif + packed,
        "GIF": b"GIF89a" + b"\xff" * 50,
        "WebP": b"RIFF\xff\xff\xff\xffWEBPVP8 " + b"\0" * 50,
        "BMP": b"BM" + b"\xff" * 60,
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "PDF": b"%PDF-1.7\n" + b"\0" * 99,
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "ICO": b"\0\0\1\0\1\0" + b"\xff" * 60,
        "HEIC": b"\0\0\0\x18ftypheic" + b"\0" * 60,
        "nothing": b"",
        "one byte": b"\x89",
        "zeros": bytes(5_000),
        "half a magic": b"\x89PNG",
        "only a magic": MAGIC,
        "start of a JPEG": b"\xff\xd8\xff",
    }.items():
        for suffix in ("png", "jpg", "tif", "jp2", "zip"):
            yield of_bytes(kind, f"{name} as .{suffix}", f"a.{suffix}", data)
