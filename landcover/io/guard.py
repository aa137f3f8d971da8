"""Opening raster files that nobody has vouched for.

GDAL chooses a driver by a file's content, not by its name: a text file called ``.tif``
may ask it to read other files or addresses. So only two drivers are allowed, and this module
chooses one by the first bytes. A file is opened from its bytes, or by the absolute path of an
existing regular file, which GDAL never takes for one of its own notations
(``GTIFF_DIR:…``, ``/vsicurl/…``); no neighbouring file (``.aux.xml``, ``.msk``, ``.tfw``) is
read. What is decoded is bounded between opening and reading by the blocks that a window
touches: opening takes a millisecond, while one pixel of a 200-byte file can take gigabytes.

JPEG 2000 is for files on one's own disk only: with single bytes changed, GDAL 3.10 was
seen to loop for ever over a file's metadata, which nothing here can bound.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock
from types import TracebackType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import Interleaving
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, MemoryFile

from landcover.core.errors import BadInput

__all__ = [
    "DAMAGE",
    "FILE",
    "GEOTIFF",
    "HEAD_BYTES",
    "JP2_MAGIC",
    "JPEG2000",
    "MAX_BANDS",
    "MAX_DECODED",
    "MAX_FILE_BYTES",
    "MAX_RATIO",
    "MAX_SAMPLES",
    "MAX_SIDE",
    "MAX_TOUCHED",
    "RATIO_SLACK",
    "TIFF_MAGIC",
    "Part",
    "RasterFile",
    "check_size",
    "head_of",
    "named",
    "open_raster",
    "read_file",
    "shown",
    "silence_gdal",
    "tags_of",
]

Part = tuple[int, int, int, int]
"""First row and column of a part of a raster, its rows and its columns."""

GEOTIFF: Final = "GTiff"
JPEG2000: Final = "JP2OpenJPEG"
MAX_FILE_BYTES: Final = 1_000_000_000
MAX_SIDE: Final = 20_000
"""Pixels along a side."""
MAX_SAMPLES: Final = 250_000_000
"""Pixels times bands: 1 GB as float32, which is 4,564 × 4,564 pixels of twelve bands."""
MAX_DECODED: Final = 1_000_000_000
"""Bytes of all pixels as stored, and of one block."""
MAX_TOUCHED: Final = 2_000_000_000
"""Bytes of all blocks that a window touches: they are decoded one after the other."""
MAX_BANDS: Final = 64
MAX_RATIO: Final = 3_000
"""Decoded bytes a stored byte: deflate reaches 1,032, and real pictures stay below 100."""
RATIO_SLACK: Final = 16_000_000
"""Decoded bytes below which the ratio does not matter: a small picture harms nobody."""

_PHOTO_MAGIC: Final = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"GIF8": "GIF", b"RIFF": "WebP"}
TIFF_MAGIC: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HEAD_BYTES: Final = 16
JP2_MAGIC: Final = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
_ITEM: Final = {"uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "float32": 4, "float64": 8}
"""Bytes a sample by type; of other types 16, the most that GDAL knows."""
_GDAL: Final = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "GTIFF_IGNORE_READ_ERRORS": "NO",
}
# What rasterio and NumPy raise on files that lie about themselves; its CPLE errors are
# RuntimeErrors in no public base class.
DAMAGE: Final = (RasterioError, RuntimeError, OSError, ValueError, OverflowError, SystemError)


FILE: Final = "<file>"
"""Stands in a message for the name of the file, which :func:`named` puts in."""


def shown(name: str) -> str:
    """A file's name as a message may show it: no folders, no control characters, not long."""
    last = PurePosixPath(name.replace("\\", "/")).name
    clean = "".join(c for c in last if c.isprintable())
    return (clean if len(clean) <= 80 else clean[:77] + "…") or "the file"


@contextmanager
def named(name: str) -> Iterator[None]:
    """Put a file's name into the message of every :class:`BadInput` that is raised inside."""
    try:
        yield
    except BadInput as error:
        error.args = (str(error).replace(FILE, f"'{shown(name)}'"),)
        raise


def read_file(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """The bytes of a regular file.

    Raises:
        BadInput: there is no such file, it is larger than ``limit`` bytes, or it may not be read.
    """
    with named(path.name):
        if _size_of(path) > limit:
            raise BadInput(
                f"{FILE} is larger than {limit / 1e6:,.0f} MB: cut out the part that you want."
            )
        try:
            return path.read_bytes()
        except OSError:
            raise _unreadable() from None


def _size_of(path: Path) -> int:
    """Bytes of a regular file."""
    try:
        if not path.is_file():
            raise BadInput(f"There is no file {FILE}: check its name.")
        return path.stat().st_size
    except (OSError, ValueError):
        raise _unreadable() from None


def _unreadable() -> BadInput:
    return BadInput(f"{FILE} cannot be read: check its permissions.")


@contextmanager
def open_raster(source: Path | bytes) -> Iterator[RasterFile]:
    """Open a GeoTIFF file, or a JPEG 2000 file on one's own disk; no pixel is read yet.

    Args:
        source: an existing file, or the bytes of a GeoTIFF file.

    Raises:
        BadInput: it is empty, no raster, damaged, or has more than 64 bands; also where GDAL
            fails while the caller reads from it. The message holds :data:`FILE` for its name.
    """
    stored = _size_of(source) if isinstance(source, Path) else len(source)
    head = head_of(source)
    if stored and not head:
        raise _unreadable()
    driver = _driver_of(head, on_disk=isinstance(source, Path))
    try:
        with (
            silence_gdal(),
            warnings.catch_warnings(),
            rasterio.Env(**_GDAL),
            _opened(source, driver) as header,
        ):
            if header.count > MAX_BANDS:
                raise BadInput(
                    f"{FILE} has {header.count} bands: give the twelve Sentinel-2 Level-2A bands."
                )
            yield RasterFile(header, stored)
    except MemoryError:
        raise BadInput(
            f"{FILE} needs more memory than this machine has free: cut out the part that you want."
        ) from None
    except DAMAGE:
        raise BadInput(f"{FILE} is damaged or truncated: copy or export it again.") from None


@contextmanager
def _opened(source: Path | bytes, driver: str) -> Iterator[DatasetReader]:
    # A missing position is said by whoever needs one, in a sentence.
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    if isinstance(source, bytes):
        with MemoryFile(source) as memory, memory.open(driver=driver) as header:
            yield header
    else:
        # An absolute path is never taken for one of GDAL's own notations, but for these.
        path = source.absolute()
        if str(path).startswith("/vsi"):
            raise _unreadable()
        with rasterio.open(path, driver=driver) as header:
            yield header


def head_of(source: Path | bytes) -> bytes:
    """The first bytes of a file; none where it cannot be read, which its reader then says."""
    if isinstance(source, bytes):
        return source[:HEAD_BYTES]
    try:
        if not source.is_file():
            return b""
        with source.open("rb") as file:
            return file.read(HEAD_BYTES)
    except (OSError, ValueError):
        return b""


@dataclass(frozen=True)
class RasterFile:
    """An open raster file, whose pixels are read within limits.

    Attributes:
        header: the open file, for what it says of itself.
        stored: its bytes.
    """

    header: DatasetReader
    stored: int

    @property
    def fits(self) -> bool:
        """Whether all of its pixels may be read: 250 million samples and 1 GB at most."""
        header = self.header
        return _fits(header.width, header.height, header.count, _item(header))

    def check_whole(self) -> None:
        """Raise where not all of its pixels may be read.

        Raises:
            BadInput: they do not fit, or cannot come out of so few bytes.
        """
        header = self.header
        check_size(header.width, header.height, header.count, _item(header))
        decoded = header.width * header.height * header.count * _item(header)
        self._check_honest(max(decoded, _block_bytes(header)))

    def read(self, indexes: Sequence[int], part: Part | None = None) -> npt.NDArray[Any]:
        """Pixels ``(band, y, x)`` as stored.

        Args:
            indexes: of bands, counted from 1.
            part: first row and column, rows and columns; all where it is None.

        Raises:
            BadInput: it is too much, or cannot come out of so few bytes.
        """
        pixels: npt.NDArray[Any] = self.header.read(list(indexes), window=self._checked(part))
        return pixels

    def read_mask(self, part: Part | None = None) -> npt.NDArray[np.bool_]:
        """Where the first band's mask tells of data ``(y, x)``; limits as for :meth:`read`."""
        mask: npt.NDArray[np.bool_] = self.header.read_masks(1, window=self._checked(part)) > 0
        return mask

    def _checked(self, part: Part | None) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """The part as rasterio wants it."""
        if part is None:
            self.check_whole()
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
        self._check_honest(_block_bytes(header))
        if not _fits(cols, rows, header.count, _item(header)) or decoded > MAX_TOUCHED:
            raise BadInput(
                f"{FILE} is stored in such large blocks that a part of it takes "
                f"{decoded / 1e9:,.1f} GB: store it in tiles (gdal_translate -co TILED=YES)."
            )
        self._check_honest(decoded)

    def _check_honest(self, decoded: int) -> None:
        block = _block_bytes(self.header)
        if block > MAX_DECODED or decoded > MAX_RATIO * self.stored + RATIO_SLACK:
            raise BadInput(
                f"{FILE} claims far more pixels than its {self.stored:,} bytes can hold: "
                "it is damaged or not honest, so export it again."
            )


class _GdalSilencer:
    """Keeps what GDAL says of a damaged file off the user's terminal.

    rasterio cannot decode GDAL's messages where these quote a file's random bytes. It says
    so through both of Python's hooks, from a callback in which nothing can be caught.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._excepthook = sys.excepthook
        self._unraisablehook = sys.unraisablehook

    @contextmanager
    def __call__(self) -> Iterator[None]:
        # Counted, since several threads may read at once and the last one puts things back.
        with self._lock:
            if not self._users:
                self._excepthook, self._unraisablehook = sys.excepthook, sys.unraisablehook
                sys.excepthook, sys.unraisablehook = self._on_error, self._on_unraisable
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    sys.excepthook, sys.unraisablehook = self._excepthook, self._unraisablehook

    def _on_error(
        self, kind: type[BaseException], value: BaseException, trace: TracebackType | None
    ) -> None:
        if not isinstance(value, UnicodeDecodeError):
            self._excepthook(kind, value, trace)

    def _on_unraisable(self, unraisable: sys.UnraisableHookArgs) -> None:
        if not isinstance(unraisable.exc_value, UnicodeDecodeError):
            self._unraisablehook(unraisable)


silence_gdal: Final = _GdalSilencer()


def check_size(width: int, height: int, count: int, item: int) -> None:
    """Raise where a picture of that size would not fit into memory.

    Args:
        width: pixels along a row.
        height: rows.
        count: bands.
        item: bytes a sample.

    Raises:
        BadInput: a side exceeds 20,000 pixels, all samples 250 million, or their bytes 1 GB.
    """
    if not _fits(width, height, count, item):
        raise BadInput(
            f"{FILE} has {width:,} × {height:,} pixels in {count} bands, more than fits: "
            "cut out at most 4,500 × 4,500 pixels around your place (gdal_translate -srcwin)."
        )


def tags_of(raster: DatasetReader) -> dict[str, str]:
    """The tags of an open raster, of at most 500 characters each; none of JPEG 2000."""
    if raster.driver != GEOTIFF:
        return {}
    return {str(key): str(value)[:500] for key, value in raster.tags().items()}


def _driver_of(head: bytes, *, on_disk: bool) -> str:
    """The one driver that may open a file with such first bytes."""
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


def _fits(width: int, height: int, count: int, item: int) -> bool:
    samples = width * height * count
    return (
        max(width, height) <= MAX_SIDE and samples <= MAX_SAMPLES and samples * item <= MAX_DECODED
    )


def _item(header: DatasetReader) -> int:
    """Bytes a sample."""
    return max(_ITEM.get(kind, 16) for kind in header.dtypes)


def _block_bytes(header: DatasetReader) -> int:
    """Bytes of one block, which is decoded whole, whatever part of it lies inside the picture."""
    by_pixel = header.driver != GEOTIFF or header.interleaving == Interleaving.pixel
    planes = header.count if by_pixel else 1
    pixels = max(int(rows * cols) for rows, cols in header.block_shapes)
    return pixels * _item(header) * planes
