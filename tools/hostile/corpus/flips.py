"""Damage of single bytes: every byte of every header changed, and files cut at each structure."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from tools.hostile.corpus import seeds
from tools.hostile.corpus.case import Case, Gate, of_bytes, random_of

__all__ = ["cases"]

Spans = Sequence[tuple[int, int]]
"""Parts of a file, each from its first byte to the one after its last."""

CHANGES: Final[tuple[Callable[[int], int], ...]] = (
    lambda value: value ^ 0x01,
    lambda value: value ^ 0x80,
    lambda value: 0x00 if value else 0xFF,
)
"""What becomes of a byte: the lowest bit, the highest bit, or all bits."""


def cases() -> Iterator[Case]:
    """Flips and truncations of every format."""
    yield from _stacks()
    yield from _pictures()
    yield from _archives()
    yield from _vectors()


def _stacks() -> Iterator[Case]:
    tif = seeds.stack()
    yield from _flips("flips: GeoTIFF", "a.tif", tif, tiff_spans(tif), both=True)
    yield from _cuts("cuts: GeoTIFF", "a.tif", tif, [at for span in tiff_spans(tif) for at in span])
    big = seeds.stack(bigtiff="YES", compress="lzw", tiled=True, blockxsize=64, blockysize=64)
    yield from _flips("flips: BigTIFF", "a.tif", big, tiff_spans(big)[:1], changes=2)
    image = seeds.jp2(3)
    start = image.index(b"jp2c") + 4
    header = [(0, start), (start, min(start + 200, len(image)))]
    yield from _flips("flips: JPEG 2000", "a.jp2", image, header, both=True)
    yield from _cuts("cuts: JPEG 2000", "a.jp2", image, range(0, start + 120, 12))


def _pictures() -> Iterator[Case]:
    png = seeds.picture("PNG")
    chunks = list(png_chunks(png))
    headers = [(0, 8), *((at, at + 8 + min(length, 26)) for at, length in chunks)]
    ends = [(at + 8 + length, at + 12 + length) for at, length in chunks]
    yield from _flips("flips: PNG", "a.png", png, [*headers, *ends], both=True)
    yield from _cuts("cuts: PNG", "a.png", png, [at for span in headers for at in span])
    for mode, progressive in (("baseline", False), ("progressive", True)):
        jpeg = seeds.picture("JPEG", progressive=progressive)
        spans = [(0, jpeg.index(b"\xff\xda") + 14)]
        kind = f"JPEG, {mode}"
        yield from _flips(f"flips: {kind}", "a.jpg", jpeg, spans, changes=2, both=True)
        yield from _cuts(f"cuts: {kind}", "a.jpg", jpeg, jpeg_segments(jpeg))


def _archives() -> Iterator[Case]:
    bands = dict(sorted(seeds.band_files().items()))
    packed = seeds.zipped(bands)
    spans = zip_spans(packed)
    own = [spans[0], spans[len(bands)], spans[-1]]  # the first of each kind of record
    yield from _flips("flips: zip", "a.zip", packed, own, both=True)
    yield from _cuts("cuts: zip", "a.zip", packed, [at for span in spans for at in span])
    model = seeds.zipped(seeds.model())
    spans = zip_spans(model)
    own = [spans[0], spans[2], spans[-1]]
    yield from _flips("flips: model archive", "a.zip", model, own, gate="archive", changes=2)
    yield from _cuts("cuts: model archive", "a.zip", model, range(0, len(model), 97), "archive")


def _vectors() -> Iterator[Case]:
    # Refused by their first bytes until vector files are read.
    base = seeds.geopackage()
    yield from _flips("flips: GeoPackage", "a.gpkg", base, [(0, 112)], changes=2)
    yield from _cuts("cuts: GeoPackage", "a.gpkg", base, range(0, len(base), 512))


def _flips(
    kind: str,
    file: str,
    data: bytes,
    spans: Spans,
    *,
    gate: Gate = "path",
    changes: int = 3,
    both: bool = False,
) -> Iterator[Case]:
    """Each byte of the spans changed; with ``both``, in turns as a file and as an upload."""
    places = [at for start, end in spans for at in range(start, end)]
    for number, at in enumerate(dict.fromkeys(places)):
        for which, change in enumerate(CHANGES[:changes]):
            how: Gate = "upload" if both and (number + which) % 2 else gate
            yield of_bytes(kind, f"byte {at}, {which}", file, _flip(data, at, change), gate=how)


def _flip(data: bytes, at: int, change: Callable[[int], int]) -> Callable[[], bytes]:
    return lambda: data[:at] + bytes([change(data[at])]) + data[at + 1 :]


def _first(data: bytes, count: int) -> Callable[[], bytes]:
    return lambda: data[:count]


def _cuts(
    kind: str, file: str, data: bytes, places: Sequence[int], gate: Gate = "path"
) -> Iterator[Case]:
    near = {at + step for at in places for step in (-1, 0, 1)}
    ends = sorted(at for at in near if 0 < at < len(data))
    drawn = random_of(kind)
    ends += [drawn.randrange(len(data)) for _ in range(10)]
    for at in dict.fromkeys(ends):
        yield of_bytes(kind, f"first {at} bytes", file, _first(data, at), gate=gate)


def tiff_spans(data: bytes) -> list[tuple[int, int]]:
    """The header, the first directory and its values, except those that are one per block."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2] == 43
    start = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    counts, entry = ("Q", "HHQQ") if big else ("H", "HHII")
    (count,) = struct.unpack_from(order + counts, data, start)
    at = start + struct.calcsize(order + counts)
    size = struct.calcsize(order + entry)
    spans = [(0, 16 if big else 8), (start, at + count * size + (8 if big else 4))]
    for number in range(count):
        tag, kind, many, value = struct.unpack_from(order + entry, data, at + number * size)
        length = many * {3: 2, 4: 4, 5: 8, 12: 8, 16: 8}.get(kind, 1)
        if length > (8 if big else 4) and tag not in (273, 279, 324, 325):
            spans.append((value, value + min(length, 64)))
    return spans


def png_chunks(data: bytes) -> Iterator[tuple[int, int]]:
    """Position and length of each chunk."""
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield at, length
        at += 12 + length


def jpeg_segments(data: bytes) -> list[int]:
    """Positions of the markers up to the first scan."""
    places, at = [], 2
    while data[at + 1] != 0xDA:
        places.append(at)
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return [*places, at, at + 14]


def zip_spans(data: bytes) -> list[tuple[int, int]]:
    """Each local header, each entry of the directory, and the end record."""
    spans = []
    for magic, fixed, names in ((b"PK\3\4", 30, 26), (b"PK\1\2", 46, 28)):
        at = data.find(magic)
        while at >= 0:
            length = sum(struct.unpack_from("<HH", data, at + names))
            spans.append((at, at + fixed + length))
            at = data.find(magic, at + fixed)
    end = data.rindex(b"PK\5\6")
    return [*spans, (end, end + 22)]
