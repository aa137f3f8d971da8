"""Untrusted pictures are read safely, or refused with one sentence."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from landcover.core.errors import BadInput, LandcoverError
from landcover.io import images
from landcover.io.images import is_picture, read_picture
from tests.support.colour_pictures import encoded, geotiff, pixels
from tests.support.examples import examples


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_is_read_unchanged(kind: str, tmp_path: Path) -> None:
    drawn = pixels(70, 90)
    data = encoded(drawn, kind)
    picture = read_picture(data, f"../secret/p.{kind.lower()}")
    with Image.open(io.BytesIO(data)) as image:
        assert np.allclose(picture.data.transpose(1, 2, 0) * 255, np.asarray(image))
    assert picture.valid.all()
    assert picture.provenance.source == f"p.{kind.lower()}"
    assert picture.provenance.level == "RGB"
    path = tmp_path / "p"
    path.write_bytes(data)
    assert is_picture(path)
    assert is_picture(data)
    assert np.array_equal(read_picture(path, "p").data, picture.data)


def test_transparent_pixels_have_no_data() -> None:
    drawn = np.dstack([pixels(), np.full((64, 64), 255, np.uint8)])
    drawn[:10, :, 3] = 0
    drawn[10:12, :, 3] = 128
    picture = read_picture(encoded(drawn), "p.png")
    assert picture.nodata_fraction == pytest.approx(12 / 64)
    assert not picture.data[:, :12].any()
    drawn[..., 3] = 0
    with pytest.raises(BadInput, match="is fully transparent"):
        read_picture(encoded(drawn), "p.png")


def test_a_palette_is_converted_to_colours_with_a_note() -> None:
    image = Image.fromarray(pixels()).quantize(256)
    picture = read_picture(encoded(image), "p.png")
    assert np.allclose(picture.data.transpose(1, 2, 0) * 255, np.asarray(image.convert("RGB")))
    assert picture.provenance.notes == ("its palette was converted to colours",)


def test_the_exif_orientation_is_applied() -> None:
    drawn = pixels(64, 80)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = read_picture(encoded(Image.fromarray(drawn), exif=exif), "p.png")
    turned = np.rot90(drawn, -1)
    assert np.allclose(picture.data.transpose(1, 2, 0) * 255, turned)
    assert "EXIF" in picture.provenance.notes[0]


def test_a_geotiff_of_bytes_is_a_picture_with_its_pixel_size(tmp_path: Path) -> None:
    drawn = pixels(70, 64)
    path = geotiff(tmp_path / "p.tif", drawn, pixel=2.5)
    assert is_picture(path)
    assert is_picture(path.read_bytes())
    picture = read_picture(path, "p.tif")
    assert np.array_equal(picture.image()[..., :3], drawn)
    assert picture.pixel_m == 2.5
    alpha = np.dstack([drawn, np.where(np.arange(64) < 4, 0, 255)[None].repeat(70, 0)])
    seen = read_picture(geotiff(tmp_path / "a.tif", alpha.astype(np.uint8)), "a.tif")
    assert seen.nodata_fraction == pytest.approx(4 / 64)
    assert read_picture(geotiff(tmp_path / "n.tif", drawn, crs=None), "n.tif").pixel_m is None


@pytest.mark.parametrize("count", [1, 4, 12])
def test_other_rasters_are_not_pictures(count: int, tmp_path: Path) -> None:
    import rasterio  # noqa: PLC0415 - only this test needs it

    path = tmp_path / "stack.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=64, width=64, count=count, dtype="uint16"
    ) as file:
        file.write(np.zeros((count, 64, 64), np.uint16))
    assert not is_picture(path)
    with pytest.raises(BadInput, match="three bands of uint8"):
        read_picture(path, "stack.tif")


def deep_png() -> bytes:
    """A PNG of 16 bits a colour, which Pillow cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\0" + bytes(64 * 6) for _ in range(64))
    header = struct.pack(">IIBBBBB", 64, 64, 16, 2, 0, 0, 0)
    parts = (
        chunk(b"IHDR", header),
        chunk(b"IDAT", zlib.compress(rows)),
        chunk(b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def huge_png(width: int, height: int) -> bytes:
    data = bytearray(encoded(pixels()))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


COLOURED = Image.fromarray(pixels())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (encoded(COLOURED.convert("L")), "greyscale"),
        (encoded(COLOURED.convert("LA")), "greyscale"),
        (encoded(COLOURED.convert("1")), "greyscale"),
        (encoded(COLOURED.convert("L"), "JPEG"), "greyscale"),
        (encoded(COLOURED.convert("CMYK"), "JPEG"), "CMYK"),
        (encoded(np.zeros((64, 64), np.uint16)), "8 bits"),
        (deep_png(), "8 bits"),
        (encoded(pixels(63, 64)), "at least 64 × 64"),
        (huge_png(20_000, 20_000), "more pixels than fit"),
        (huge_png(2**31 - 1, 1), "more pixels than fit"),
        (huge_png(6_000, 6_000), "more pixels than fit"),
        (encoded(pixels())[:300], "damaged"),
        (encoded(pixels(), "GIF"), "not a picture"),
        (encoded(pixels(), "BMP"), "not a picture"),
        (b"", "not a picture"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff", "damaged"),
        (b"II*\0", "damaged"),
    ],
)
def test_other_files_are_refused_with_a_sentence(data: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        read_picture(data, "p.png")
    assert "\n" not in str(caught.value)
    assert "p.png" in str(caught.value)


def test_files_must_exist_and_be_small_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_picture(tmp_path)
    assert not is_picture(tmp_path / "absent.png")
    assert not is_picture(Path("48.2,16.3"))
    assert not is_picture(Path("a\0b"))
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    with pytest.raises(BadInput, match="larger than"):
        read_picture(encoded(pixels()), "p.png")


SEEDS = (
    encoded(pixels()),
    encoded(pixels(), "JPEG", quality=60),
    encoded(Image.fromarray(pixels()).quantize(16), transparency=3),
)


@given(
    seed=st.sampled_from(SEEDS),
    flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.integers(0, 400),
)
@settings(max_examples=examples(250))
def test_damaged_files_give_a_picture_or_a_sentence(
    seed: bytes, flips: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(seed[: len(seed) - cut] if cut < 20 else seed)
    for where, value in flips:
        data[where % len(data)] = value
    is_picture(bytes(data))
    with contextlib.suppress(LandcoverError):
        picture = read_picture(bytes(data), "p")
        assert picture.data.shape[0] == 3


@given(flips=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=4))
@settings(max_examples=examples(80))
def test_damaged_geotiffs_give_a_picture_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]]
) -> None:
    seed = getattr(test_damaged_geotiffs_give_a_picture_or_a_sentence, "seed", None)
    if seed is None:
        seed = geotiff(tmp_path_factory.mktemp("t") / "p.tif", pixels()).read_bytes()
        test_damaged_geotiffs_give_a_picture_or_a_sentence.seed = seed  # type: ignore[attr-defined]
    data = bytearray(seed)
    for where, value in flips:
        data[where % len(data)] = value
    is_picture(bytes(data))
    with contextlib.suppress(LandcoverError):
        read_picture(bytes(data), "p.tif")
