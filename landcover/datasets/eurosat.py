"""EuroSAT RGB (Helber et al. 2019): 27,000 pictures of 640 m in ten classes, one per picture.

The data set as it is distributed, packed or unpacked, with the places of its pictures::

    ROOT/EuroSAT_RGB.zip                       or  ROOT/EuroSAT_RGB/
        EuroSAT_RGB/<class>/<class>_<n>.jpg        64 × 64 pixels of 10 m
    ROOT/locations.csv                         name, label, latitude, longitude

**The split is by place.** Many pictures are neighbours, so a random split would test
memorisation. Europe is divided into blocks of half a degree, and a hash of a block's corner
decides the split of all its pictures: 70 % of the blocks are train, 15 % validation, 15 % test.
The split is not random, and the split of a picture does not depend on which other pictures are
available. Pictures on both sides of a block's edge can still be neighbours: of each two within
1 km, the one of the earlier split (train, validation, test) is set aside as ``margin``, about
one in two hundred.

Without ``locations.csv`` there is no split: every picture belongs to ``all``.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from sklearn.neighbors import BallTree

from landcover.core.classes import EUROSAT_CLASSES
from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report
from landcover.datasets.eurosat_files import (
    ARCHIVE,
    FOLDER,
    LOCATIONS,
    SIDE,
    Members,
    decode,
    find_pictures,
    read_places,
)
from landcover.datasets.eurosat_store import BATCH, RgbStore
from landcover.datasets.labelled import ALL, SPLITS, split_name
from landcover.io.guard import shown

__all__ = [
    "BLOCK_DEGREES",
    "EARTH_KM",
    "MARGIN",
    "MARGIN_KM",
    "SHARES",
    "EuroSat",
    "EuroSatRecord",
    "are_packed",
    "distance_km",
    "open_eurosat",
    "pack_names",
    "split_of_place",
]

BLOCK_DEGREES: Final = 0.5
SHARES: Final = {"train": 0.70, "validation": 0.85, "test": 1.0}
"""Upper limits of the hash of a block, 0 to 1; the first limit above the hash is its split."""
MARGIN: Final = "margin"
MARGIN_KM: Final = 1.0
"""Pictures whose corners touch are 0.64 × √2 = 0.91 km apart."""

EARTH_KM: Final = 6371.0
"""Radius of the Earth."""
_NUMBERS: Final = 10**6
"""Limit for the numbers of pictures, which have six digits at most."""
_READERS: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class EuroSatRecord:
    """The entry of one picture, without its pixels."""

    name: str
    label: str
    split: str
    latitude: float
    longitude: float
    """Latitude and longitude in degrees; both NaN if unknown."""
    member: str
    """Its path in the archive or folder."""


@dataclass(frozen=True, kw_only=True)
class EuroSat:
    """The pictures in a folder or archive.

    Attributes:
        source: the archive, or the folder that contains the folders of the classes.
        pictures: all pictures, sorted by class and number.
        unplaced: number of pictures without a place in ``locations.csv``.
    """

    source: Path
    pictures: tuple[EuroSatRecord, ...]
    unplaced: int

    name: str = "eurosat"
    title: str = "EuroSAT RGB"

    @property
    def splits(self) -> tuple[str, ...]:
        """The available splits, in the usual order."""
        found = {picture.split for picture in self.pictures}
        return tuple(split for split in SPLITS if split in found)

    def records(self, split: str = ALL) -> tuple[EuroSatRecord, ...]:
        """Return the pictures of a split; ``all`` includes the pictures of the margin.

        Raises:
            UnknownName: there is no such split.
            BadInput: the split has no picture here.
        """
        wanted = split_name(split)
        found = tuple(p for p in self.pictures if wanted in (ALL, p.split))
        if not found:
            have = ", ".join((*self.splits, ALL))
            raise BadInput(
                f"{self.title} has no picture of the split '{wanted}' here, only: {have}. "
                f"Splits need {LOCATIONS} in the folder of the data set."
            )
        return found

    def load(self, split: str | Sequence[str], progress: Report | None = None) -> RgbStore:
        """Read all pictures of one or several splits into memory.

        Raises:
            UnknownName: there is no such split.
            BadInput: a split has no picture here, or a picture cannot be read.
        """
        names = dict.fromkeys([split] if isinstance(split, str) else split)
        return self.load_pictures([p for name in names for p in self.records(name)], progress)

    def load_pictures(
        self, pictures: Sequence[EuroSatRecord], progress: Report | None = None
    ) -> RgbStore:
        """Read pictures into memory, in their order.

        Raises:
            BadInput: a picture cannot be read.
        """
        pixels = np.empty((len(pictures), SIDE, SIDE, 3), dtype=np.uint8)
        members = Members(self.source)
        with ThreadPoolExecutor(_READERS) as readers:
            for start in range(0, len(pictures), BATCH):
                part = pictures[start : start + BATCH]
                blobs = [members.read(picture.member) for picture in part]
                pixels[start : start + len(part)] = list(
                    readers.map(decode, blobs, [picture.name for picture in part])
                )
                if progress:
                    done, total = start + len(part), len(pictures)
                    progress(Progress(what="Reading", done=done, total=total, unit="pictures"))
        column = [EUROSAT_CLASSES.index(picture.label) for picture in pictures]
        return RgbStore(
            bytes=pixels,
            targets=torch.eye(len(EUROSAT_CLASSES))[column],
            ids=tuple(picture.name for picture in pictures),
        )

    def describe(self) -> dict[str, Any]:
        """Count pictures by split and class, and measure distances of splits, JSON-ready."""
        splits = {s: [p for p in self.pictures if p.split == s] for s in (*self.splits, MARGIN)}
        return {
            "name": self.name,
            "title": self.title,
            "unplaced": self.unplaced,
            "splits": {split: len(group) for split, group in splits.items()},
            "classes": {
                label: {s: Counter(p.label for p in group)[label] for s, group in splits.items()}
                for label in EUROSAT_CLASSES
            },
            "nearest_km": {
                f"{a}-{b}": distance_km(splits[a], splits[b])
                for i, a in enumerate(self.splits)
                for b in self.splits[i + 1 :]
            },
        }


def open_eurosat(root: Path) -> EuroSat:
    """Open EuroSAT RGB in the folder ``root``: the official archive, or its unpacked tree.

    Raises:
        BadInput: there is neither, or the archive or the list of places cannot be read.
    """
    if not root.is_dir():
        raise BadInput(f"There is no folder '{shown(root.name)}': check the path of the data set.")
    archive, folder = root / ARCHIVE, root / FOLDER
    if archive.is_file():
        source = archive
    elif folder.is_dir():
        source = folder
    elif any((root / label).is_dir() for label in EUROSAT_CLASSES):
        source = root
    else:
        raise BadInput(
            f"'{shown(root.name)}' is not EuroSAT RGB: give the folder that contains {ARCHIVE} "
            f"or {FOLDER}."
        )
    found = find_pictures(Members(source).names())
    if not found:
        raise BadInput(f"'{shown(source.name)}' has no EuroSAT picture: download it again.")
    places = read_places(root)
    names = [name for name, _, _ in found]
    splits = _splits(names, places)
    pictures = tuple(
        EuroSatRecord(
            name=name,
            label=label,
            split=splits[name],
            latitude=places.get(name, (math.nan, math.nan))[0],
            longitude=places.get(name, (math.nan, math.nan))[1],
            member=member,
        )
        for name, label, member in found
    )
    return EuroSat(
        source=source, pictures=pictures, unplaced=sum(name not in places for name in names)
    )


def split_of_place(latitude: float, longitude: float) -> str:
    """Return the split of the block that contains a place (degrees)."""
    row, column = (math.floor(v / BLOCK_DEGREES) for v in (latitude, longitude))
    digest = hashlib.sha256(f"{row},{column}".encode()).digest()
    draw = int.from_bytes(digest[:4], "big") / 2**32
    return next(split for split, below in SHARES.items() if draw < below)


def pack_names(names: Sequence[str]) -> dict[str, str]:
    """Pack the numbers of pictures by class, a bit each, in base 64: 500 letters per class.

    A card can thus state for each picture of EuroSAT whether its model was trained on it.

    Args:
        names: such as ``Forest_17``.
    """
    bits = {label: np.zeros(_NUMBERS, dtype=np.uint8) for label in EUROSAT_CLASSES}
    for name in names:
        label, _, number = name.partition("_")
        bits[label][int(number)] = 1
    return {
        label: base64.b64encode(np.packbits(np.trim_zeros(flags, "b")).tobytes()).decode()
        for label, flags in bits.items()
        if flags.any()
    }


def are_packed(names: Sequence[str], packed: object) -> npt.NDArray[np.bool_] | None:
    """Return which pictures are in ``packed``, bool ``(name,)``.

    Args:
        names: such as ``Forest_17``.
        packed: the value of :func:`pack_names` in a card, which may be untrusted.

    Returns:
        None if ``packed`` is not a value of :func:`pack_names`.
    """
    try:
        bits = {
            label: np.unpackbits(np.frombuffer(base64.b64decode(text, validate=True), np.uint8))
            for label, text in dict(packed).items()  # type: ignore[call-overload]
        }
    except (TypeError, ValueError):
        return None
    found = np.zeros(len(names), dtype=np.bool_)
    for row, name in enumerate(names):
        label, _, number = name.partition("_")
        flags = bits.get(label)
        found[row] = flags is not None and int(number) < len(flags) and bool(flags[int(number)])
    return found


def distance_km(some: Sequence[EuroSatRecord], others: Sequence[EuroSatRecord]) -> float | None:
    """Return the least distance of the centres of two sets of pictures, in km.

    None if one of the sets has no known place.
    """
    first, second = (
        np.radians([(p.latitude, p.longitude) for p in group if not math.isnan(p.latitude)])
        for group in (some, others)
    )
    if not len(first) or not len(second):
        return None
    nearest = BallTree(first, metric="haversine").query(second)[0].min()
    return float(nearest * EARTH_KM)


def _splits(names: Sequence[str], places: dict[str, tuple[float, float]]) -> dict[str, str]:
    """Assign each picture to a split or to the margin between splits."""
    splits = {n: split_of_place(*places[n]) if n in places else ALL for n in names}
    placed = np.array([n for n in names if n in places])
    if not len(placed):
        return splits
    where = np.radians([places[n] for n in placed])
    which = np.array([splits[n] for n in placed])
    for earlier, later in (("train", ("validation", "test")), ("validation", ("test",))):
        first, second = which == earlier, np.isin(which, later)
        if first.any() and second.any():
            distance = BallTree(where[second], metric="haversine").query(where[first])[0][:, 0]
            for name in placed[first][distance * EARTH_KM < MARGIN_KM]:
                splits[str(name)] = MARGIN
    return splits
