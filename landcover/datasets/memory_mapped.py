"""The fast store: patches in a few large files, memory-mapped NumPy arrays and a table.

Half a million patches are 6.6 million small files, and opening them takes most of the
time of a training run. The fast store has the same values in these files::

    STORE/g10.npy         uint16 (n, 4, 120, 120)   B02 B03 B04 B08
    STORE/g20.npy         uint16 (n, 6, 60, 60)     B05 B06 B07 B8A B11 B12
    STORE/g60.npy         uint16 (n, 2, 20, 20)     B01 B09
    STORE/patches.parquet one row per patch: labels, split, country, flags, place
    STORE/manifest.json   shapes, bytes and SHA-256 of each; written last

Any program that reads NumPy and Parquet files can read it. A patch takes 158 kB in three
pieces. Data that were read stay in the system's page cache, which all processes share, so
training on eight GPUs does not need eight copies. :mod:`landcover.datasets.convert` writes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from landcover.core import untrusted_json
from landcover.core.bands import BANDS_10M, BANDS_20M, BANDS_60M, PATCH_PIXELS
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.core.numpy_files import DAMAGED
from landcover.core.progress import BYTES, Progress, Report, ignore
from landcover.core.window import grid
from landcover.datasets.arrays import Grid, NativeStore
from landcover.datasets.labelled import SPLITS, Dataset, Record, targets_of
from landcover.io.band_files import Native
from landcover.io.guard import shown

__all__ = [
    "BANDS_OF",
    "FORMAT",
    "GRIDS",
    "MANIFEST_FILE",
    "PATCH_BYTES",
    "SCHEMA",
    "TABLE_FILE",
    "VERSION",
    "Arrays",
    "MappedDataset",
    "MappedRecord",
    "is_store",
    "open_store",
    "read_manifest",
    "verify",
]

MANIFEST_FILE: Final = "manifest.json"
TABLE_FILE: Final = "patches.parquet"
FORMAT: Final = "landcover-patches"
VERSION: Final = 1
BANDS_OF: Final = {"g10": BANDS_10M, "g20": BANDS_20M, "g60": BANDS_60M}
"""Name of each array → the bands in it."""
GRIDS: Final[dict[str, tuple[int, int, int]]] = {
    name: (len(BANDS_OF[name]), PATCH_PIXELS // factor, PATCH_PIXELS // factor)
    for name, factor in (("g10", 1), ("g20", 2), ("g60", 6))
}
"""Name of each array → shape of one patch in it, ``(band, y, x)``."""
PATCH_BYTES: Final = 2 * sum(int(np.prod(shape)) for shape in GRIDS.values())
"""Bytes of a patch's pixels: 160,000."""
SCHEMA: Final = pa.schema(
    [
        ("patch_id", pa.string()),
        ("labels", pa.list_(pa.string())),
        ("split", pa.string()),
        ("country", pa.string()),
        ("contains_seasonal_snow", pa.bool_()),
        ("contains_cloud_or_shadow", pa.bool_()),
        ("crs", pa.string()),
        ("left", pa.float64()),
        ("top", pa.float64()),
        ("acquired", pa.timestamp("us", tz="UTC")),
        ("corine", pa.list_(pa.string())),
    ]
)
"""Schema of the table; the first six columns are named as in BigEarthNet's tables."""

_MAX_MANIFEST_BYTES: Final = 100_000
_MAX_TABLE_BYTES: Final = 500_000_000
_READ_AT_ONCE: Final = 16 * 2**20


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """The open files: three arrays and the table, with one row per patch."""

    g10: Grid
    g20: Grid
    g60: Grid
    table: pa.Table


@dataclass(frozen=True, kw_only=True, slots=True)
class MappedRecord(Record):
    """A patch of a fast store: a row of its arrays."""

    row: int
    arrays: Arrays = field(compare=False, repr=False)

    def native(self) -> Native:
        """Read the patch as it is stored."""
        place = self.arrays.table.slice(self.row, 1).to_pylist()[0]
        return Native(
            name=self.patch_id,
            g10=np.array(self.arrays.g10[self.row]),
            g20=np.array(self.arrays.g20[self.row]),
            g60=np.array(self.arrays.g60[self.row]),
            crs=place["crs"],
            transform=grid(place["left"], place["top"]),
            acquired=place["acquired"],
            corine=tuple(place["corine"]),
        )


@dataclass(frozen=True, kw_only=True)
class MappedDataset(Dataset):
    """A data set in a fast store; it differs only in where its pixels come from."""

    arrays: Arrays = field(compare=False, repr=False)

    def load(self, split: str | Sequence[str], progress: Report | None = None) -> NativeStore:
        """Return the patches of one or several splits; their pixels are read when needed.

        Args:
            split: one split, or several.
            progress: called once, since nothing is read.

        Raises:
            UnknownName: there is no such split.
            BadInput: a split has no patch here.
        """
        names = dict.fromkeys([split] if isinstance(split, str) else split)
        records = [record for name in names for record in self.records(name)]
        if progress:
            count = len(records)
            progress(Progress(what="Reading", done=count, total=count, unit="patches"))
        rows = [record.row for record in records if isinstance(record, MappedRecord)]
        return NativeStore(
            g10=self.arrays.g10,
            g20=self.arrays.g20,
            g60=self.arrays.g60,
            targets=targets_of(records),
            ids=tuple(record.patch_id for record in records),
            countries=tuple(record.country for record in records),
            rows=np.array(rows, dtype=np.intp),
        )


def is_store(root: Path) -> bool:
    """Return whether a folder contains a fast store."""
    return (root / MANIFEST_FILE).is_file()


def open_store(root: Path) -> MappedDataset:
    """Open the data set in a fast store. Maps its arrays and reads its table, but no pixels.

    Raises:
        BadInput: the store is damaged, incomplete, or of another version.
    """
    manifest = read_manifest(root)
    try:
        count = int(manifest["patches"])
        arrays = Arrays(
            **{name: _map(root, name, count) for name in GRIDS}, table=_read_table(root, count)
        )
        records = tuple(_records(root, arrays))
        return MappedDataset(
            name=str(manifest["name"]),
            title=str(manifest["title"]),
            all_records=records,
            absent=int(manifest["absent"]),
            first_absent=str(manifest["first_absent"]),
            unlisted=int(manifest["unlisted"]),
            arrays=arrays,
        )
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        raise _damaged(root, MANIFEST_FILE) from None


def read_manifest(root: Path) -> dict[str, Any]:
    """Read the manifest of a store.

    Raises:
        BadInput: it cannot be read, or is of another version.
    """
    path = root / MANIFEST_FILE
    try:
        if path.stat().st_size > _MAX_MANIFEST_BYTES:
            raise _damaged(root, MANIFEST_FILE)
        manifest = untrusted_json.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise _damaged(root, MANIFEST_FILE) from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BadInput(
            f"The {MANIFEST_FILE} in '{shown(root.name)}' is not that of a store of patches: "
            "give the folder that `landcover data convert` wrote."
        )
    if manifest.get("version") != VERSION:
        raise BadInput(
            f"'{shown(root.name)}' is a store of another version: convert the data set again."
        )
    return manifest


def verify(root: Path, report: Report = ignore) -> None:
    """Read all files of a store and compare them with the SHA-256 sums of its manifest.

    Args:
        root: the store's folder.
        report: called with the bytes read.

    Raises:
        BadInput: a file is damaged or missing.
    """
    manifest = read_manifest(root)
    try:
        files = {str(item["file"]): item for item in manifest["files"]}
        wanted = {name: (int(f["bytes"]), str(f["sha256"])) for name, f in files.items()}
    except (KeyError, TypeError, ValueError):
        raise _damaged(root, MANIFEST_FILE) from None
    if set(wanted) != {TABLE_FILE, *(f"{name}.npy" for name in GRIDS)}:
        raise _damaged(root, MANIFEST_FILE)
    total, done = sum(size for size, _ in wanted.values()), 0
    for name, (size, sha256) in wanted.items():
        digest = hashlib.sha256()
        try:
            if (root / name).stat().st_size != size:
                raise _damaged(root, name)
            with (root / name).open("rb") as file:
                while block := file.read(_READ_AT_ONCE):
                    digest.update(block)
                    done += len(block)
                    report(Progress(what="Checking", done=done, total=total, unit=BYTES))
        except OSError:
            raise _damaged(root, name) from None
        if digest.hexdigest() != sha256:
            raise _damaged(root, name)


def _map(root: Path, name: str, count: int) -> Grid:
    """Map one of the arrays, read-only."""
    path = root / f"{name}.npy"
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGED:
        raise _damaged(root, path.name) from None
    if array.shape != (count, *GRIDS[name]) or array.dtype != np.uint16 or not count:
        raise _damaged(root, path.name)
    # A plain array is still memory-mapped, and faster to index.
    plain: Grid = array.view(np.ndarray)
    return plain


def _read_table(root: Path, count: int) -> pa.Table:
    path = root / TABLE_FILE
    try:
        if path.stat().st_size > _MAX_TABLE_BYTES:
            raise _damaged(root, TABLE_FILE)
        table = pq.read_table(path)
    except (pa.ArrowException, OSError, ValueError):
        raise _damaged(root, TABLE_FILE) from None
    if table.num_rows != count or not table.schema.equals(SCHEMA):
        raise _damaged(root, TABLE_FILE)
    return table


def _records(root: Path, arrays: Arrays) -> Iterator[MappedRecord]:
    known: dict[tuple[str, ...], frozenset[str]] = {}
    columns = (arrays.table[name].to_pylist() for name in SCHEMA.names[:6])
    for row, (patch, raw, split, country, snowy, cloudy) in enumerate(zip(*columns, strict=True)):
        names = tuple(raw)
        labels = known.setdefault(names, frozenset(names))
        if not labels or not labels <= set(CLASS_NAMES) or split not in (*SPLITS, "all"):
            raise _damaged(root, TABLE_FILE)
        yield MappedRecord(
            patch_id=patch,
            labels=labels,
            split=split,
            country=country,
            product=root,
            cloudy=cloudy,
            snowy=snowy,
            row=row,
            arrays=arrays,
        )


def _damaged(root: Path, name: str) -> BadInput:
    return BadInput(
        f"{name} of the store '{shown(root.name)}' is damaged or missing: "
        "remove the folder and convert the data set again."
    )
