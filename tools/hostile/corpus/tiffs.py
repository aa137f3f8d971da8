"""TIFF files whose tags lie: sizes, blocks, codecs, directories, metadata, positions."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Final

from tools.hostile.corpus import seeds
from tools.hostile.corpus.case import CANARY, URL, Case, of_bytes
from tools.hostile.corpus.tiff import ASCII, DOUBLE, LONG, SHORT, Tag, Tiff, geokeys, stack_tags

__all__ = ["cases"]

CODECS: Final = {
    "none": 1, "CCITT": 2, "fax 3": 3, "fax 4": 4, "LZW": 5, "old JPEG": 6, "JPEG": 7,
    "deflate": 8, "PackBits": 32773, "old deflate": 32946, "JPEG 2000": 34712, "LERC": 34887,
    "LZMA": 34925, "ZSTD": 50000, "WebP": 50001, "JPEG XL": 50002, "unknown": 65000,
}  # fmt: skip
NAN: Final = float("nan")
INF: Final = float("inf")
NUMBERS: Final = (NAN, INF, -INF, 0.0, -0.0, 1e-320, -10.0, 1e18, 1e300, 3e7)


@cache
def _body() -> bytes:
    return seeds.pixels().transpose(1, 2, 0).tobytes()


def cases() -> Iterator[Case]:
    """TIFF files of every such kind."""
    yield from _tags()
    yield from _blocks()
    yield from _directories()
    yield from _metadata()
    yield from _positions()


def stack(changes: Mapping[int, Tag | None], body: bytes | None = None) -> Callable[[], bytes]:
    """A sound uncompressed stack with some tags changed, added or (None) left out."""

    def data() -> bytes:
        stored = _body() if body is None else body
        tags = {**stack_tags(blocks=((8, len(stored)),)), **changes}
        return Tiff({number: tag for number, tag in tags.items() if tag}, stored).data()

    return data


def _tags() -> Iterator[Case]:
    """Each tag with each absurd value, and without it."""
    kind = "TIFF: absurd tags"
    values: tuple[int, ...] = (0, 1, 2, 7, 120, 255, 65_535, 2**31 - 1, 2**32 - 1)
    for tag in (256, 257, 258, 259, 262, 266, 274, 277, 278, 284, 317, 322, 323, 338, 339):
        for value in values:
            one = Tag(LONG, [value]) if value > 65_535 else Tag(SHORT, [value])
            yield of_bytes(kind, f"{tag} = {value}", "a.tif", stack({tag: one}))
        yield of_bytes(kind, f"no {tag}", "a.tif", stack({tag: None}))
    for tag, count in itertools.product((258, 273, 279, 338, 339, 33550, 33922, 34735), (0, 2**31)):
        lied = Tag(LONG, [8], count=count, at=8)
        yield of_bytes(kind, f"{tag} with {count} values", "a.tif", stack({tag: lied}))
    for bits, sample in itertools.product((1, 4, 8, 12, 24, 32, 64, 128), (1, 2, 3, 4, 5, 6)):
        changes = {258: Tag(SHORT, [bits] * 12), 339: Tag(SHORT, [sample] * 12)}
        yield of_bytes(kind, f"{bits} bits of kind {sample}", "a.tif", stack(changes))


def _blocks() -> Iterator[Case]:
    kind = "TIFF: blocks"
    zeros = zlib.compress(bytes(12 * 2 * 64 * 64))
    for (name, codec), side in itertools.product(CODECS.items(), (120, 20_000, 60_000)):
        noise = bytes(range(256)) * 64
        tags = stack_tags(side, compression=codec, blocks=((8, len(noise)),))
        yield of_bytes(kind, f"{name}, {side} rows a strip", "a.tif", Tiff(tags, noise).data)
        tags = stack_tags(side, compression=codec, blocks=((8, len(noise)),), tile=side // 16 * 16)
        yield of_bytes(kind, f"{name}, tile of {side}", "a.tif", Tiff(tags, noise).data)
    for count in (64, 1_000, 40_000):
        side = int(count**0.5) * 64
        blocks = [(8, len(zeros))] * (side // 64) ** 2
        tags = stack_tags(side, compression=8, blocks=blocks, tile=64)
        yield of_bytes(kind, f"{count} shared tiles", "a.tif", Tiff(tags, zeros).data)
    for at in (0, 4, 7, 2**31, 2**32 - 1):
        tags = stack_tags(blocks=((at, len(_body())),))
        yield of_bytes(kind, f"strip at {at}", "a.tif", Tiff(tags, _body()).data)
    for length in (0, 1, 2**31, 2**32 - 1):
        tags = stack_tags(blocks=((8, length),))
        yield of_bytes(kind, f"strip of {length} bytes", "a.tif", Tiff(tags, _body()).data)
    for size in (8_000_000, 900_000_000):
        yield of_bytes(kind, f"strip that inflates to {size}", "a.tif", _inflating(size), slow=True)
    for name in ("deflate", "lzw", "zstd", "lerc", "lzma", "packbits", "lerc_zstd"):
        for predictor in (2, 3) if name in ("deflate", "lzw", "zstd") else (1,):
            yield from _damaged_blocks(kind, name, predictor)


def _damaged_blocks(kind: str, codec: str, predictor: int) -> Iterator[Case]:
    """Pixels of a codec with bytes changed in the middle."""
    options = {"predictor": predictor, "dtype": "float32"} if predictor == 3 else {}
    data = seeds.stack(compress=codec, **options)
    for at in range(len(data) // 8, len(data), len(data) // 6):
        broken = data[:at] + bytes(byte ^ 0xA5 for byte in data[at : at + 24]) + data[at + 24 :]
        name = f"{codec}, predictor {predictor}, damage at {at}"
        yield of_bytes(kind, name, "a.tif", broken)


def _inflating(size: int) -> Callable[[], bytes]:
    def data() -> bytes:
        side = int((size / 24) ** 0.5)
        packed = zlib.compress(bytes(side * side * 24), 9)
        return Tiff(stack_tags(side, compression=8, blocks=((8, len(packed)),)), packed).data()

    return data


def _directories() -> Iterator[Case]:
    kind = "TIFF: directories"
    tags = stack_tags(blocks=((8, len(_body())),))
    start = 8 + len(_body())
    for name, where in (("itself", -1), ("the header", 2), ("nowhere", 2**31), ("pixels", 8)):
        yield of_bytes(kind, f"next is {name}", "a.tif", Tiff(tags, _body(), where).data)
    for tag in (330, 34665, 34853, 40965):
        looped = {**tags, tag: Tag(LONG, [start])}
        yield of_bytes(kind, f"{tag} points to itself", "a.tif", Tiff(looped, _body()).data)
        many = {**tags, tag: Tag(LONG, [start] * 10_000)}
        yield of_bytes(kind, f"{tag}, 10,000 times", "a.tif", Tiff(many, _body()).data)
    for count in (1_000, 65_000):
        extra = [(60_000 + i % 5_000, Tag(SHORT, [i % 65_536])) for i in range(count)]
        data = Tiff(tags, _body(), extra=extra)
        yield of_bytes(kind, f"{count} unknown tags", "a.tif", data.data)
    double = Tiff(tags, _body(), extra=[*tags.items()])
    yield of_bytes(kind, "every tag twice", "a.tif", double.data)
    for length in (100, 65_000):
        yield of_bytes(kind, f"chain of {length}", "a.tif", partial(_chain, length))
    yield of_bytes(kind, "two that alternate", "a.tif", lambda: _chain(2, closed=True))


def _chain(length: int, *, closed: bool = False) -> bytes:
    """A stack followed by empty directories, the last of which may lead to the first of them."""
    sound = stack_tags(blocks=((8, len(_body())),))
    first = len(Tiff(sound, _body(), 8).data())
    links = b""
    for number in range(length):
        last = number == length - 1
        following = (first if closed else 0) if last else first + 6 * (number + 1)
        links += b"\0\0" + following.to_bytes(4, "little")
    return Tiff(sound, _body(), first).data() + links


def _metadata() -> Iterator[Case]:
    kind = "TIFF: metadata"
    items = "".join(f'<Item name="k{i}">v</Item>' for i in range(100_000))
    texts = {
        "100,000 items": f"<GDALMetadata>{items}</GDALMetadata>",
        "10,000 items": f"<GDALMetadata>{items[:290_000].rpartition('<')[0]}</GDALMetadata>",
        "one item of 400 kB": f'<GDALMetadata><Item name="a">{"x" * 400_000}</Item></GDALMetadata>',
        "deep": "<GDALMetadata>" + "<Item>" * 20_000,
        "not XML": "<<<<" * 500,
        "entities": f'<!DOCTYPE a [<!ENTITY b SYSTEM "file://{CANARY}/secret.txt">]><GDALMetadata>'
        '<Item name="a">&b;</Item></GDALMetadata>',
        "laughs": _laughs("GDALMetadata"),
        "scale": '<GDALMetadata><Item name="SCALE" sample="0" role="scale">nan</Item>'
        '<Item name="OFFSET" sample="0" role="offset">1e400</Item></GDALMetadata>',
        "scale 0": '<GDALMetadata><Item name="SCALE" sample="0" role="scale">0</Item>'
        "</GDALMetadata>",
        "controls": '<GDALMetadata><Item name="DESCRIPTION" sample="0" role="description">'
        "B02\x1b[31m\n\n<script>alert(1)</script></Item></GDALMetadata>",
    }
    for name, text in texts.items():
        one = Tag(ASCII, text.encode() + b"\0")
        slow = len(text) > 1_000_000
        yield of_bytes(kind, name, "a.tif", stack({42112: one}), slow=slow)
    for text in ("nan", "inf", "-inf", "1e400", "-1e-400", "", "0x10", "9" * 5_000, "\xff", "0 0"):
        one = Tag(ASCII, text.encode("latin-1") + b"\0")
        yield of_bytes(kind, f"no data is {text[:9]!r}", "a.tif", stack({42113: one}))
    for tag in (270, 271, 305, 306, 315, 700, 33432, 34675, 34377, 50844):
        for name, value in {"200 kB": b"\xff" * 200_000, "controls": b"\x1b[2J\n\0\0"}.items():
            yield of_bytes(kind, f"{tag}: {name}", "a.tif", stack({tag: Tag(ASCII, value)}))


def _laughs(root: str) -> str:
    """Entities of entities, which would have a billion letters."""
    lines = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
    return (
        f'<!DOCTYPE {root} [<!ENTITY e0 "ha">{lines}]><{root}><Item name="a">&e9;</Item></{root}>'
    )


def _positions() -> Iterator[Case]:
    kind = "TIFF: positions"
    for value in NUMBERS:
        scale = {33550: Tag(DOUBLE, [value, value, 0])}
        origin = {33922: Tag(DOUBLE, [0, 0, 0, value, value, 0])}
        matrix = [value, 0, 0, value, 0, value, 0, value, 0, 0, 0, 0, 0, 0, 0, 1]
        yield of_bytes(kind, f"pixels of {value}", "a.tif", stack(scale))
        yield of_bytes(kind, f"origin at {value}", "a.tif", stack(origin))
        whole = {33550: None, 33922: None, 34264: Tag(DOUBLE, matrix)}
        yield of_bytes(kind, f"matrix of {value}", "a.tif", stack(whole))
        points = {33550: None, 33922: Tag(DOUBLE, [0, 0, 0, value, value, 0] * 500)}
        yield of_bytes(kind, f"500 points at {value}", "a.tif", stack(points))
    flat = {33550: None, 33922: None, 34264: Tag(DOUBLE, [1, 1, 0, 0, 1, 1, 0, 0] + [0.0] * 8)}
    yield of_bytes(kind, "zero determinant", "a.tif", stack(flat))
    codes = (0, 1, 1024, 3031, 3857, 4326, 4978, 5041, 27700, 32600, 32661, 32667, 32700, 32767,
             54009, 65534, 65535)  # fmt: skip
    for code in codes:
        yield of_bytes(kind, f"EPSG:{code}", "a.tif", stack({34735: geokeys(code)}))
        degrees = {34735: geokeys(code, model=2)}
        yield of_bytes(kind, f"geographic EPSG:{code}", "a.tif", stack(degrees))
    for name, values in {
        "count of 65535": [1, 1, 0, 65_535, 3072, 0, 1, 32633],
        "far parameters": [1, 1, 0, 2, 3072, 34736, 65_535, 65_535, 1026, 34737, 65_535, 65_535],
        "own parameters": [1, 1, 0, 2, 1024, 0, 1, 32767, 3072, 0, 1, 32767],
        "empty": [],
    }.items():
        yield of_bytes(kind, f"keys: {name}", "a.tif", stack({34735: Tag(SHORT, values)}))
    for text in TEXTS:
        ascii_ = Tag(ASCII, text.encode() + b"|\0")
        keys = [1, 1, 0, 3, 1024, 0, 1, 1, 3072, 0, 1, 32767, 3073, 34737, len(text), 0]
        changes = {34735: Tag(SHORT, keys), 34737: ascii_}
        yield of_bytes(kind, f"citation {text[:50]}", "a.tif", stack(changes))


TEXTS: Final = (
    "x" * 60_000,
    "ESRI PE String = PROJCS[" + "[" * 5_000,
    f"+proj=utm +zone=33 +nadgrids=/vsicurl/{URL}/a.gsb",
    f"+proj=utm +zone=33 +nadgrids={CANARY}/secret.tif",
    "+init=/etc/passwd:1 +proj=utm",
    'ESRI PE String = PROJCS["a",GEOGCS["b",DATUM["c",SPHEROID["d",nan,inf]]],UNIT["m",1e400]]',
    "IMAGINE GeoTIFF Support\nCopyright\x1b[31m",
)
