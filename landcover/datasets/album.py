"""Small pictures of the patches that reports and indices name, packaged with the program.

An index of similar patches and a report of failures contain no pixels. The album has the true
colours of these patches at half their size, as one image, so that pages can show them without the
data set. ``tools/make_album.py`` makes it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from landcover.core.raster import ByteArray

__all__ = ["ACROSS", "FOLDER", "NAMES", "PICTURES", "SIDE", "picture"]

FOLDER: Final = Path(__file__).parent / "album"
NAMES: Final = "names.txt"
"""Names of the patches, one a line, in the order of the pictures."""
PICTURES: Final = "pictures.webp"
SIDE: Final = 60
"""Side of a picture, pixels of 20 m."""
ACROSS: Final = 25
"""Pictures in a row of the image."""


@cache
def _numbers() -> dict[str, int]:
    names = (FOLDER / NAMES).read_text(encoding="utf-8").split()
    return {name: number for number, name in enumerate(names)}


@cache
def _pictures() -> ByteArray:
    with Image.open(FOLDER / PICTURES) as image:
        found: ByteArray = np.asarray(image.convert("RGB"))
    return found


def picture(patch_id: str) -> ByteArray | None:
    """Return a patch in true colours, uint8 ``(60, 60, 3)``; None if the album lacks it."""
    number = _numbers().get(patch_id)
    if number is None:
        return None
    row, col = SIDE * (number // ACROSS), SIDE * (number % ACROSS)
    return _pictures()[row : row + SIDE, col : col + SIDE]
