"""A worker's first work: it reads a small file, which shows how fast the computer is.

GDAL, PROJ and Pillow load drivers, tables and databases with the first file, which must not count
as time that a file from outside took.
"""

from __future__ import annotations

import io
import time
from typing import Final

import numpy as np
import numpy.ma  # rasterio imports it with the first mask
from PIL import Image
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from landcover.core.bands import BAND_NAMES, PATCH_PIXELS
from landcover.io.images import read_picture
from landcover.io.stack import read_stack

__all__ = ["warm_up"]

_SIDE: Final = PATCH_PIXELS


def warm_up() -> float:
    """Read a stack and a picture; return the seconds of processor time that it took."""
    Image.preinit()
    begun = time.process_time()
    read_stack(_stack(), "stack.tif", None)
    read_picture(_picture(), "picture.png", None)
    return time.process_time() - begun


def _stack() -> bytes:
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", count=len(BAND_NAMES), height=_SIDE, width=_SIDE, dtype="uint16",
            crs="EPSG:32633", transform=from_origin(4e5, 5.3e6, 10, 10), compress="deflate",
        ) as file:  # fmt: skip
            file.write(np.full((len(BAND_NAMES), _SIDE, _SIDE), 1000, dtype=np.uint16))
        return bytes(memory.read())


def _picture() -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (_SIDE, _SIDE)).save(written, "PNG")
    return written.getvalue()
