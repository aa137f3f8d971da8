"""Reading untrusted colour pictures: PNG, JPEG, and GeoTIFF with three bytes a pixel.

Pillow has fifty readers; two are allowed, chosen by the file's first bytes, not by its name.
Sizes are limited between opening and decoding, as for all files here.

Only colour pictures of 8 bits are read. A model that was trained on colours cannot classify a
greyscale picture, and ink colours (CMYK) and 16 bits are not the brightness on a screen:
converting them by guessing would give results that look as reliable as any other.
"""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from landcover.core.bands import EUROSAT_PIXELS, PIXEL_M, RGB_BANDS
from landcover.core.errors import BadInput
from landcover.core.projection import metres_per_unit
from landcover.core.raster import BoolArray, Provenance, Raster
from landcover.core.window import Cut
from landcover.io.guard import FILE, TIFF_MAGIC, head_of, named, open_raster, read_file, shown
from landcover.io.picture_parts import Parts, parts_of

__all__ = [
    "COLOUR",
    "FORMATS",
    "LEVEL",
    "MAX_BYTES",
    "MAX_PIXELS",
    "MAX_SIDE",
    "OPAQUE",
    "SCALING",
    "SUFFIXES",
    "Bytes",
    "is_picture",
    "picture_of",
    "read_picture",
]

LEVEL: Final = "RGB"
MAX_BYTES: Final = 100_000_000
MAX_SIDE: Final = 12_000
MAX_PIXELS: Final = 25_000_000
"""5,000 × 5,000: 300 MB as float32."""
FORMATS: Final[dict[bytes, str]] = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG"}
"""First bytes of a file → the reader that may open it."""
SUFFIXES: Final = ("png", "jpg", "jpeg")
SCALING: Final = "brightness = byte / 255"
OPAQUE: Final = 255
COLOUR: Final = ("RGB", "RGBA", "P", "PA")
"""Pillow's modes that are read; a palette has colours too."""
_OTHER: Final[dict[str, str]] = {
    "CMYK": "has ink colours (CMYK), not the brightness on a screen",
    "YCbCr": "has separate brightness and colour (YCbCr)",
    "LAB": "has LAB colours",
}
_DEPTH_AT: Final = 24
"""Position of the bits per sample in a PNG file: Pillow silently drops the lower eight of 16."""
_TURNS: Final[dict[int, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → how the picture is turned upright."""

Bytes = npt.NDArray[np.uint8]


def is_picture(source: Path | bytes) -> bool:
    """Whether :func:`read_picture` reads a file, decided by its first bytes; never raises.

    A GeoTIFF is a picture if it has three bands of bytes, and perhaps opacity.
    """
    head = head_of(source)
    if head.startswith(tuple(FORMATS)):
        return True
    if not head.startswith(TIFF_MAGIC):
        return False
    try:
        with open_raster(source) as file:
            return _is_rgb(file.header)
    except BadInput:
        return False


def read_picture(source: Path | bytes, name: str, cut: Cut | None = None) -> Raster:
    """Read a colour picture of 8 bits with at least 64 × 64 pixels.

    The picture is rotated according to its EXIF orientation, unless that is damaged. Transparent
    pixels have no data; colour profiles are not applied. Of a GeoTIFF only the blocks that a cut
    touches are read.

    Args:
        source: a file, or the bytes of one.
        name: name of the file in the provenance and in messages.
        cut: the square to read; None for everything.

    Raises:
        BadInput: it is not such a picture; the message says why and what to do.
    """
    with named(name):
        if head_of(source).startswith(TIFF_MAGIC):
            return _geotiff(source, name, cut)
        data = read_file(source, MAX_BYTES) if isinstance(source, Path) else source
        if len(data) > MAX_BYTES:
            raise BadInput(f"{FILE} is larger than {MAX_BYTES // 10**6} MB: cut out a part.")
        kind = next((kind for magic, kind in FORMATS.items() if data.startswith(magic)), None)
        if kind is None:
            raise BadInput(f"{FILE} is not a picture that can be read here: give PNG or JPEG.")
        pixels, notes = _by_pillow(data, kind)
        picture = picture_of(pixels, name, notes)
        return picture if cut is None else picture.cut(_placeless(cut))


def _placeless(cut: Cut) -> Cut:
    if cut.place is not None:
        raise BadInput(
            f"{FILE} is a picture without a position on Earth: give row and column of a window."
        )
    return cut


def _geotiff(source: Path | bytes, name: str, cut: Cut | None) -> Raster:
    with open_raster(source) as file:
        header = file.header
        if not _is_rgb(header):
            raise BadInput(
                f"{FILE} is not an RGB picture of bytes ({header.count} bands of "
                f"{header.dtypes[0]}): give three bands of uint8."
            )
        _check_side(header.width, header.height)
        part = None
        if cut is not None:
            row, col = _placeless(cut).corner_in((header.height, header.width))
            part = (row, col, cut.size, cut.size)
        else:
            _check_size(header.width, header.height)
        stored = file.read(list(range(1, header.count + 1)), part)
        side = _pixel_m(header)
    pixels = np.ascontiguousarray(stored.transpose(1, 2, 0))
    picture = picture_of(pixels, name) if cut is None else _raster(pixels, name)
    return replace(picture, pixel_m=side)


def picture_of(pixels: Bytes, name: str, notes: tuple[str, ...] = ()) -> Raster:
    """Make a raster of bytes ``(y, x, 3 or 4)``: red, green, blue and perhaps opacity.

    Raises:
        BadInput: it is smaller than 64 × 64 pixels, or fully transparent.
    """
    with named(name):
        _check_side(pixels.shape[1], pixels.shape[0])
        if not _opaque(pixels).any():
            raise BadInput(f"{FILE} is fully transparent: give an opaque picture.")
    return _raster(pixels, name, notes)


def _raster(pixels: Bytes, name: str, notes: tuple[str, ...] = ()) -> Raster:
    valid = _opaque(pixels)
    brightness = pixels[..., :3].transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    brightness[:, ~valid] = 0
    return Raster(
        data=brightness,
        valid=valid,
        bands=RGB_BANDS,
        provenance=Provenance(
            source=shown(name),
            level=LEVEL,
            scaling=SCALING,
            band_order="red, green, blue of the file",
            notes=notes,
        ),
    )


def _opaque(pixels: Bytes) -> BoolArray:
    """Opaque pixels, bool ``(y, x)``."""
    opaque = np.ones(pixels.shape[:2], dtype=np.bool_)
    if pixels.shape[2] == 4:
        opaque &= pixels[..., 3] == OPAQUE
    return opaque


def _check_side(width: int, height: int) -> None:
    if min(height, width) < EUROSAT_PIXELS:
        raise BadInput(
            f"{FILE} has {width} × {height} pixels: give at least "
            f"{EUROSAT_PIXELS} × {EUROSAT_PIXELS}, "
            f"which are {EUROSAT_PIXELS * PIXEL_M} m in a picture of {PIXEL_M} m a pixel."
        )


def _check_size(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise _too_large()


def _by_pillow(data: bytes, kind: str) -> tuple[Bytes, tuple[str, ...]]:
    parts = parts_of(data, kind)
    try:
        with warnings.catch_warnings():
            # Sizes are checked below, with a clear message.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(parts.data), formats=(kind,)) as image:
                _check(image, parts.data)
                turn = _TURNS.get(parts.orientation)
                upright = image if turn is None else image.transpose(turn)
                transparent = "A" in image.mode or "transparency" in image.info
                pixels = np.asarray(upright.convert("RGBA" if transparent else "RGB"))
                return pixels, _notes(image.mode, parts)
    except BadInput:
        raise
    except (Image.DecompressionBombError, MemoryError):
        raise _too_large() from None
    except Exception:  # noqa: BLE001 - a damaged file can raise anything in Pillow
        raise BadInput(f"{FILE} is damaged or truncated: copy or export it again.") from None


def _check(image: Image.Image, data: bytes) -> None:
    """Check that it is a colour picture of 8 bits within the limits, before decoding."""
    _check_size(*image.size)
    deep = image.format == "PNG" and data[_DEPTH_AT] > 8
    if deep or image.mode.startswith(("I", "F")):
        raise BadInput(
            f"{FILE} has more than 8 bits a colour, whose brightness on a screen is not known: "
            "save it as a picture of 8 bits."
        )
    if image.mode in ("1", "L", "LA", "La"):
        raise BadInput(f"{FILE} is greyscale, and the model needs colours: give a colour picture.")
    if image.mode not in COLOUR:
        what = _OTHER.get(image.mode, f"has pixels of type {image.mode}")
        raise BadInput(f"{FILE} {what}: save it as an RGB picture.")


def _notes(mode: str, parts: Parts) -> tuple[str, ...]:
    found = list(parts.notes)
    if parts.orientation != 1:
        found.insert(0, "rotated according to its EXIF orientation")
    if mode in ("P", "PA"):
        found.append("its palette was converted to colours")
    return tuple(found)


def _is_rgb(raster: DatasetReader) -> bool:
    bytes_only = set(raster.dtypes) == {"uint8"}
    alpha = raster.count == 4 and raster.colorinterp[3] == ColorInterp.alpha
    return bytes_only and (raster.count == 3 or alpha)


def _pixel_m(raster: DatasetReader) -> float | None:
    """Side of a pixel in metres, if the file has a grid in a unit of length."""
    metres = None if raster.crs is None else metres_per_unit(raster.crs)
    if metres is None:
        return None
    side = math.hypot(raster.transform.a, raster.transform.d) * metres
    return side if math.isfinite(side) and side > 0 else None


def _too_large() -> BadInput:
    return BadInput(
        f"{FILE} has more pixels than fit in memory: cut out at most "
        f"{round(MAX_PIXELS**0.5):,} × {round(MAX_PIXELS**0.5):,} around your place."
    )
