"""Opening untrusted raster files.

GDAL chooses a driver by the content of a file, not by its name: a text file called ``.tif``
can make it read other files or addresses. So only two drivers are allowed, and this module
chooses one by the first bytes. A file is opened from its bytes, or by the absolute path of an
existing regular file, which GDAL does not interpret as one of its own notations
(``GTIFF_DIR:…``, ``/vsicurl/…``). GDAL does not read
sidecar files (``.aux.xml``, ``.msk``, ``.tfw``); :mod:`landcover.io.sidecars` reads two of them.
The bytes to decode are limited between opening and reading, by the blocks that a window touches:
opening takes a millisecond, but one pixel of a 200-byte file can take gigabytes.

JPEG 2000 is read only from a disk: for some files with a single changed byte, GDAL 3.10 loops
for ever over the metadata, and no limit here can prevent that. So files from outside are read in
worker processes (:mod:`landcover.io.gate`), which can be killed.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import Interleaving
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader, MemoryFile

from landcover.core import limits
from landcover.core.errors import BadInput, TooLarge
from landcover.core.gdal_errors import GDAL_ERRORS
from landcover.core.regular_file import open_regular, read_regular
from landcover.io.gdal_messages import silence_gdal
from landcover.io.jp2_header import check_jp2
from landcover.io.messages import FILE, named, shown
from landcover.io.tiff_metadata import check_tiff

__all__ = [
    "DAMAGE",
    "FILE",
    "GEOTIFF",
    "HEAD_BYTES",
    "JP2_MAGIC",
    "JPEG2000",
    "MAX_BANDS",
    "MAX_RATIO",
    "RATIO_SLACK",
    "TIFF_MAGIC",
    "Part",
    "RasterFile",
    "check_size",
    "fits_in_memory",
    "head_of",
    "named",
    "open_raster",
    "read_file",
    "shown",
    "tags_of",
]

Part = tuple[int, int, int, int]
"""A part of a raster: first row, first column, number of rows, number of columns."""

GEOTIFF: Final = "GTiff"
JPEG2000: Final = "JP2OpenJPEG"
MAX_BANDS: Final = 64
MAX_RATIO: Final = 3_000
"""Maximum decoded bytes per stored byte: deflate reaches 1,032, real images less than 100."""
RATIO_SLACK: Final = 16_000_000
"""Decoded bytes below which the ratio is not checked, because a small image is harmless."""

_PHOTO_MAGIC: Final = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"GIF8": "GIF", b"RIFF": "WebP"}
TIFF_MAGIC: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HEAD_BYTES: Final = 16
JP2_MAGIC: Final = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
_ITEM: Final = {
    **{f"{sign}int{8 * size}": size for sign in ("", "u") for size in (1, 2, 4, 8)},
    "float32": 4,
    "float64": 8,
}
"""Bytes per sample, by type; 16 for all other types, the maximum in GDAL."""
_GDAL: Final = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "GTIFF_IGNORE_READ_ERRORS": "NO",
}
DAMAGE: Final = GDAL_ERRORS
"""What rasterio and NumPy raise on files with wrong headers."""


def read_file(path: Path, limit: int | None = None) -> bytes:
    """Read the bytes of a regular file.

    Raises:
        BadInput: there is no such file, it is larger than ``limit`` bytes (by default
            the ``file_bytes`` of :mod:`landcover.core.limits`), or not readable.
    """
    limit = limits.current().file_bytes if limit is None else limit
    with named(path.name):
        if _size_of(path) > limit:
            raise BadInput(
                f"{FILE} is larger than {limit / 1e6:,.0f} MB: cut out the part that you need."
            )
        try:
            return read_regular(path, limit)
        except (OSError, ValueError):
            raise _unreadable() from None


def _size_of(path: Path) -> int:
    """Size of a regular file in bytes."""
    try:
        if not path.is_file():
            raise BadInput(f"There is no file {FILE}: check its name.")
        return path.stat().st_size
    except (OSError, ValueError):
        raise _unreadable() from None


def _unreadable() -> BadInput:
    return BadInput(f"{FILE} cannot be read: check its permissions.")


@contextmanager
def open_raster(source: Path | bytes, *, level: int = 0) -> Iterator[RasterFile]:
    """Open a GeoTIFF file, or a JPEG 2000 file on the user's own disk, without reading pixels.

    Args:
        source: path of an existing file, or the bytes of a GeoTIFF file.
        level: 0 for the full size; 1 and on for a smaller version (overview) in a GeoTIFF file on
            a disk.

    Raises:
        BadInput: it is empty, not a raster, damaged, or has more than 64 bands; also if GDAL
            fails while the caller reads from it. The message contains :data:`FILE` for its name.
    """
    stored = _size_of(source) if isinstance(source, Path) else len(source)
    head = head_of(source)
    if stored and not head:
        raise _unreadable()
    driver = _driver_of(head, on_disk=isinstance(source, Path))
    _check_header(source, driver)
    try:
        with (
            silence_gdal(),
            warnings.catch_warnings(),
            rasterio.Env(**_GDAL),
            _opened(source, driver, level) as header,
        ):
            if header.count > MAX_BANDS:
                raise BadInput(
                    f"{FILE} has {header.count} bands: give the twelve Sentinel-2 Level-2A bands."
                )
            yield RasterFile(header, stored)
    except MemoryError:
        raise _too_large() from None
    except DAMAGE as error:
        if _is_out_of_memory(error):
            raise _too_large() from None
        raise BadInput(f"{FILE} is damaged or truncated: copy or export it again.") from None


def _too_large() -> TooLarge:
    return TooLarge(
        f"{FILE} needs more memory than a file may take: read a window of it (--at or --window), "
        "or cut out the part that you need."
    )


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Whether GDAL had no memory, which rasterio reports like damage."""
    while error is not None:
        if type(error).__name__ == "CPLE_OutOfMemoryError" or "allocate" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _check_header(source: Path | bytes, driver: str) -> None:
    """Check what a header states, which GDAL may take minutes or gigabytes for."""
    try:
        if driver == GEOTIFF:
            check_tiff(source)
        else:
            check_jp2(source)
    except OSError:
        raise _unreadable() from None


@contextmanager
def _opened(source: Path | bytes, driver: str, level: int) -> Iterator[DatasetReader]:
    # Code that needs a position reports a missing one.
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    if isinstance(source, bytes):
        with MemoryFile(source) as memory, memory.open(driver=driver) as header:
            yield header
    else:
        # Of absolute paths, GDAL interprets only these as one of its own notations.
        path = source.absolute()
        if not _is_text(str(path)):
            raise BadInput(
                f"{FILE} has a name, or is in a folder with a name, that is not valid UTF-8: "
                "rename it."
            )
        if str(path).startswith("/vsi"):
            raise _unreadable()
        smaller = {"overview_level": level - 1} if level else {}
        with rasterio.open(path, driver=driver, **smaller) as header:
            yield header


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def head_of(source: Path | bytes) -> bytes:
    """The first bytes of a file; empty if it cannot be read, which its reader will report."""
    if isinstance(source, bytes):
        return source[:HEAD_BYTES]
    try:
        with open_regular(source) as file:
            return file.read(HEAD_BYTES)
    except (OSError, ValueError):
        return b""


@dataclass(frozen=True)
class RasterFile:
    """An open raster file whose pixels are read within limits.

    Attributes:
        header: the open dataset, for its metadata.
        stored: size of the file in bytes.
        step: rows and columns of the file for one that is read; more than 1 only to read all of
            it. Smaller versions in the file, which JPEG 2000 always has, make that fast.
    """

    header: DatasetReader
    stored: int
    step: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns that are read of the entire file."""
        height, width = self.header.shape
        return -(-height // self.step), -(-width // self.step)

    @property
    def fits(self) -> bool:
        """Whether all of its pixels can be read, as :func:`check_size` has it."""
        header = self.header
        return fits_in_memory(header.width, header.height, header.count, _item(header))

    def check_whole(self) -> None:
        """Check that all of its pixels can be read.

        Raises:
            BadInput: they do not fit into memory, or are too many for the size of the file.
        """
        header = self.header
        check_size(header.width, header.height, header.count, _item(header))
        decoded = header.width * header.height * header.count * _item(header)
        self._check_ratio(max(decoded, _block_bytes(header)))

    def read(self, indexes: Sequence[int], part: Part | None = None) -> npt.NDArray[Any]:
        """Read pixels ``(band, y, x)`` as stored.

        Args:
            indexes: of bands, counted from 1.
            part: the part to read; None for everything.

        Raises:
            BadInput: it does not fit into memory, or is too much for the size of the file.
        """
        window = self._checked(part)
        smaller = {} if self.step == 1 else {"out_shape": (len(indexes), *self.shape)}
        pixels: npt.NDArray[Any] = self.header.read(list(indexes), window=window, **smaller)
        return pixels

    def read_mask(self, part: Part | None = None) -> npt.NDArray[np.bool_]:
        """Read the first band's mask, True for data ``(y, x)``; limits as for :meth:`read`."""
        window = self._checked(part)
        smaller = {} if self.step == 1 else {"out_shape": self.shape}
        mask: npt.NDArray[np.bool_] = self.header.read_masks(1, window=window, **smaller) > 0
        return mask

    def _checked(self, part: Part | None) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """The part in rasterio's form, after checking the limits."""
        if part is None and self.step == 1:
            self.check_whole()
            return None
        if part is None:
            # A block at a time is decoded, and only what is kept of it must fit into memory.
            height, width = self.shape
            check_size(width, height, self.header.count, _item(self.header))
            self._check_ratio(_block_bytes(self.header))
            return None
        self._check_part(part)
        top, left, rows, cols = part
        return (top, top + rows), (left, left + cols)

    def _check_part(self, part: Part) -> None:
        top, left, rows, cols = part
        header = self.header
        tall, wide = header.block_shapes[0]
        down = (top + max(rows, 1) - 1) // tall - top // tall + 1
        across = (left + max(cols, 1) - 1) // wide - left // wide + 1
        decoded = down * across * tall * wide * header.count * _item(header)
        self._check_ratio(_block_bytes(header))
        if (
            not fits_in_memory(cols, rows, header.count, _item(header))
            or decoded > limits.current().touched_bytes
        ):
            raise BadInput(
                f"{FILE} is stored in such large blocks that a part of it takes "
                f"{decoded / 1e9:,.1f} GB: store it in tiles (gdal_translate -co TILED=YES)."
            )
        self._check_ratio(decoded)

    def _check_ratio(self, decoded: int) -> None:
        block = _block_bytes(self.header)
        if (
            block > limits.current().decoded_bytes
            or decoded > MAX_RATIO * self.stored + RATIO_SLACK
        ):
            raise BadInput(
                f"{FILE} states far more pixels than its {self.stored:,} bytes can hold: "
                "it is damaged or harmful, so export it again."
            )


def check_size(width: int, height: int, count: int, item: int) -> None:
    """Check that a raster of this size fits into memory.

    Args:
        width: number of columns.
        height: number of rows.
        count: number of bands.
        item: bytes per sample.

    Raises:
        TooLarge: more pixels along a side, samples or bytes than ``side``, ``samples`` and
            ``decoded_bytes`` of :mod:`landcover.core.limits`.
    """
    if not fits_in_memory(width, height, count, item):
        now = limits.current()
        most = math.isqrt(min(now.samples, now.decoded_bytes // item) // count) // 100 * 100
        raise TooLarge(
            f"{FILE} has {width:,} × {height:,} pixels in {count} bands of {item} bytes, more than "
            "fits in memory: read a window of it (--at or --window), or cut out at most "
            f"{most:,} × {most:,} pixels (gdal_translate -srcwin)."
        )


def tags_of(raster: DatasetReader) -> dict[str, str]:
    """Tags of an open GeoTIFF, cut to 500 characters each; empty for JPEG 2000."""
    if raster.driver != GEOTIFF:
        return {}
    return {str(key): str(value)[:500] for key, value in raster.tags().items()}


def _driver_of(head: bytes, *, on_disk: bool) -> str:
    """The driver that may open a file with these first bytes."""
    if not head:
        raise BadInput(f"{FILE} is empty: export or copy it again.")
    for magic, kind in _PHOTO_MAGIC.items():
        if head.startswith(magic):
            raise BadInput(
                f"{FILE} is a photo ({kind}), not a satellite raster: "
                "give a GeoTIFF with the twelve Sentinel-2 Level-2A bands."
            )
    if head.startswith(TIFF_MAGIC):
        return GEOTIFF
    if not head.startswith(JP2_MAGIC):
        raise BadInput(f"{FILE} is not a raster that can be read here: give a GeoTIFF file.")
    if not on_disk:
        raise BadInput(
            f"{FILE} is JPEG 2000, which is only read from your own disk: "
            "convert it to GeoTIFF (gdal_translate) before uploading or packing it."
        )
    return JPEG2000


def fits_in_memory(width: int, height: int, count: int, item: int) -> bool:
    """Whether a raster of this size fits into memory, as :func:`check_size` has it."""
    now, samples = limits.current(), width * height * count
    return (
        max(width, height) <= now.side
        and samples <= now.samples
        and samples * item <= now.decoded_bytes
    )


def _item(header: DatasetReader) -> int:
    """Bytes per sample."""
    return max(_ITEM.get(kind, 16) for kind in header.dtypes)


def _block_bytes(header: DatasetReader) -> int:
    """Decoded bytes of one block; a block is always decoded completely."""
    by_pixel = header.driver != GEOTIFF or header.interleaving == Interleaving.pixel
    planes = header.count if by_pixel else 1
    pixels = max(int(rows * cols) for rows, cols in header.block_shapes)
    return pixels * _item(header) * planes
