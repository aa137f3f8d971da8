"""EuroSAT RGB (Helber et al. 2019): 27,000 pictures of 640 m, ten covers, one a picture.

As it is distributed, as an archive or unpacked, with the places of its pictures beside it::

    ROOT/EuroSAT_RGB.zip                       or  ROOT/EuroSAT_RGB/
        EuroSAT_RGB/<class>/<class>_<n>.jpg        64 × 64 pixels of 10 m
    ROOT/locations.csv                         name, label, latitude, longitude

**The split is by place.** Pictures lie side by side, so that a random split asks for
what was learned by heart. Europe is cut into blocks of half a degree; a hash of a
block's corner decides for all its pictures: 70 % of the blocks train, 15 % validation,
15 % test. Nothing is drawn, and a picture's split does not hang on which others are
here. Pictures that touch across the edge of two blocks would still be neighbours: of
each two within 1 km, the one that is nearer to training (train before validation before
test) is set aside as ``margin``, about one in two hundred.

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
    "MARGIN",
    "MARGIN_KM",
    "SHARES",
    "EuroSat",
    "EuroSatRecord",
    "distance_km",
    "is_named",
    "open_eurosat",
    "pack_names",
    "split_of_place",
]

BLOCK_DEGREES: Final = 0.5
SHARES: Final = {"train": 0.70, "validation": 0.85, "test": 1.0}
"""A split's blocks are those whose hash, between 0 and 1, lies below; first match counts."""
MARGIN: Final = "margin"
MARGIN_KM: Final = 1.0
"""Pictures whose corners touch are 0.64 × √2 = 0.91 km apart."""

_EARTH_KM: Final = 6371.0
_NUMBERS: Final = 10**6
"""Numbers of pictures have six digits at most."""
_READERS: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class EuroSatRecord:
    """What is known of one picture before it is opened."""

    name: str
    label: str
    split: str
    latitude: float
    longitude: float
    """Degrees; both NaN where the place is not known."""
    member: str
    """Its path in the archive or folder."""


@dataclass(frozen=True, kw_only=True)
class EuroSat:
    """The pictures that are in a folder or its archive.

    Attributes:
        source: the archive, or the folder above the classes' folders.
        pictures: all of them, sorted by class and number.
        unplaced: how many have no place in ``locations.csv``.
    """

    source: Path
    pictures: tuple[EuroSatRecord, ...]
    unplaced: int

    name: str = "eurosat"
    title: str = "EuroSAT RGB"

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that it has, in the usual order."""
        found = {picture.split for picture in self.pictures}
        return tuple(split for split in SPLITS if split in found)

    def records(self, split: str = ALL) -> tuple[EuroSatRecord, ...]:
        """The pictures of a split; ``all`` has every picture, those of the margin too.

        Raises:
            UnknownName: there is no such split.
            BadInput: the split has no picture here.
        """
        wanted = split_name(split)
        found = tuple(p for p in self.pictures if wanted in (ALL, p.split))
        if not found:
            have = ", ".join((*self.splits, ALL))
            raise BadInput(
                f"{self.title} has no picture of the split '{wanted}' here: it has {have}. "
                f"Splits need {LOCATIONS} beside the pictures."
            )
        return found

    def load(self, split: str | Sequence[str], progress: Report | None = None) -> RgbStore:
        """Read all pictures of one split or several into memory.

        Raises:
            UnknownName: there is no such split.
            BadInput: a split has no picture here, or a picture cannot be read.
        """
        names = dict.fromkeys([split] if isinstance(split, str) else split)
        return self.load_pictures([p for name in names for p in self.records(name)], progress)

    def load_pictures(
        self, pictures: Sequence[EuroSatRecord], progress: Report | None = None
    ) -> RgbStore:
        """Read these pictures into memory, in their order.

        Raises:
            BadInput: a picture cannot be read.
        """
        pixels = np.empty((len(pictures), SIDE, SIDE, 3), dtype=np.uint8)
        with Members(self.source) as members, ThreadPoolExecutor(_READERS) as readers:
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
        """Counts by split and class, and how near splits come, JSON-ready."""
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
    """EuroSAT RGB under ``root``: the official archive, or its unpacked tree.

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
            f"'{shown(root.name)}' is not EuroSAT RGB: give the folder that holds {ARCHIVE} "
            f"or {FOLDER}."
        )
    with Members(source) as members:
        found = find_pictures(members.names())
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
    """The split of the block that a place lies in."""
    row, column = (math.floor(v / BLOCK_DEGREES) for v in (latitude, longitude))
    digest = hashlib.sha256(f"{row},{column}".encode()).digest()
    draw = int.from_bytes(digest[:4], "big") / 2**32
    return next(split for split, below in SHARES.items() if draw < below)


def pack_names(names: Sequence[str]) -> dict[str, str]:
    """The numbers of pictures by class, a bit each, in base 64: 500 letters a class.

    A card can so say of every single picture of EuroSAT whether its model learnt from it.

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


def is_named(names: Sequence[str], packed: object) -> npt.NDArray[np.bool_] | None:
    """Which of these pictures :func:`pack_names` put into ``packed``.

    Args:
        names: such as ``Forest_17``.
        packed: from a card that nobody has vouched for.

    Returns:
        None where ``packed`` is nothing that it could have come from.
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
    """How near the middles of two sets of pictures come; None where one has no place."""
    first, second = (
        np.radians([(p.latitude, p.longitude) for p in group if not math.isnan(p.latitude)])
        for group in (some, others)
    )
    if not len(first) or not len(second):
        return None
    nearest = BallTree(first, metric="haversine").query(second)[0].min()
    return float(nearest * _EARTH_KM)


def _splits(names: Sequence[str], places: dict[str, tuple[float, float]]) -> dict[str, str]:
    """The split of each picture, the margin between splits set aside."""
    splits = {n: split_of_place(*places[n]) if n in places else ALL for n in names}
    placed = np.array([n for n in names if n in places])
    if not len(placed):
        return splits
    where = np.radians([places[n] for n in placed])
    which = np.array([splits[n] for n in placed])
    for nearer, others in (("train", ("validation", "test")), ("validation", ("test",))):
        mine, theirs = which == nearer, np.isin(which, others)
        if mine.any() and theirs.any():
            far = BallTree(where[theirs], metric="haversine").query(where[mine])[0][:, 0]
            for name in placed[mine][far * _EARTH_KM < MARGIN_KM]:
                splits[str(name)] = MARGIN
    return splits
