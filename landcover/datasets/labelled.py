"""A labelled data set: records of patches, whose pixels are read on demand.

Records come from the tables of a data set. Pixels are read only for the requested patches, a
batch at a time, so half a million patches need no more memory than a few. Each record knows
where its pixels are: see :meth:`Record.native`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, UnknownName
from landcover.core.own_classes import OWN_SET, ClassLook
from landcover.core.progress import Progress, Report
from landcover.core.raster import Raster
from landcover.datasets.arrays import NativeStore
from landcover.io.band_files import Native, read_native, to_patch

__all__ = [
    "ALL",
    "SPLITS",
    "Dataset",
    "Record",
    "batches",
    "read_patches",
    "read_records",
    "split_name",
    "store_of",
    "targets_of",
]

SPLITS: Final[tuple[str, ...]] = ("train", "validation", "test")
ALL: Final = "all"
_SHORT: Final = {"val": "validation"}
_BATCH: Final = 64
_READERS: Final = 8
"""Files to read at a time: reading waits for the disk, not for the CPU."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """The entry of one patch in the tables of a data set."""

    patch_id: str
    labels: frozenset[str]
    """Names of the patch's classes; at least one, but in data of one's own."""
    split: str
    """``train``, ``validation``, ``test``, or ``all`` if the data set has no split."""
    country: str
    """Empty if unknown."""
    product: Path
    """The folder that contains the patch's folder."""
    cloudy: bool = False
    """Whether the data set lists it as having clouds or their shadows."""
    snowy: bool = False
    """Whether the data set lists it as having seasonal snow."""

    @property
    def folder(self) -> Path:
        """The folder with the band files."""
        return self.product / self.patch_id

    def native(self) -> Native:
        """Read the patch as it is stored.

        Raises:
            BadInput: it cannot be read.
        """
        return read_native(self.folder)

    def patch(self) -> Raster:
        """Read the patch as reflectance on the 10 m grid.

        Raises:
            BadInput: it cannot be read, or has no data.
        """
        return to_patch(self.native(), self.patch_id)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The patches of a data set that are on this disk.

    Attributes:
        name: the name in file names and reports.
        title: the name for people.
        all_records: all records, including those with clouds or snow.
        absent: number of patches in the tables that are not on the disk.
        first_absent: the name of the first of them.
        unlisted: number of patches on the disk that are not in the tables.
        classes: names of the classes, in the order of the class axis of targets.
        looks: class → how it is shown, for classes of one's own.
        bands: the bands that all patches have.
        about: a sentence on the data set that reports repeat, such as how it was split.
    """

    name: str
    title: str
    all_records: tuple[Record, ...]
    absent: int = 0
    first_absent: str = ""
    unlisted: int = 0
    classes: tuple[str, ...] = CLASS_NAMES
    looks: Mapping[str, ClassLook] = field(default_factory=dict)
    bands: tuple[str, ...] = BAND_NAMES
    about: str = ""

    @property
    def class_set(self) -> str:
        """Name of the class set in the card of a model for these classes."""
        return "bigearthnet-19" if self.classes == CLASS_NAMES else OWN_SET

    @property
    def splits(self) -> tuple[str, ...]:
        """The available splits, in the usual order."""
        found = {record.split for record in self.all_records}
        return tuple(split for split in SPLITS if split in found)

    def records(self, split: str = ALL) -> tuple[Record, ...]:
        """Return the patches of a split without clouds, shadows and snow, in the tables' order.

        Both versions of BigEarthNet list patches with clouds, shadows or snow separately and
        advise against using them for training and tests; :meth:`flawed` returns them.

        Args:
            split: ``train``, ``validation`` (or ``val``), ``test`` or ``all``.

        Raises:
            UnknownName: there is no such split.
            BadInput: the split has no patch here.
        """
        wanted = split_name(split)
        found = tuple(
            record
            for record in self.all_records
            if not (record.cloudy or record.snowy) and wanted in (ALL, record.split)
        )
        if not found:
            have = ", ".join((*self.splits, ALL))
            raise BadInput(f"{self.title} has no patch of the split '{wanted}' here, only: {have}.")
        return found

    def flawed(self) -> tuple[Record, ...]:
        """Return the patches that the data set lists as having clouds, shadows or snow."""
        return tuple(record for record in self.all_records if record.cloudy or record.snowy)

    def load(self, split: str | Sequence[str], progress: Report | None = None) -> NativeStore:
        """Read all patches of one or several splits into memory (158 kB per patch).

        Args:
            split: one split, or several.
            progress: called with the number of patches read.

        Raises:
            UnknownName: there is no such split.
            BadInput: a split has no patch here, or a patch cannot be read.
        """
        names = dict.fromkeys([split] if isinstance(split, str) else split)
        records = [record for name in names for record in self.records(name)]
        natives: list[Native] = []
        for batch in batches(records, _BATCH):
            natives += read_records(batch)
            if progress:
                done, total = len(natives), len(records)
                progress(Progress(what="Reading", done=done, total=total, unit="patches"))
        return store_of(records, natives, self.classes)

    def iter_batches(
        self, records: Sequence[Record], size: int = _BATCH
    ) -> Iterator[tuple[Sequence[Record], NativeStore]]:
        """Yield the records in batches of ``size``, with their pixels.

        Raises:
            BadInput: a patch cannot be read.
        """
        for batch in batches(records, size):
            yield batch, store_of(batch, read_records(batch), self.classes)

    def describe(self) -> dict[str, Any]:
        """Count patches by split, class and country, JSON-ready."""
        clear = [record for record in self.all_records if not (record.cloudy or record.snowy)]
        groups = {split: [r for r in clear if r.split == split] for split in self.splits}
        groups[ALL] = clear
        return {
            "dataset": self.name,
            "title": self.title,
            "n": len(clear),
            "flawed": len(self.all_records) - len(clear),
            "absent": self.absent,
            "first_absent": self.first_absent or None,
            "unlisted": self.unlisted,
            "note": self.note,
            "splits": {split: len(group) for split, group in groups.items()},
            "classes": {
                label: {split: counts[label] for split, counts in _labels(groups).items()}
                for label in self.classes
            },
            "countries": {
                split: dict(sorted(Counter(r.country or "unknown" for r in group).items()))
                for split, group in groups.items()
            },
        }

    @property
    def note(self) -> str:
        """Sentences about missing patches and :attr:`about`; empty if there is nothing to say."""
        return f"{self.missing} {self.about}".strip()

    @property
    def missing(self) -> str:
        """A sentence about missing patches; empty if none is missing."""
        if not self.absent:
            return ""
        total = self.absent + len(self.all_records)
        return (
            f"{self.absent:,} of the {total:,} patches in the tables are not on this disk "
            f"(the first is {self.first_absent}); all metrics are of the others."
        )


def split_name(split: str) -> str:
    """Return the full name of a split.

    Raises:
        UnknownName: there is no such split.
    """
    wanted = _SHORT.get(split.strip().lower(), split.strip().lower())
    if wanted not in (*SPLITS, ALL):
        raise UnknownName("split", split, (*SPLITS, ALL))
    return wanted


def batches(records: Sequence[Record], size: int) -> Iterator[Sequence[Record]]:
    """Yield the records in batches of ``size``."""
    for start in range(0, len(records), size):
        yield records[start : start + size]


def read_records(records: Sequence[Record]) -> list[Native]:
    """Read the pixels of records, in their order.

    Raises:
        BadInput: a patch cannot be read.
    """
    with ThreadPoolExecutor(_READERS) as readers:
        return list(readers.map(lambda record: record.native(), records))


def read_patches(records: Sequence[Record]) -> list[Raster]:
    """Read records as reflectance on the 10 m grid, in their order, as a user's file is read.

    Raises:
        BadInput: a patch cannot be read.
    """
    with ThreadPoolExecutor(_READERS) as readers:
        return list(readers.map(lambda record: record.patch(), records))


def targets_of(records: Sequence[Record], classes: Sequence[str] = CLASS_NAMES) -> Tensor:
    """Return float32 ``(patch, class)``, 1 if the patch has the class, otherwise 0."""
    column = {name: k for k, name in enumerate(classes)}
    targets = torch.zeros(len(records), len(classes))
    for row, record in enumerate(records):
        targets[row, [column[label] for label in record.labels]] = 1.0
    return targets


def store_of(
    records: Sequence[Record],
    natives: Sequence[Native],
    classes: tuple[str, ...] = CLASS_NAMES,
) -> NativeStore:
    """Combine records and their pixels into a store."""
    return NativeStore(
        g10=np.stack([native.g10 for native in natives]),
        g20=np.stack([native.g20 for native in natives]),
        g60=np.stack([native.g60 for native in natives]),
        targets=targets_of(records, classes),
        ids=tuple(record.patch_id for record in records),
        countries=tuple(record.country for record in records),
        classes=classes,
    )


def _labels(groups: dict[str, list[Record]]) -> dict[str, Counter[str]]:
    return {
        split: Counter(label for record in group for label in record.labels)
        for split, group in groups.items()
    }
