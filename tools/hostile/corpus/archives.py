"""Zips: bombs, lies about entries, and names that lead elsewhere."""

from __future__ import annotations

import bz2
import lzma
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Final

from tools.hostile.corpus import seeds
from tools.hostile.corpus.case import CANARY, Case, Gate, Place, of_bytes
from tools.hostile.corpus.tiff import Tiff, stack_tags

__all__ = ["NAMES", "cases"]

GATES: Final[tuple[Gate, ...]] = ("path", "upload")
NAMES: Final = {
    "upwards": "../../../../tmp/landcover-escaped.tif",
    "absolute": "/tmp/landcover-escaped.tif",  # noqa: S108 - a name that leads elsewhere
    "drive": "C:\\Windows\\landcover-escaped.tif",
    "UNC": "\\\\127.0.0.1\\share\\a.tif",
    "NUL": "a.tif\0.txt",
    "lines": "a\nerror: b\r\n.tif",
    "escape": "\x1b[2J\x1b]0;owned\x07.tif",
    "right to left": "a\u202efit.exe",
    "markup": '<img src=x onerror="alert(1)">.tif',
    "markdown": "[a](javascript:alert(1))`b`**c**$d$.tif",
    "dash": "--help.tif",
    "blank": " .tif",
    "dots": "....tif",
    "percent": "%s%n%x.tif",
    "long": "a" * 5_000 + ".tif",
    "deep": "a/" * 2_000 + "a.tif",
    "star": "*?[.tif",
    "device": "NUL.tif",
    "vsi": "/vsicurl/http://127.0.0.1:99999/a.tif",
    "subdataset": f"GTIFF_DIR:1:{CANARY}/secret.tif",
    "combining": "a" + "\u0301" * 300 + ".tif",
}


def cases() -> Iterator[Case]:
    """Zips of every such kind, as a path, an upload or a model archive."""
    yield from _bombs()
    yield from _lies()
    yield from _names()
    yield from _models()


def _bombs() -> Iterator[Case]:
    kind = "zips: bombs"
    methods = {
        "deflate": 8,
        "bzip2": 12,
        "lzma": 14,
        "zstd": 93,
        "deflate64": 9,
        "xz": 95,
        "aes": 99,
    }
    for name, method in methods.items():
        for size in (20_000_000, 1_500_000_000):
            for gate in GATES:
                make = _bomb(method, size)
                yield of_bytes(kind, f"{name} of {size}, {gate}", "a.zip", make, gate=gate,
                               slow=size > 10**9)  # fmt: skip
    yield from _many(kind)


def _many(kind: str) -> Iterator[Case]:
    """Bombs by the number of entries."""
    for count in (12, 999):

        def many(count: int = count) -> bytes:
            band = _zero_band(2_000)
            return seeds.zipped({f"S2_T33UUP_20200101_B{i:03}.tif": band for i in range(count)})

        yield of_bytes(kind, f"{count} bands of zeros", "a.zip", many, slow=True)
    yield of_bytes(kind, "entries that overlap", "a.zip", _overlapping)
    for depth in (2, 20, 200):

        def nested(depth: int = depth) -> bytes:
            data = seeds.stack()
            for _ in range(depth):
                data = seeds.zipped({"a.zip": data})
            return data

        yield of_bytes(kind, f"{depth} zips in each other", "a.zip", nested)
    yield of_bytes(kind, "a zip of 100 bombs", "a.zip", lambda: seeds.zipped(
        {f"{i}.zip": _bomb(8, 20_000_000)() for i in range(100)}))  # fmt: skip
    for count in (999, 1_001, 65_535, 4_200_000):
        for gate in GATES:
            yield Case(kind=kind, name=f"{count} entries, {gate}", gate=gate, file="a.zip",
                       make=_sparse(count), slow=count > 100_000)  # fmt: skip


def _packed(method: int, size: int) -> bytes:
    """Zeros compressed by a zip's method; by deflate for those that Python has not."""
    return _zeros(method if method in (12, 14) else 8, size // 1_000_000)


@cache
def _zeros(method: int, rest: int) -> bytes:
    """So many megabytes of zeros, of which bzip2 and LZMA get a part, because they are slow."""
    piece = bytes(1_000_000)
    if method == 12:
        packer = bz2.BZ2Compressor()
        return b"".join(packer.compress(piece) for _ in range(min(rest, 200))) + packer.flush()
    if method == 14:
        options = {"id": lzma.FILTER_LZMA1, "preset": 0, "dict_size": 1 << 16}
        lzma1 = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=[options])
        body = b"".join(lzma1.compress(piece) for _ in range(min(rest, 100))) + lzma1.flush()
        return struct.pack("<BBHBI", 9, 4, 5, 93, 1 << 16) + body
    deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
    return b"".join(deflate.compress(piece) for _ in range(rest)) + deflate.flush()


def _bomb(method: int, size: int) -> Callable[[], bytes]:
    """A zip whose only file unpacks to zeros, which state that they are a TIFF file."""

    def data() -> bytes:
        packed = _packed(method, size)
        return raw_zip([(b"a.tif", method, packed, size)])

    return data


def raw_zip(
    entries: list[tuple[bytes, int, bytes, int]], *, flags: int = 0, crc: int = 0, external: int = 0
) -> bytes:
    """A zip as stated: name, method, stored bytes and stated size of each entry."""
    body, directory = b"", b""
    for name, method, packed, size in entries:
        facts = struct.pack(
            "<HHHHHIIIHH",
            20,
            flags,
            method,
            0,
            33,
            crc,
            len(packed),
            size & 0xFFFFFFFF,
            len(name),
            0,
        )
        directory += b"PK\1\2\x14\3" + facts + struct.pack("<HHHII", 0, 0, 0, external, len(body))
        directory += name
        body += b"PK\3\4" + facts + name + packed
    end = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return body + directory + b"PK\5\6" + end


def _zero_band(side: int) -> bytes:
    packed = zlib.compress(bytes(side * side * 2), 9)
    tags = stack_tags(side, bands=1, compression=8, blocks=((8, len(packed)),))
    del tags[338]
    return Tiff(tags, packed).data()


def _overlapping() -> bytes:
    """All entries are one member, which unpacks to 20 MB."""
    packed = _packed(8, 20_000_000)
    one = raw_zip([(b"0.tif", 8, packed, 20_000_000)])
    start = one.index(b"PK\1\2")
    entry = one[start : one.index(b"PK\5\6")]
    directory = b"".join(entry[:-5] + f"{i:05}"[-1:].encode() + b".tif"[:4] for i in range(10)) * 90
    end = struct.pack("<HHHHIIH", 0, 0, 900, 900, len(directory), start, 0)
    return one[:start] + directory + b"PK\5\6" + end


def _sparse(count: int) -> Callable[[Place], None]:
    """So many entries of one empty file, written without holding them."""

    def make(place: Place) -> None:
        one = raw_zip([(b"a.tif", 0, b"", 0)])
        start = one.index(b"PK\1\2")
        entry = one[start : one.index(b"PK\5\6")]
        size = count * len(entry)
        with (place.folder / "a.zip").open("wb") as file:
            file.write(one[:start])
            for done in range(0, count, 10_000):
                file.write(entry * min(10_000, count - done))
            record = struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, start)
            file.write(b"PK\6\6" + record)
            file.write(b"PK\6\7" + struct.pack("<IQI", 0, start + size, 1))
            few = min(count, 65_535)
            end = struct.pack("<HHHHIIH", 0, 0, few, few, min(size, 2**32 - 1), start, 0)
            file.write(b"PK\5\6" + end)

    return make


def _lies() -> Iterator[Case]:
    kind = "zips: lies"
    data = seeds.stack()
    for size in (0, 1, 10**6, 2**32 - 1):
        for method in (0, 8):
            packed = data if method == 0 else zlib.compress(data, 9)[2:-4]
            one = raw_zip([(b"a.tif", method, packed, size)], crc=zlib.crc32(data))
            yield of_bytes(kind, f"size {size}, method {method}", "a.zip", one)
    for flags in (1, 8, 0x20, 0x40, 0x800, 0x2000, 0xFFFF):
        one = raw_zip([(b"a.tif", 0, data, len(data))], flags=flags, crc=zlib.crc32(data))
        yield of_bytes(kind, f"flags {flags:#x}", "a.zip", one)
    for method in (*range(1, 21), 93, 97, 98, 65_535):
        one = raw_zip([(b"a.tif", method, data, len(data))], crc=zlib.crc32(data))
        yield of_bytes(kind, f"method {method}", "a.zip", one)
        yield of_bytes(kind, f"method {method}, upload", "a.zip", one, gate="upload")
    sound = seeds.zipped({"a.tif": data})
    end = sound.rindex(b"PK\5\6")
    for name, record in {
        "no entries": struct.pack("<HHHHIIH", 0, 0, 0, 0, 0, 0, 0),
        "65,535 entries": struct.pack("<HHHHIIH", 0, 0, 65_535, 65_535, 50, end, 0),
        "directory of 4 GB": struct.pack("<HHHHIIH", 0, 0, 1, 1, 2**32 - 1, 0, 0),
        "directory beyond": struct.pack("<HHHHIIH", 0, 0, 1, 1, 50, 2**32 - 2, 0),
        "many disks": struct.pack("<HHHHIIH", 9, 9, 1, 1, 50, 0, 0),
        "long comment": struct.pack("<HHHHIIH", 0, 0, 1, 1, 50, 0, 65_535),
    }.items():
        yield of_bytes(kind, name, "a.zip", sound[:end] + b"PK\5\6" + record)
    yield of_bytes(kind, "before it", "a.zip", b"MZ" + b"\0" * 1_000 + sound)
    yield of_bytes(kind, "after it", "a.zip", sound + b"\0" * 1_000)
    yield of_bytes(kind, "two directories", "a.zip", sound + sound[end:])
    yield of_bytes(kind, "twice the name", "a.zip", _twice())
    link = (stat.S_IFLNK | 0o777) << 16
    target = f"{CANARY}/secret.tif".encode()
    one = raw_zip([(b"a.tif", 0, target, len(target))], external=link, crc=zlib.crc32(target))
    yield of_bytes(kind, "a link", "a.zip", one)
    for kind_of in (stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFDIR):
        one = raw_zip([(b"a.tif", 0, data, len(data))], external=(kind_of | 0o777) << 16,
                      crc=zlib.crc32(data))  # fmt: skip
        yield of_bytes(kind, f"a file of kind {kind_of:#o}", "a.zip", one)


def _twice() -> bytes:
    data = seeds.stack()
    crc = zlib.crc32(data)
    return raw_zip([(b"a.tif", 0, data, len(data)), (b"a.tif", 0, data, len(data))], crc=crc)


def _names() -> Iterator[Case]:
    kind = "zips: names"
    data = seeds.stack()
    for name, path in NAMES.items():
        stored = path.encode()
        for gate in GATES:
            one = _of_one(stored, data, 0x800)
            yield of_bytes(kind, f"{name}, {gate}", "a.zip", one, gate=gate)
        junk = raw_zip([(stored, 0, b"junk", 4)], flags=0x800, crc=zlib.crc32(b"junk"))
        yield of_bytes(kind, f"{name}, not a raster", "a.zip", junk, gate="upload")
    raw = {"surrogate": b"\xed\xa0\x80.tif", "not UTF-8": b"\xff\xfe.tif", "empty": b"",
           "only a slash": b"/", "only dots": b".."}  # fmt: skip
    for name, stored in raw.items():
        for flags in (0, 0x800):
            yield of_bytes(kind, f"{name}, {flags}", "a.zip", _of_one(stored, data, flags))
    labels = b'{"labels": ["\\ud800", "\x1b[31m"], "acquisition_date": "2017-06-13"}'
    for text in (labels, b"[" * 100_000, b'{"a": ' + b"9" * 5_000 + b"}", b"\xff\xfe"):
        files = {f"P/{name}": band for name, band in seeds.band_files().items()}
        stem = next(iter(files)).rpartition("_")[0]
        files[f"{stem}_labels_metadata.json"] = text
        yield of_bytes(kind, f"labels {text[:12]!r}", "a.zip",
                       partial(seeds.zipped, files))  # fmt: skip


def _of_one(name: bytes, data: bytes, flags: int) -> Callable[[], bytes]:
    return lambda: raw_zip([(name, 0, data, len(data))], flags=flags, crc=zlib.crc32(data))


def _models() -> Iterator[Case]:
    """Archives that are no model, or more than one."""
    kind = "model archives"
    gate: Gate = "archive"
    sound = seeds.model()
    for name, path in NAMES.items():
        own = {**sound, path.replace("\0", "_"): b"owned"}
        yield of_bytes(kind, name, "a.zip", partial(seeds.zipped, own), gate=gate,
                       must="refused")  # fmt: skip
    for file in ("evaluation/x.json", "trust/x.json", "baselines/../../../x/card.json",
                 "trust/../../x.json", "config.json", "checkpoint.pt", "weights.pkl"):  # fmt: skip
        more = {**sound, file: b'{"a": NaN'}
        yield of_bytes(kind, file, "a.zip", partial(seeds.zipped, more), gate=gate)
    for method, size in ((8, 500_000_000), (12, 500_000_000), (14, 50_000_000)):

        def bomb(method: int = method, size: int = size) -> bytes:
            weights = (b"weights.safetensors", method, _packed(method, size), size)
            return raw_zip([(b"card.json", 0, b"{}", 2), weights])

        yield of_bytes(kind, f"bomb {method}", "a.zip", bomb, gate=gate, must="refused", slow=True)
    yield of_bytes(kind, "nothing", "a.zip", seeds.zipped({}), gate=gate, must="refused")
    yield of_bytes(kind, "a stack", "a.zip", seeds.stack(), gate=gate, must="refused")
    yield Case(kind=kind, name="65,535 entries", gate=gate, file="a.zip", make=_sparse(65_535),
               must="refused")  # fmt: skip
