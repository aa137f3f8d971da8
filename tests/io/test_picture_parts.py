"""Pillow gets only the parts of a picture that hold pixels, and not too many of them."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.io.images import read_picture
from landcover.io.picture_parts import parts_of
from tests.support.colour_pictures import encoded, pixels

PHOTO = Image.fromarray(pixels(80, 96))
ORIENTATION = 0x0112


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(*extra: bytes, pixel_data: bytes | None = None) -> bytes:
    """A PNG with further parts between its header and its pixels."""
    rows = b"".join(b"\0" + row.tobytes() for row in pixels(64, 64))
    packed = zlib.compress(rows) if pixel_data is None else pixel_data
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", header, *extra, chunk(b"IDAT", packed), chunk(b"IEND", b"")]
    )


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg(*extra: bytes, **options: Any) -> bytes:
    """A JPEG with further parts at its beginning."""
    data = encoded(PHOTO, "JPEG", **options)
    return data[:2] + b"".join(extra) + data[2:]


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    data = encoded(PHOTO, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + b"\xff\xd9"


def exif(*tags: tuple[int, int, int, bytes]) -> bytes:
    entries = b"".join(struct.pack("<HHI4s", *tag) for tag in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4)


def colours(data: bytes) -> Any:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"progressive": True, "quality": 95, "subsampling": 0},
        {"restart_marker_blocks": 3},
        {"comment": b"taken at noon"},
        {"optimize": True, "dpi": (300, 300)},
    ],
)
def test_the_pixels_of_a_jpeg_are_unchanged(options: dict[str, Any]) -> None:
    data = encoded(PHOTO, "JPEG", **options)
    parts = parts_of(data, "JPEG")
    np.testing.assert_array_equal(colours(parts.data), colours(data))
    assert (parts.orientation, parts.notes) == (1, ())


def test_the_pixels_of_a_png_are_unchanged() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("a", "b" * 1000, zip=True)
    palette = PHOTO.quantize(64)
    for image, options in (
        (PHOTO, {"pnginfo": texts}),
        (palette, {"transparency": 3}),
        (PHOTO, {"transparency": (1, 2, 3)}),
        (PHOTO.convert("RGBA"), {}),
    ):
        data = encoded(image, "PNG", **options)
        np.testing.assert_array_equal(colours(parts_of(data, "PNG").data), colours(data))
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
        shown = Image.open(io.BytesIO(parts_of(data, "PNG").data)).convert("RGBA")
        np.testing.assert_array_equal(np.asarray(shown), expected)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_pillow_turns_it(kind: str, orientation: int) -> None:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    data = encoded(PHOTO, kind, exif=tags)
    picture = read_picture(data, "p")
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(picture.image()[..., :3], expected)
    turned = ("rotated according to its EXIF orientation",) * (orientation > 1)
    assert picture.provenance.notes == turned


DAMAGED_EXIF = {
    "no number": exif((ORIENTATION, 2, 4, b"six\0")),
    "nine": exif((ORIENTATION, 3, 1, b"\x09\0\0\0")),
    "many": exif((ORIENTATION, 3, 65_535, b"\x06\0\0\0")),
    "cut": exif((ORIENTATION, 3, 1, b"\x06\0\0\0"))[:14],
    "elsewhere": b"II*\0\xff\xff\xff\xff",
    "no format": b"????",
}


@pytest.mark.parametrize("kind", DAMAGED_EXIF)
def test_damaged_exif_does_not_refuse_a_good_picture(kind: str) -> None:
    data = DAMAGED_EXIF[kind]
    for file in (jpeg(segment(0xE1, b"Exif\0\0" + data)), png(chunk(b"eXIf", data))):
        picture = read_picture(file, "p")
        assert picture.provenance.notes == ("its EXIF data is damaged, so it was not rotated",)


def test_what_is_ignored_is_in_the_notes() -> None:
    profile = jpeg(segment(0xE2, b"ICC_PROFILE\0\x01\x01" + b"x" * 100))
    assert read_picture(profile, "p").provenance.notes == ("its colour profile was not applied",)
    packed = png(chunk(b"iCCP", b"x\0\0" + zlib.compress(b"x")))
    assert read_picture(packed, "p").provenance.notes == ("its colour profile was not applied",)
    frames = io.BytesIO()
    PHOTO.save(frames, "PNG", save_all=True, append_images=[PHOTO.rotate(180)])
    moving = read_picture(frames.getvalue(), "p")
    assert moving.provenance.notes == ("only its first frame was read",)
    np.testing.assert_array_equal(moving.image()[..., :3], np.asarray(PHOTO))
    frames = io.BytesIO()
    PHOTO.save(frames, "MPO", save_all=True, append_images=[PHOTO.rotate(180)])
    assert read_picture(frames.getvalue(), "p").provenance.notes == moving.provenance.notes


MANY_TAGS = exif(*((number, 2, 900_000, b"\x08\0\0\0") for number in range(60_000)))
ZEROS = zlib.compress(bytes(300_000_000))
BOMBS: dict[str, bytes] = {
    "text": png(chunk(b"zTXt", b"a\0\0" + ZEROS) * 5),
    "international text": png(chunk(b"iTXt", b"a\0\x01\0\0\0" + ZEROS) * 5),
    "profile": png(chunk(b"iCCP", b"a\0\0" + ZEROS)),
    "EXIF of a PNG": png(chunk(b"eXIf", MANY_TAGS)),
    "EXIF of a JPEG": jpeg(
        *(
            segment(0xE1, b"Exif\0\0" + MANY_TAGS[at : at + 65_000])
            for at in range(0, len(MANY_TAGS), 65_000)
        )
    ),
    "frames": png(chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))),
    "more pixels than stated": png(pixel_data=ZEROS),
    "fill bytes": jpeg(b"\xff" * 5_000_000),
    "bytes between parts": jpeg(segment(0xFE, b"x"), b"\0" * 5_000_000),
    "parts within the limit": jpeg(segment(0xFE, b"") * 20_000),
    "scans within the limit": scans(80),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_in_other_parts_are_harmless(kind: str) -> None:
    start = time.monotonic()
    tracemalloc.start()
    picture = read_picture(BOMBS[kind], "p")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert picture.data.shape[0] == 3
    assert peak < 30_000_000
    assert time.monotonic() - start < 3


REFUSED: dict[str, tuple[bytes, str]] = {
    "scans": (scans(101), "more than 100 scans"),
    "parts of a JPEG": (jpeg(segment(0xFE, b"") * 100_001), "more than 100,000 parts"),
    "parts of a PNG": (png(chunk(b"IDAT", b"") * 100_001), "more than 100,000 parts"),
    "lossless": (jpeg().replace(b"\xff\xc0", b"\xff\xc3"), "rare kind of JPEG"),
    "height in a later part": (jpeg(segment(0xDC, b"\0\x50")), "rare kind of JPEG"),
    "hierarchical": (jpeg(segment(0xDE, bytes(15))), "rare kind of JPEG"),
    "no part": (b"\xff\xd8\xff", "damaged"),
    "a long part": (b"\xff\xd8\xff\xe0\xff\xff", "damaged"),
    "cut": (jpeg()[:-300], "damaged"),
    "a PNG that is cut": (png()[:-300], "damaged"),
    "a chunk of four gigabytes": (png()[:33] + b"\xff\xff\xff\xffIDAT", "damaged"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_pictures_are_refused_at_once(kind: str) -> None:
    data, why = REFUSED[kind]
    start = time.monotonic()
    with pytest.raises(BadInput, match=rf"^'p\.jpg' .*{why}.*\.$"):
        read_picture(data, "p.jpg")
    assert time.monotonic() - start < 3


def test_the_limits_can_be_changed() -> None:
    with limits.changed(jpeg_scans=3), pytest.raises(BadInput, match="more than 3 scans"):
        read_picture(scans(1), "p")
    with limits.changed(picture_parts=2), pytest.raises(BadInput, match="more than 2 parts"):
        read_picture(png(), "p")
