"""Headers of JPEG 2000 files are checked before GDAL opens them."""

from __future__ import annotations

import io
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.core.window import Window
from landcover.io.guard import named
from landcover.io.jp2_header import check_jp2
from landcover.io.jp2_window import read_jp2_window

PIXELS = (np.arange(256 * 256).reshape(1, 256, 256) % 5_000).astype(np.uint16)


def write(path: Path, pixels: Any = PIXELS, **options: Any) -> bytes:
    with rasterio.open(
        path,
        "w",
        driver="JP2OpenJPEG",
        height=pixels.shape[1],
        width=pixels.shape[2],
        count=pixels.shape[0],
        dtype=pixels.dtype,
        crs="EPSG:32633",
        transform=rasterio.Affine(10, 0, 500_000, 0, -10, 5_300_000),
        **options,
    ) as file:
        file.write(pixels)
    return path.read_bytes()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("jp2") / "a.jp2")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"blockxsize": 64, "blockysize": 64, "resolutions": 3},
        {"quality": "20,50,100", "reversible": "YES"},
        {"precincts": "{64,64},{32,32}", "progression": "RPCL", "plt": "YES"},
        {"codec": "J2K"},
        {"gmljp2": "NO", "geojp2": "YES", "sop": "YES", "eph": "YES"},
    ],
)
@pytest.mark.parametrize("bands", [1, 3, 12])
def test_files_of_gdal_are_sound(tmp_path: Path, options: dict[str, Any], bands: int) -> None:
    path = tmp_path / ("a.j2k" if "codec" in options else "a.jp2")
    data = write(path, PIXELS.repeat(bands, 0), **options)
    check_jp2(path)
    check_jp2(data)
    check_jp2(io.BytesIO(data))


def changed(data: bytes, at: int, layout: str, *values: int) -> bytes:
    out = bytearray(data)
    struct.pack_into(f">{layout}", out, at, *values)
    return bytes(out)


def size_at(data: bytes) -> int:
    """Where the content of the size marker begins."""
    return data.index(b"\xff\x4f\xff\x51") + 6


def style_at(data: bytes) -> int:
    return data.index(b"\xff\x52") + 4


def with_boxes(data: bytes, box: bytes, count: int) -> bytes:
    at = data.index(b"jp2c") - 4
    return data[:at] + box * count + data[at:]


def nested(depth: int) -> bytes:
    box = b""
    for _ in range(depth):
        box = struct.pack(">L4s", len(box) + 8, b"asoc") + box
    return box


HARMFUL = {
    "boxes": (lambda d: with_boxes(d, struct.pack(">L4s", 8, b"free"), 1_001), "1,000 boxes"),
    "nested boxes": (lambda d: with_boxes(d, nested(20), 1), "boxes"),
    "boxes in boxes": (
        lambda d: with_boxes(
            d, struct.pack(">L4s", 808, b"asoc") + struct.pack(">L4s", 8, b"free") * 100, 11
        ),
        "1,000 boxes",
    ),
    "a box without a length": (lambda d: with_boxes(d, b"\0\0\0\4free", 1), "damaged"),
    "a box beyond the end": (lambda d: with_boxes(d, b"\x7f\0\0\0free", 1), "damaged"),
    "a negative length": (
        lambda d: with_boxes(d, b"\0\0\0\1free" + b"\xff" * 8, 1),
        "damaged",
    ),
    "metadata": (
        lambda d: with_boxes(d, struct.pack(">L4s", 1_000_008, b"xml ") + bytes(10**6), 11),
        "10 MB of metadata",
    ),
    "tiles of a pixel": (lambda d: changed(d, size_at(d) + 18, "2L", 1, 1), "50,000 tiles"),
    "a wide image": (lambda d: changed(d, size_at(d) + 2, "2L", 2**32 - 1, 2**32 - 1), "tiles"),
    "empty tiles": (lambda d: changed(d, size_at(d) + 18, "2L", 0, 0), "damaged"),
    "no width": (lambda d: changed(d, size_at(d) + 2, "L", 0), "damaged"),
    "components": (lambda d: changed(d, size_at(d) + 34, "H", 16_384), "damaged"),
    "no component": (lambda d: changed(d, size_at(d) + 34, "H", 0), "damaged"),
    "bits": (lambda d: changed(d, size_at(d) + 36, "B", 0x7F), "damaged"),
    "steps of nothing": (lambda d: changed(d, size_at(d) + 37, "B", 0), "damaged"),
    "layers": (lambda d: changed(d, style_at(d) + 2, "H", 65_535), "more than 100 layers"),
    "levels": (lambda d: changed(d, style_at(d) + 5, "B", 33), "damaged"),
    "code blocks of a mile": (lambda d: changed(d, style_at(d) + 6, "2B", 8, 8), "damaged"),
    "precincts that are not there": (lambda d: changed(d, style_at(d) + 5, "B", 32), "damaged"),
    "no size": (lambda d: d.replace(b"\xff\x4f\xff\x51", b"\xff\x4f\xff\x64"), "damaged"),
    "no codestream": (lambda d: d[: d.index(b"jp2c") - 4], "damaged"),
    "cut": (lambda d: d[: size_at(d) + 10], "damaged"),
    "another file": (lambda _: b"GIF89a" * 20, "damaged"),
    "empty": (lambda _: b"", "damaged"),
}


@pytest.mark.parametrize("kind", HARMFUL)
def test_harmful_headers_are_refused_at_once(kind: str, good: bytes) -> None:
    make, why = HARMFUL[kind]
    start = time.monotonic()
    with pytest.raises(BadInput, match=rf"^'a\.jp2' .*{why}.*\.$"), named("a.jp2"):
        check_jp2(make(good))
    assert time.monotonic() - start < 1


def test_small_precincts_of_a_large_tile_are_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "a.jp2", precincts="{64,64},{64,64}", resolutions=2)
    at = style_at(data)
    check_jp2(data)
    small = changed(data, at + 10, "2B", 0x22, 0x22)
    wide = changed(small, size_at(small) + 2, "2L", 16_384, 16_384)
    with pytest.raises(BadInput, match="more than 2,000,000 code blocks"):
        check_jp2(changed(wide, size_at(wide) + 18, "2L", 16_384, 16_384))


@pytest.mark.slow
def test_each_changed_byte_gives_a_sentence_or_nothing(good: bytes) -> None:
    head = good[: good.index(b"\xff\x90") + 20]
    for at in range(len(head)):
        for value in (0, 1, 0x7F, 0xFF, head[at] ^ 0x80):
            try:
                check_jp2(changed(head, at, "B", value))
            except BadInput as error:
                assert "\n" not in str(error)  # noqa: PT017 - not every byte is checked


def test_a_window_of_a_harmful_file_is_refused(good: bytes, tmp_path: Path) -> None:
    window = Window(
        crs="EPSG:32633", transform=(10, 0, 500_600, 0, -10, 5_299_400), width=120, height=120
    )
    path = tmp_path / "a.jp2"

    def read(data: bytes, here: range) -> Any:
        path.write_bytes(data)
        return read_jp2_window(path, len(data), here, window, pixel=10, kind="uint16", bands=1)

    assert read(good, range(0)) == 0
    found = read(good, range(9))[..., 0].astype(int)
    np.testing.assert_allclose(found, PIXELS[0, 60:180, 60:180], atol=1)
    with pytest.raises(BadInput, match="cannot be used, because it is damaged"):
        read(changed(good, size_at(good) + 18, "2L", 1, 1), range(9))


def test_the_limits_can_be_changed(good: bytes) -> None:
    with limits.changed(jp2_tiles=1):
        check_jp2(good)
    for name in ("jp2_boxes", "jp2_box_bytes"):
        with limits.changed(**{name: 1}), pytest.raises(BadInput, match="takes too long to read"):
            check_jp2(good)
