"""Files of EuroSAT RGB: members of its archive or folder, and its list of places."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from landcover.core.classes import EUROSAT_CLASSES
from landcover.core.errors import BadInput
from landcover.core.raster import ByteArray
from landcover.io.guard import named, read_file, shown
from landcover.io.picture_parts import parts_of
from landcover.io.zip_reader import Directory, ZipFault, read_directory

__all__ = [
    "ARCHIVE",
    "FOLDER",
    "LOCATIONS",
    "MAX_LIST_BYTES",
    "MAX_PICTURES",
    "MAX_PICTURE_BYTES",
    "SIDE",
    "Members",
    "decode",
    "find_pictures",
    "read_places",
]

SIDE: Final = 64
"""Pixels of 10 m along a side of a picture."""
ARCHIVE: Final = "EuroSAT_RGB.zip"
FOLDER: Final = "EuroSAT_RGB"
LOCATIONS: Final = "locations.csv"
MAX_PICTURE_BYTES: Final = 100_000
MAX_LIST_BYTES: Final = 20_000_000
MAX_PICTURES: Final = 100_000
_NAME: Final = re.compile(r"(?:^|/)([A-Za-z]+)/((?:[A-Za-z]+)_(\d{1,6}))\.jpe?g$")


def find_pictures(members: Sequence[str]) -> list[tuple[str, str, str]]:
    """Find name, class and member of every picture, sorted by class and number.

    Raises:
        BadInput: two members have the same name.
    """
    found: dict[str, tuple[str, int, str]] = {}
    for member in members:
        match = _NAME.search(member)
        if match and match[1] in EUROSAT_CLASSES and match[2].startswith(f"{match[1]}_"):
            if match[2] in found:
                raise BadInput(f"EuroSAT has the picture {shown(match[2])} twice: copy it again.")
            found[match[2]] = (match[1], int(match[3]), member)
    order = sorted(found.items(), key=lambda item: item[1][:2])
    return [(name, label, member) for name, (label, _, member) in order]


def read_places(root: Path) -> dict[str, tuple[float, float]]:
    """Read latitude and longitude of each picture in degrees; empty if there is no list.

    Raises:
        BadInput: the list cannot be read, or has coordinates out of range.
    """
    path = root / LOCATIONS
    if not path.is_file():
        return {}
    try:
        text = read_file(path, MAX_LIST_BYTES).decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text))
        places = {r["name"]: (float(r["latitude"]), float(r["longitude"])) for r in rows}
    except (ValueError, KeyError, TypeError, csv.Error):
        raise BadInput(
            f"{LOCATIONS} has no readable columns name, latitude and longitude: copy it again."
        ) from None
    if not all(abs(lat) <= 90 and abs(lon) <= 180 for lat, lon in places.values()):
        raise BadInput(f"{LOCATIONS} has a place that is not on Earth: copy it again.")
    return places


def decode(blob: bytes, name: str) -> ByteArray:
    """Decode a JPEG to pixels, uint8 ``(64, 64, 3)``.

    Raises:
        BadInput: it is damaged, not a JPEG, or of another size.
    """
    try:
        with named(name):
            data = parts_of(blob, "JPEG").data
        # Only the JPEG decoder is tried, and the size is checked before pixels are decoded.
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            if image.size != (SIDE, SIDE):
                raise BadInput(
                    f"{shown(name)} has {image.size[0]} × {image.size[1]} pixels where EuroSAT "
                    f"has {SIDE} × {SIDE}: copy it again."
                )
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError):
        raise BadInput(f"{shown(name)} is damaged or not a JPEG: copy it again.") from None


class Members:
    """Files of an archive or of a folder by name, with a limit on their size.

    Raises:
        BadInput: the archive is damaged, or has more or larger files than EuroSAT.
    """

    def __init__(self, source: Path) -> None:
        self.source = source
        self._directory: Directory | None = None
        if source.is_file():
            with named(source.name), self._errors():
                self._directory = read_directory(source, MAX_PICTURES)

    def names(self) -> list[str]:
        """List the names of all members."""
        if self._directory:
            return list(self._directory.members)
        names = [
            f"{label}/{path.name}"
            for label in EUROSAT_CLASSES
            if (self.source / label).is_dir()
            for path in (self.source / label).iterdir()
        ]
        if len(names) > MAX_PICTURES:
            raise BadInput(f"'{shown(self.source.name)}' has too many files for EuroSAT.")
        return names

    def read(self, name: str) -> bytes:
        """Read the bytes of one member."""
        if not self._directory:
            return read_file(self.source / name, MAX_PICTURE_BYTES)
        member = self._directory.members[name]
        if member.size > MAX_PICTURE_BYTES:
            raise BadInput(f"{shown(name)} is too large for a EuroSAT picture.")
        with named(self.source.name), self._errors():
            return self._directory.read(self.source, member)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except ZipFault as fault:
            raise BadInput(
                f"The archive '{shown(self.source.name)}' {fault.why}: download it again."
            ) from None
