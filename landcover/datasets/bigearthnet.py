"""BigEarthNet on disk: version 2 (reBEN, Clasen et al. 2024) and version 1 (Sumbul et al. 2019).

Version 2 as it is distributed::

    ROOT/BigEarthNet-S2/<product>/<patch>/<patch>_<BAND>.tif
    ROOT/metadata.parquet                                        labels, split, country
    ROOT/metadata_for_patches_with_snow_cloud_or_shadow.parquet  the same for flawed ones (optional)

Version 1 as it is distributed; the lists are optional::

    ROOT/BigEarthNet-v1.0/<patch>/<patch>_<BAND>.tif  (or ROOT/<patch>/…)
    ROOT/BigEarthNet-v1.0/<patch>/<patch>_labels_metadata.json   43 CORINE labels
    ROOT/train.csv, val.csv, test.csv                            official split
    ROOT/patches_with_cloud_and_shadow.csv, patches_with_seasonal_snow.csv

The patches on the disk are found by listing folders, without opening each patch. A copy may
contain only some of the patches; those that are listed in the tables but missing are counted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from landcover.core import untrusted_json
from landcover.core.classes import CLASS_NAMES, from_corine
from landcover.core.errors import BadInput, UnknownName
from landcover.datasets import memory_mapped
from landcover.datasets.labelled import ALL, Dataset, Record
from landcover.io.band_files import LABELS_SUFFIX, MAX_LABEL_BYTES
from landcover.io.guard import read_file, shown

__all__ = [
    "CLOUDY_V1",
    "FLAWED_V2",
    "MAX_TABLE_BYTES",
    "METADATA_V2",
    "PIXELS_V1",
    "PIXELS_V2",
    "SNOWY_V1",
    "SPLITS_V1",
    "open_either",
    "open_v1",
    "open_v2",
    "place_of",
]

PIXELS_V2: Final = "BigEarthNet-S2"
METADATA_V2: Final = "metadata.parquet"
FLAWED_V2: Final = "metadata_for_patches_with_snow_cloud_or_shadow.parquet"
PIXELS_V1: Final = "BigEarthNet-v1.0"
SPLITS_V1: Final = {"train.csv": "train", "val.csv": "validation", "test.csv": "test"}
CLOUDY_V1: Final = "patches_with_cloud_and_shadow.csv"
SNOWY_V1: Final = "patches_with_seasonal_snow.csv"

MAX_TABLE_BYTES: Final = 500_000_000
"""Limit for the size of a table; the official ones have 20 MB or less."""
_COLUMNS: Final = (
    "patch_id",
    "labels",
    "split",
    "country",
    "contains_seasonal_snow",
    "contains_cloud_or_shadow",
)
_SPLITS: Final = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
_V2_NAME: Final = re.compile(r"^S2[A-D]_MSIL2A_\w+_T(\w{5})_(\d{1,3})_(\d{1,3})$")
_V1_NAME: Final = re.compile(r"^S2[A-D]_MSIL2A_\d{8}T\d{1,6}_\d{1,3}_\d{1,3}$")
_READERS: Final = 16


def open_v2(root: Path) -> Dataset:
    """Open BigEarthNet v2 in the folder ``root``.

    Raises:
        BadInput: the folder lacks the table or the pixels, the table cannot be read, or
            they have no patch in common.
    """
    _check_root(root)
    if not (root / METADATA_V2).is_file() or not (root / PIXELS_V2).is_dir():
        raise BadInput(
            f"'{shown(root.name)}' is not BigEarthNet v2: give the folder that contains "
            f"{METADATA_V2} and {PIXELS_V2}."
        )
    here = {
        patch: product
        for product in _folders(root / PIXELS_V2)
        for patch in _names(product)
        if _V2_NAME.match(patch)
    }
    tables = [_read_table(root / METADATA_V2)]
    if (root / FLAWED_V2).is_file():
        tables.append(_read_table(root / FLAWED_V2))
    records: list[Record] = []
    absent: list[str] = []
    seen: set[str] = set()
    for values in (values for table in tables for values in table):
        row = dict(zip(_COLUMNS, values, strict=True))
        patch = str(row["patch_id"])
        if patch in seen:
            raise BadInput(f"{METADATA_V2} lists {shown(patch)} twice: copy it again.")
        seen.add(patch)
        if patch in here:
            records.append(_record_v2(row, here[patch]))
        else:
            absent.append(patch)
    return _dataset(
        "bigearthnet-v2", "BigEarthNet v2 (reBEN)", records, absent, len(here.keys() - seen)
    )


def open_v1(root: Path) -> Dataset:
    """Open BigEarthNet v1 in the folder ``root`` and convert its 43 labels to the 19 classes.

    Patches without any of the 19 classes are left out, as in the official split. The labels
    of each patch are in a separate file, so opening reads as many files as there are patches.

    Raises:
        BadInput: there is no v1 patch, or a list or a file of labels cannot be read.
    """
    _check_root(root)
    pixels = root / PIXELS_V1 if (root / PIXELS_V1).is_dir() else root
    here = sorted(patch for patch in _names(pixels) if _V1_NAME.match(patch))
    if not here:
        raise BadInput(
            f"'{shown(root.name)}' is not BigEarthNet v1: give the folder that contains "
            f"{PIXELS_V1} or the patches' folders."
        )
    splits = {
        patch: split for file, split in SPLITS_V1.items() for patch in _read_list(root / file)
    }
    cloudy, snowy = (frozenset(_read_list(root / file)) for file in (CLOUDY_V1, SNOWY_V1))
    listed = [patch for patch in here if not splits or patch in splits or patch in cloudy | snowy]
    with ThreadPoolExecutor(_READERS) as readers:
        labels = list(readers.map(lambda patch: _labels_v1(pixels / patch), listed))
    records = [
        Record(
            patch_id=patch,
            labels=found,
            split=splits.get(patch, ALL),
            country="",
            product=pixels,
            cloudy=patch in cloudy,
            snowy=patch in snowy,
        )
        for patch, found in zip(listed, labels, strict=True)
        if found
    ]
    absent = [patch for patch in splits if patch not in set(here)]
    return _dataset("bigearthnet-v1", "BigEarthNet v1", records, absent, len(here) - len(listed))


def open_either(root: Path) -> Dataset:
    """Open BigEarthNet of either version, or a fast store of it, by the layout of the folder.

    Raises:
        BadInput: the layout is unknown, or as in :func:`open_v2` and :func:`open_v1`.
    """
    _check_root(root)
    if memory_mapped.is_store(root):
        return memory_mapped.open_store(root)
    if (root / METADATA_V2).exists() or (root / PIXELS_V2).exists():
        return open_v2(root)
    if (root / PIXELS_V1).is_dir() or any(_V1_NAME.match(name) for name in _names(root)):
        return open_v1(root)
    raise BadInput(
        f"'{shown(root.name)}' does not contain BigEarthNet: give the folder with {METADATA_V2} "
        f"and {PIXELS_V2} (version 2), or with {PIXELS_V1} or its patches' folders (version 1)."
    )


def place_of(patch_id: str) -> tuple[str, int, int] | None:
    """Parse Sentinel-2 tile, column and row (in patches) from a v2 name; None for other names."""
    match = _V2_NAME.match(patch_id)
    return (match[1], int(match[2]), int(match[3])) if match else None


def _dataset(
    name: str, title: str, records: list[Record], absent: list[str], unlisted: int
) -> Dataset:
    if not records:
        raise BadInput(
            f"{title}: none of the patches listed in its tables is in the folder: "
            "check that the pixels are unpacked there."
        )
    return Dataset(
        name=name,
        title=title,
        all_records=tuple(records),
        absent=len(absent),
        first_absent=shown(absent[0]) if absent else "",
        unlisted=unlisted,
    )


def _check_root(root: Path) -> None:
    if not root.is_dir():
        raise BadInput(f"There is no folder '{shown(root.name)}': check the path of the data set.")


def _names(folder: Path) -> list[str]:
    """List the folders in a folder, sorted, so that the result does not depend on the disk."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except OSError:
        raise BadInput(
            f"The folder '{shown(folder.name)}' cannot be read: check its permissions."
        ) from None


def _folders(folder: Path) -> Iterator[Path]:
    return (folder / name for name in _names(folder))


def _read_table(path: Path) -> list[tuple[Any, ...]]:
    """Read the rows of an official table, with values in the order of ``_COLUMNS``."""
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise BadInput(f"{path.name} is larger than 500 MB: it is not the official table.")
        have = set(pq.read_schema(path).names)
        if missing := [name for name in _COLUMNS if name not in have]:
            raise BadInput(
                f"{path.name} has no column '{missing[0]}': use BigEarthNet v2's official table."
            )
        table = pq.read_table(path, columns=list(_COLUMNS))
        # Text is decoded here, so that damaged text is caught.
        return list(zip(*(table[name].to_pylist() for name in _COLUMNS), strict=True))
    except (pa.ArrowException, OSError, ValueError, KeyError):
        raise BadInput(f"{path.name} is damaged or not a Parquet table: copy it again.") from None


def _record_v2(row: Mapping[str, Any], product: Path) -> Record:
    patch, raw = str(row["patch_id"]), row["labels"]
    labels = _label_set(tuple(map(str, raw))) if _is_list(raw) else None
    if not labels:
        raise BadInput(
            f"{METADATA_V2} gives {shown(patch)} labels that are not among the 19 classes: "
            "use BigEarthNet v2's official table."
        )
    split = _SPLITS.get(str(row["split"]))
    if split is None:
        raise BadInput(
            f"{METADATA_V2} puts {shown(patch)} into the split '{shown(str(row['split']))}': "
            "use BigEarthNet v2's official table."
        )
    return Record(
        patch_id=patch,
        labels=labels,
        split=split,
        country=str(row["country"])[:60],
        product=product,
        cloudy=bool(row["contains_cloud_or_shadow"]),
        snowy=bool(row["contains_seasonal_snow"]),
    )


@lru_cache(maxsize=100_000)
def _label_set(labels: tuple[str, ...]) -> frozenset[str] | None:
    """Return the labels as a set, shared by all patches with it; None if a label is unknown."""
    found = frozenset(labels)
    return found if found <= frozenset(CLASS_NAMES) else None


def _is_list(value: object) -> bool:
    return not isinstance(value, str | bytes) and isinstance(value, Iterable)


def _read_list(path: Path) -> list[str]:
    """Read the patch names in the first column of a list; empty if there is no such file."""
    if not path.is_file():
        return []
    try:
        text = read_file(path, MAX_TABLE_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput(f"{path.name} is not a list of patches: copy it again.") from None
    names = [line.split(",")[0].strip() for line in text.splitlines()]
    return [name for name in names if _V1_NAME.match(name)]


def _labels_v1(folder: Path) -> frozenset[str]:
    path = folder / f"{folder.name}{LABELS_SUFFIX}"
    try:
        labels = untrusted_json.parse(read_file(path, MAX_LABEL_BYTES))["labels"]
        found = from_corine(map(str, labels))
    except UnknownName:
        raise BadInput(
            f"{shown(path.name)} has a class that BigEarthNet v1 does not have: copy it again."
        ) from None
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{shown(path.name)} contains no labels: copy it again.") from None
    return found
