"""Opening raster files that nobody has vouched for.

GDAL chooses a driver by a file's content, not by its name: a text file called ``.tif``
may ask it to read other files or addresses. So only two drivers are allowed, every file
is opened from its bytes (no user's text is ever a GDAL path, and no neighbouring file is
read), and what a file claims to be is bounded between opening and reading: opening takes
a millisecond, while reading one pixel of a 200-byte file can take gigabytes.

JPEG 2000 is for files on one's own disk only: with single bytes changed, GDAL 3.10 was
seen to loop for ever over a file's metadata, which nothing here can bound.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from threading import Lock
from types import TracebackType
from typing import Any, Final

import numpy.typing as npt
import rasterio
from rasterio.enums import Interleaving
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, MemoryFile

from landcover.core.errors import BadInput

GEOTIFF: Final = "GTiff"
JPEG2000: Final = "JP2OpenJPEG"
MAX_FILE_BYTES: Final = 1_000_000_000
MAX_SIDE: Final = 20_000
"""Pixels along a side."""
MAX_SAMPLES: Final = 250_000_000
"""Pixels times bands: 1 GB as float32, which is 4,564 × 4,564 pixels of twelve bands."""
MAX_DECODED: Final = 1_000_000_000
"""Bytes of all pixels as stored, and of one block."""
MAX_BANDS: Final = 64
MAX_RATIO: Final = 3_000
"""Decoded bytes a stored byte: deflate reaches 1,032, and real pictures stay below 100."""
RATIO_SLACK: Final = 16_000_000
"""Decoded bytes below which the ratio does not matter: a small picture harms nobody."""

_PHOTO_MAGIC: Final = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"GIF8": "GIF", b"RIFF": "WebP"}
_TIFF_MAGIC: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_JP2_MAGIC: Final = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
_ITEM: Final = {"uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "float32": 4, "float64": 8}
"""Bytes a sample by type; of other types 16, the most that GDAL knows."""
_GDAL: Final = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GTIFF_IGNORE_READ_ERRORS": "NO"}
# What rasterio and NumPy raise on files that lie about themselves; its CPLE errors are
# RuntimeErrors in no public base class.
DAMAGE: Final = (RasterioError, RuntimeError, OSError, ValueError, OverflowError, SystemError)


def shown(name: str) -> str:
    """A file's name as a message may show it: no folders, no control characters, not long."""
    last = PurePosixPath(name.replace("\\", "/")).name
    clean = "".join(c for c in last if c.isprintable())
    return (clean if len(clean) <= 80 else clean[:77] + "…") or "the file"


def read_file(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """The bytes of a regular file.

    Raises:
        BadInput: there is no such file, it is larger than ``limit`` bytes, or it may not be read.
    """
    try:
        if not path.is_file():
            raise BadInput(f"There is no file '{shown(path.name)}': check its name.")
        if path.stat().st_size > limit:
            raise BadInput(
                f"'{shown(path.name)}' is larger than {limit / 1e6:,.0f} MB: "
                "cut out the part that you want."
            )
        return path.read_bytes()
    except (OSError, ValueError):
        raise BadInput(f"'{shown(path.name)}' cannot be read: check its permissions.") from None


@contextmanager
def open_raster(data: bytes, name: str, *, trusted: bool = False) -> Iterator[DatasetReader]:
    """Open a GeoTIFF file from its bytes, with its size checked.

    Args:
        data: the whole file.
        name: what messages call it.
        trusted: whether JPEG 2000 is allowed too: not for what came over a network.

    Raises:
        BadInput: it is empty, no raster, damaged, or larger than this module's limits;
            also where GDAL fails while the caller reads from it.
    """
    driver = _driver_of(data, name, trusted=trusted)
    try:
        with (
            hush(),
            warnings.catch_warnings(),
            rasterio.Env(**_GDAL),
            MemoryFile(data) as memory,
            _open(memory, driver) as raster,
        ):
            _check_size(raster, len(data), name)
            yield raster
    except MemoryError:
        raise BadInput(
            f"'{shown(name)}' needs more memory than this machine has free: "
            "cut out the part that you want."
        ) from None
    except DAMAGE:
        raise BadInput(
            f"'{shown(name)}' is damaged or truncated: copy or export it again."
        ) from None


def _open(memory: MemoryFile, driver: str) -> DatasetReader:
    # A missing position is said by whoever needs one, in a sentence.
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    return memory.open(driver=driver)


class _Hush:
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


hush: Final = _Hush()


def read_bands(raster: DatasetReader, indexes: list[int]) -> npt.NDArray[Any]:
    """Pixels ``(band, y, x)`` of those bands (counted from 1), as stored."""
    pixels: npt.NDArray[Any] = raster.read(indexes)
    return pixels


def check_dimensions(width: int, height: int, count: int, item: int, name: str) -> None:
    """Raise where a picture of that size would not fit into memory.

    Args:
        width: pixels along a row.
        height: rows.
        count: bands.
        item: bytes a sample.
        name: what the message calls the file.

    Raises:
        BadInput: a side exceeds 20,000 pixels, all samples 250 million, or their bytes 1 GB.
    """
    samples = width * height * count
    if max(width, height) > MAX_SIDE or samples > MAX_SAMPLES or samples * item > MAX_DECODED:
        raise BadInput(
            f"'{shown(name)}' has {width:,} × {height:,} pixels in {count} bands, more than fits: "
            "cut out at most 4,500 × 4,500 pixels around your place (gdal_translate -srcwin)."
        )


def tags_of(raster: DatasetReader) -> dict[str, str]:
    """The tags of an open raster, of at most 500 characters each; none of JPEG 2000."""
    if raster.driver != GEOTIFF:
        return {}
    return {str(key): str(value)[:500] for key, value in raster.tags().items()}


def _driver_of(data: bytes, name: str, *, trusted: bool) -> str:
    if not data:
        raise BadInput(f"'{shown(name)}' is empty: export or copy it again.")
    for magic, kind in _PHOTO_MAGIC.items():
        if data.startswith(magic):
            raise BadInput(
                f"'{shown(name)}' is a photo ({kind}), not a satellite raster: "
                "give a GeoTIFF with the twelve Sentinel-2 Level-2A bands."
            )
    if data.startswith(_TIFF_MAGIC):
        return GEOTIFF
    if not data.startswith(_JP2_MAGIC):
        raise BadInput(
            f"'{shown(name)}' is not a raster that can be read here: give a GeoTIFF file."
        )
    if not trusted:
        raise BadInput(
            f"'{shown(name)}' is JPEG 2000, which is only read from your own disk: "
            "convert it to GeoTIFF (gdal_translate) before uploading or packing it."
        )
    return JPEG2000


def _check_size(raster: DatasetReader, stored: int, name: str) -> None:
    width, height, count = raster.width, raster.height, raster.count
    if count > MAX_BANDS:
        raise BadInput(
            f"'{shown(name)}' has {count} bands: give the twelve Sentinel-2 Level-2A bands."
        )
    item = max(_ITEM.get(kind, 16) for kind in raster.dtypes)
    check_dimensions(width, height, count, item, name)
    decoded = width * height * count * item
    # One block is decoded whole, whatever part of it lies inside the picture.
    by_pixel = raster.driver != GEOTIFF or raster.interleaving == Interleaving.pixel
    planes = count if by_pixel else 1
    block = max(rows * cols for rows, cols in raster.block_shapes) * item * planes
    too_dense = max(decoded, block) > MAX_RATIO * stored + RATIO_SLACK
    if block > MAX_DECODED or too_dense:
        raise BadInput(
            f"'{shown(name)}' claims far more pixels than its {stored:,} bytes can hold: "
            "it is damaged or not honest, so export it again."
        )
