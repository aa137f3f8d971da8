"""Examples of each class in true and false colours, packaged with the program.

They are patches of BigEarthNet (CDLA-Permissive-1.0; contains modified Copernicus Sentinel data
2017/18) from its training and validation splits. ``tools/class_pictures.py`` chooses them: those
with the fewest other classes, from different places.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from landcover.core.bands import PATCH_PIXELS
from landcover.core.raster import ByteArray

__all__ = ["COLUMNS", "FOLDER", "PICTURES", "TABLE", "Example", "examples"]

FOLDER: Final = Path(__file__).parent / "class_pictures"
TABLE: Final = "patches.csv"
"""One row for each picture, in their order from the top down."""
PICTURES: Final = "pictures.webp"
"""One row for each patch: true colours left, false colours right."""
COLUMNS: Final = ("class", "patch", "country", "day", "others")


@dataclass(frozen=True, kw_only=True)
class Example:
    """A patch that has a class.

    Attributes:
        name: the class.
        patch_id: name of the patch in BigEarthNet.
        country: where it is.
        day: when it was taken, such as ``2017-06-13``.
        others: the other classes in its label.
        true_colour: uint8 ``(120, 120, 3)``, pixels of 10 m.
        false_colour: the same in near infrared, red and green.
    """

    name: str
    patch_id: str
    country: str
    day: str
    others: tuple[str, ...]
    true_colour: ByteArray
    false_colour: ByteArray


def examples(name: str) -> tuple[Example, ...]:
    """Return the examples of a class; none for a class that has none packaged."""
    return _all().get(name, ())


@cache
def _all() -> dict[str, tuple[Example, ...]]:
    with Image.open(FOLDER / PICTURES) as image:
        sheet: ByteArray = np.asarray(image.convert("RGB"))
    with (FOLDER / TABLE).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, tuple[Example, ...]] = {}
    for number, row in enumerate(rows):
        pair = sheet[number * PATCH_PIXELS :][:PATCH_PIXELS]
        one = Example(
            name=row["class"],
            patch_id=row["patch"],
            country=row["country"],
            day=row["day"],
            others=tuple(filter(None, row["others"].split(";"))),
            true_colour=pair[:, :PATCH_PIXELS],
            false_colour=pair[:, PATCH_PIXELS:],
        )
        found[one.name] = (*found.get(one.name, ()), one)
    return found
