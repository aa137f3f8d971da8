"""Reading pictures that nobody has vouched for: PNG, JPEG, and GeoTIFF of three bytes a pixel.

Pillow has fifty readers; two are allowed, chosen by the file's first bytes, never by its
name. What a file claims is bounded between opening and decoding, as everywhere here.

Only what can be taken for a colour picture of bytes is read. Greyscale would be told
apart by nothing that the model learned, ink colours (CMYK) and 16 bits hold no brightness
of a screen, and guessing at them would give an answer that looks as good as any other.
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
from PIL import Image, ImageOps
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from landcover.core.bands import EUROSAT_PIXELS, PIXEL_M, RGB_BANDS
from landcover.core.errors import BadInput
from landcover.core.raster import Provenance, Raster
from landcover.io.guard import open_raster, read_bands, read_file, shown

LEVEL: Final = "RGB"
MAX_BYTES: Final = 100_000_000
MAX_SIDE: Final = 12_000
MAX_PIXELS: Final = 25_000_000
"""5,000 × 5,000: 300 MB as float32."""
FORMATS: Final[dict[bytes, str]] = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG"}
"""First bytes of a file → the only reader that may open it."""
TIFF: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
SUFFIXES: Final = ("png", "jpg", "jpeg")
SCALING: Final = "brightness = byte / 255"
OPAQUE: Final = 255
COLOUR: Final = ("RGB", "RGBA", "P", "PA")
"""Pillow's modes that are read; a palette holds colours too."""
_OTHER: Final[dict[str, str]] = {
    "CMYK": "holds colours of ink (CMYK), which are no brightness of a screen",
    "YCbCr": "holds brightness and colour apart (YCbCr)",
    "LAB": "holds colours as LAB",
}
_DEPTH_AT: Final = 24
"""Where a PNG file states the bits of a sample: Pillow drops the lower eight of 16 silently."""
# What Pillow raises on files that lie about themselves.
_DAMAGE: Final = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    NotImplementedError,
)

Bytes = npt.NDArray[np.uint8]


def is_picture(source: Path | bytes) -> bool:
    """Whether a file is for :func:`read_picture`, judged by its first bytes.

    A GeoTIFF is one where it has three or four bands of bytes. Never raises.
    """
    try:
        if isinstance(source, bytes):
            head, data = source[:8], source
        elif source.is_file():
            with source.open("rb") as file:
                head, data = file.read(8), b""
        else:
            return False
    except (OSError, ValueError):
        return False
    if head.startswith(tuple(FORMATS)):
        return True
    if not head.startswith(TIFF):
        return False
    try:
        with open_raster(data or read_file(Path(str(source))), "tif") as raster:
            return _is_rgb(raster)
    except BadInput:
        return False


def read_picture(source: Path | bytes, name: str) -> Raster:
    """Read a colour picture of bytes, of 64 × 64 pixels or more.

    A picture is turned as its EXIF orientation says. See-through pixels have no data;
    colour profiles are not applied.

    Args:
        source: a file, or the bytes of one.
        name: what the provenance and messages call it.

    Raises:
        BadInput: it is no such picture; the message says why and what to do.
    """
    data = read_file(source, MAX_BYTES) if isinstance(source, Path) else source
    if len(data) > MAX_BYTES:
        raise BadInput(f"'{shown(name)}' is larger than {MAX_BYTES // 10**6} MB: cut out a part.")
    kind = next((kind for magic, kind in FORMATS.items() if data.startswith(magic)), None)
    if kind is not None:
        pixels, notes = _by_pillow(data, kind, name)
        return picture_of(pixels, name, notes)
    if data.startswith(TIFF):
        pixels, side = _by_gdal(data, name)
        return replace(picture_of(pixels, name), pixel_m=side)
    raise BadInput(f"'{shown(name)}' is no picture that can be read here: give PNG or JPEG.")


def picture_of(pixels: Bytes, name: str, notes: tuple[str, ...] = ()) -> Raster:
    """A picture of bytes ``(y, x, 3 or 4)``: red, green, blue and, where it is there, opacity.

    Raises:
        BadInput: it is smaller than 64 × 64 pixels, or see-through throughout.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < EUROSAT_PIXELS:
        raise BadInput(
            f"'{shown(name)}' has {width} × {height} pixels: give at least "
            f"{EUROSAT_PIXELS} × {EUROSAT_PIXELS}, "
            f"which are {EUROSAT_PIXELS * PIXEL_M} m in a picture of {PIXEL_M} m a pixel."
        )
    valid = np.ones((height, width), dtype=bool)
    if pixels.shape[2] == 4:
        valid = pixels[..., 3] == OPAQUE
    if not valid.any():
        raise BadInput(f"'{shown(name)}' is see-through throughout: give an opaque picture.")
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


def _by_pillow(data: bytes, kind: str, name: str) -> tuple[Bytes, tuple[str, ...]]:
    try:
        with warnings.catch_warnings():
            # Sizes are bounded here, by an error with a sentence.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=(kind,)) as image:
                _check(image, data, name)
                notes = _notes(image)
                upright = ImageOps.exif_transpose(image)
                see_through = "A" in upright.mode or "transparency" in upright.info
                return np.asarray(upright.convert("RGBA" if see_through else "RGB")), notes
    except BadInput:
        raise
    except Image.DecompressionBombError:
        raise _too_large(name) from None
    except MemoryError:
        raise _too_large(name) from None
    except _DAMAGE:
        raise BadInput(
            f"'{shown(name)}' is damaged or truncated: copy or export it again."
        ) from None


def _check(image: Image.Image, data: bytes, name: str) -> None:
    """Raise unless it is a colour picture of bytes that fits; nothing is decoded yet."""
    width, height = image.size
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise _too_large(name)
    deep = image.format == "PNG" and data[_DEPTH_AT] > 8
    if deep or image.mode.startswith(("I", "F")):
        raise BadInput(
            f"'{shown(name)}' has more than 8 bits a colour, and what its brightness means is "
            "not known: save it as a picture of 8 bits."
        )
    if image.mode in ("1", "L", "LA", "La"):
        raise BadInput(
            f"'{shown(name)}' is greyscale, and the model tells covers apart by their colours: "
            "give a colour picture."
        )
    if image.mode not in COLOUR:
        what = _OTHER.get(image.mode, f"holds pixels of the kind {image.mode}")
        raise BadInput(f"'{shown(name)}' {what}: save it as an RGB picture.")


def _notes(image: Image.Image) -> tuple[str, ...]:
    found = []
    if image.getexif().get(0x0112, 1) != 1:
        found.append("turned as its EXIF orientation says")
    if image.info.get("icc_profile"):
        found.append("its colour profile was not applied")
    if image.mode in ("P", "PA"):
        found.append("colours taken from its palette")
    if getattr(image, "n_frames", 1) > 1:
        found.append("only its first frame was read")
    return tuple(found)


def _by_gdal(data: bytes, name: str) -> tuple[Bytes, float | None]:
    with open_raster(data, name) as raster:
        if not _is_rgb(raster):
            raise BadInput(
                f"'{shown(name)}' is no RGB picture of bytes ({raster.count} bands of "
                f"{raster.dtypes[0]}): give three bands of uint8."
            )
        if max(raster.width, raster.height) > MAX_SIDE or raster.width * raster.height > MAX_PIXELS:
            raise _too_large(name)
        pixels = read_bands(raster, list(range(1, raster.count + 1)))
        side = _pixel_m(raster)
    return np.ascontiguousarray(pixels.transpose(1, 2, 0)), side


def _is_rgb(raster: DatasetReader) -> bool:
    bytes_only = set(raster.dtypes) == {"uint8"}
    alpha = raster.count == 4 and raster.colorinterp[3] == ColorInterp.alpha
    return bytes_only and (raster.count == 3 or alpha)


def _pixel_m(raster: DatasetReader) -> float | None:
    """Metres along a pixel's side, where the file has a grid in some unit of length."""
    if raster.crs is None or not raster.crs.is_projected:
        return None
    side = math.hypot(raster.transform.a, raster.transform.d)
    side *= float(raster.crs.linear_units_factor[1])
    return side if math.isfinite(side) and side > 0 else None


def _too_large(name: str) -> BadInput:
    return BadInput(
        f"'{shown(name)}' has more pixels than fit: cut out at most "
        f"{round(MAX_PIXELS**0.5):,} × {round(MAX_PIXELS**0.5):,} around your place."
    )
