"""Convert a data set of small files to the fast store of :mod:`landcover.datasets.memory_mapped`.

Patches are appended block by block. A journal lists the blocks that are written to the disk and
their hashes, so an interrupted conversion resumes after the last block, and the finished files
are compared with the data that were read.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib import format as npy

from landcover.core import disk_errors, files, untrusted_json
from landcover.core.errors import BadInput
from landcover.core.prefetch import map_ahead
from landcover.core.progress import BYTES, Progress, Report, ignore
from landcover.datasets import memory_mapped
from landcover.datasets.arrays import Grid
from landcover.datasets.labelled import Dataset, Record, read_records
from landcover.datasets.memory_mapped import GRIDS, MANIFEST_FILE, PATCH_BYTES, SCHEMA, TABLE_FILE
from landcover.io.band_files import Native
from landcover.io.guard import shown

__all__ = ["BLOCK", "JOURNAL_FILE", "PROCESSES_FROM", "SPARE_BYTES", "Converted", "convert"]

JOURNAL_FILE: Final = "journal.jsonl"
BLOCK: Final = 256
"""Patches between two entries of the journal: 41 MB."""
PROCESSES_FROM: Final = 2000
"""Number of patches from which several processes are faster than one."""
SPARE_BYTES: Final = 100_000_000
"""Disk space required in addition to the pixels: for the table, the journal and a reserve."""


@dataclass(frozen=True, kw_only=True)
class Converted:
    """The result of a conversion.

    Attributes:
        root: the folder of the store.
        patches: number of patches in it.
        bytes: size of its files.
        resumed: number of patches that an earlier call had written.
        fresh: False if the store was already complete.
    """

    root: Path
    patches: int
    bytes: int
    resumed: int
    fresh: bool


def convert(
    dataset: Dataset,
    out: Path,
    *,
    flawed: bool = False,
    report: Report = ignore,
    block: int = BLOCK,
    processes_from: int = PROCESSES_FROM,
    spare_bytes: int = SPARE_BYTES,
) -> Converted:
    """Write a data set as a fast store, or resume an interrupted conversion; then verify it.

    Args:
        dataset: the data set to convert.
        out: the store's folder; missing, empty, or of the same conversion.
        flawed: whether to include the patches with clouds, shadows or snow.
        report: called with the patches or bytes done.
        block: patches between two entries of the journal; a conversion resumes only with the
            same number.
        processes_from: largest number of patches that one process reads alone.
        spare_bytes: disk space required in addition to the pixels.

    Raises:
        BadInput: a patch cannot be read, the disk lacks space, another run writes to the
            folder, it contains other files, or the written files differ from the data.
    """
    if isinstance(dataset, memory_mapped.MappedDataset):
        raise BadInput(f"{dataset.title} is already a fast store: give its original folders.")
    records = dataset.all_records if flawed else dataset.records()
    fingerprint = _fingerprint(dataset, records)
    if memory_mapped.is_store(out):
        return _complete(out, fingerprint, report)
    _check_folder(out)
    with files.lock(out), disk_errors.explained(out, folder=True):
        if memory_mapped.is_store(out):  # another run has just finished it
            return _complete(out, fingerprint, report)
        journal = _Journal(out, fingerprint, block)
        done = journal.resume()
        left = len(records) - done
        _check_space(out, left, spare_bytes)
        with _readers(left, processes_from) as pool:
            _append(records, journal, pool, report)
        arrays = _finish_arrays(out, journal, len(records), report)
        _write_table(out, records, journal.places())
        table = _described(out / TABLE_FILE)
        manifest = _manifest(dataset, len(records), fingerprint, [*arrays, table])
        files.write_text(out / MANIFEST_FILE, json.dumps(manifest, indent=2) + "\n")
        (out / JOURNAL_FILE).unlink()
    size = sum(item["bytes"] for item in manifest["files"])
    return Converted(root=out, patches=len(records), bytes=size, resumed=done, fresh=True)


class _Journal:
    """The list of written blocks, a line each, after a first line that identifies the data."""

    def __init__(self, out: Path, fingerprint: str, block: int) -> None:
        self.path = out / JOURNAL_FILE
        self.out = out
        self.head = {"mark": fingerprint, "block": block}
        self.block = block
        self.blocks: list[dict[str, Any]] = []

    def resume(self) -> int:
        """Read the blocks of an earlier call and return the number of patches in them.

        Raises:
            BadInput: the journal is of another conversion.
        """
        if not self.path.exists():
            files.write_bytes(self.path, _line(self.head))
        head, *lines = self.path.read_bytes().split(b"\n")
        if _parsed(head) != self.head:
            raise BadInput(
                f"'{shown(self.out.name)}' contains the beginning of another conversion: "
                "choose another folder, or remove it."
            )
        for line in lines:
            block = _parsed(line)
            if block is None or not self._on_disk(len(self.blocks), block):
                break
            self.blocks.append(block)
        # Remove a truncated last line, and lines of blocks that are not on the disk.
        whole = b"".join(_line(entry) for entry in (self.head, *self.blocks))
        files.write_bytes(self.path, whole)
        return self.patches

    @property
    def patches(self) -> int:
        """Number of patches in all blocks."""
        return sum(len(block["crs"]) for block in self.blocks)

    def add(self, natives: Sequence[Native], sums: dict[str, str]) -> None:
        """Add a block that has been written to the disk."""
        block = {
            "sha256": sums,
            "crs": [native.crs for native in natives],
            "left": [native.transform[2] for native in natives],
            "top": [native.transform[5] for native in natives],
            "acquired": [n.acquired.isoformat() if n.acquired else None for n in natives],
            "corine": [list(native.corine) for native in natives],
        }
        with self.path.open("ab") as file:
            file.write(_line(block))
            file.flush()
            os.fsync(file.fileno())
        self.blocks.append(block)

    def places(self) -> dict[str, list[Any]]:
        """Return the columns of the table that come from the pixel files."""
        names = ("crs", "left", "top", "acquired", "corine")
        columns = {name: [v for block in self.blocks for v in block[name]] for name in names}
        times = columns["acquired"]
        columns["acquired"] = [datetime.fromisoformat(text) if text else None for text in times]
        return columns

    def _on_disk(self, before: int, block: dict[str, Any]) -> bool:
        end = before * self.block + len(block["crs"])
        return all(
            path.exists() and path.stat().st_size >= _head_bytes(name) + end * _row_bytes(name)
            for name, path in _parts(self.out).items()
        )


def _append(records: Sequence[Record], journal: _Journal, pool: Executor, report: Report) -> None:
    """Read the remaining patches and write them, a block at a time."""
    done, size = journal.patches, journal.block
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(_opened(path, name, len(records), done))
            for name, path in _parts(journal.out).items()
        }
        blocks = [records[start : start + size] for start in range(done, len(records), size)]
        for natives in map_ahead(pool, read_records, blocks, os.cpu_count() or 1):
            sums = {
                name: _write_block(file, np.stack([getattr(n, name) for n in natives]))
                for name, file in files.items()
            }
            journal.add(natives, sums)
            done += len(natives)
            report(Progress(what="Converting", done=done, total=len(records), unit="patches"))


def _readers(patches: int, processes_from: int) -> Executor:
    """Create the executor for reading blocks: one process per core if there are many patches."""
    if patches <= processes_from:
        return ThreadPoolExecutor(1)
    return ProcessPoolExecutor(
        os.cpu_count(),
        mp_context=get_context("spawn"),  # the threads of torch do not survive a fork
        # Ctrl-C reaches all processes; only the main one handles it.
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )


def _opened(path: Path, name: str, count: int, done: int) -> BinaryIO:
    """Open an array's file after its first ``done`` patches and remove the rest."""
    file = path.open("r+b" if path.exists() else "w+b")
    if done == 0:
        file.truncate(0)
        file.write(_head(name, count))
    file.truncate(_head_bytes(name) + done * _row_bytes(name))
    file.seek(0, os.SEEK_END)
    return file


def _write_block(file: BinaryIO, block: Grid) -> str:
    """Write a block durably and return its SHA-256 sum."""
    data = np.ascontiguousarray(block, dtype="<u2").tobytes()
    file.write(data)
    file.flush()
    os.fsync(file.fileno())
    return hashlib.sha256(data).hexdigest()


def _finish_arrays(
    out: Path, journal: _Journal, count: int, report: Report
) -> list[dict[str, Any]]:
    """Read all arrays back, compare each block, and rename the files to their final names.

    Raises:
        BadInput: a file differs from what was written.
    """
    done, total = 0, count * PATCH_BYTES
    described = []
    for name, part in _parts(out).items():
        whole = hashlib.sha256()
        with part.open("rb") as file:
            _drop_cache(file)
            whole.update(file.read(_head_bytes(name)))
            for block in journal.blocks:
                data = file.read(len(block["crs"]) * _row_bytes(name))
                if hashlib.sha256(data).hexdigest() != block["sha256"][name]:
                    raise BadInput(
                        f"{part.name} of '{shown(out.name)}' differs from what was written: "
                        "check the disk, remove the folder and convert again."
                    )
                whole.update(data)
                done += len(data)
                report(Progress(what="Checking", done=done, total=total, unit=BYTES))
        described.append(
            {
                "file": f"{name}.npy",
                "bytes": part.stat().st_size,
                "sha256": whole.hexdigest(),
                "shape": [count, *GRIDS[name]],
                "dtype": "uint16",
                "bands": list(memory_mapped.BANDS_OF[name]),
            }
        )
    for name, part in _parts(out).items():
        part.replace(out / f"{name}.npy")
    return described


def _write_table(out: Path, records: Sequence[Record], places: dict[str, list[Any]]) -> None:
    columns = {
        "patch_id": [record.patch_id for record in records],
        "labels": [sorted(record.labels) for record in records],
        "split": [record.split for record in records],
        "country": [record.country for record in records],
        "contains_seasonal_snow": [record.snowy for record in records],
        "contains_cloud_or_shadow": [record.cloudy for record in records],
        **places,
    }
    with files.replacing(out / TABLE_FILE) as part:
        pq.write_table(pa.table(columns, schema=SCHEMA), part)


def _manifest(
    dataset: Dataset, count: int, fingerprint: str, files: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "format": memory_mapped.FORMAT,
        "version": memory_mapped.VERSION,
        "name": dataset.name,
        "title": dataset.title,
        "patches": count,
        "units": "digital numbers of Level-2A: surface reflectance × 10000",
        "mark": fingerprint,
        "absent": dataset.absent,
        "first_absent": dataset.first_absent,
        "unlisted": dataset.unlisted,
        "files": files,
    }


def _described(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {
        "file": path.name,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _complete(out: Path, fingerprint: str, report: Report) -> Converted:
    """Verify a store that is already complete.

    Raises:
        BadInput: it contains other patches, or is damaged.
    """
    manifest = memory_mapped.read_manifest(out)
    if manifest.get("mark") != fingerprint:
        raise BadInput(
            f"'{shown(out.name)}' is a store of other patches: choose another folder or remove it."
        )
    memory_mapped.verify(out, report)
    size = sum(int(item["bytes"]) for item in manifest["files"])
    count = int(manifest["patches"])
    return Converted(root=out, patches=count, bytes=size, resumed=count, fresh=False)


def _check_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        found = [path.name for path in out.iterdir() if not files.is_own(path.name)]
    except OSError:
        raise BadInput(
            f"'{shown(out.name)}' cannot be created or read: choose another folder."
        ) from None
    if found and JOURNAL_FILE not in found:
        raise BadInput(
            f"'{shown(out.name)}' contains other files: choose an empty folder for the store."
        )


def _check_space(out: Path, patches: int, spare_bytes: int) -> None:
    need, free = patches * PATCH_BYTES + spare_bytes, shutil.disk_usage(out).free
    if need > free:
        raise BadInput(
            f"The store needs {need / 1e9:,.1f} GB more and the disk of '{shown(out.name)}' has "
            f"{free / 1e9:,.1f} GB free: free some space or choose a folder on another disk."
        )


def _fingerprint(dataset: Dataset, records: Sequence[Record]) -> str:
    """Compute a SHA-256 sum of the input, which is the same for the same conversion."""
    digest = hashlib.sha256(dataset.name.encode())
    for record in records:
        labels = ";".join(sorted(record.labels))
        flags = f"{record.split};{record.country};{record.cloudy};{record.snowy}"
        digest.update(f"\n{record.patch_id};{labels};{flags}".encode())
    return digest.hexdigest()


def _parts(out: Path) -> dict[str, Path]:
    """Return each array's file, by its temporary name unless it has its final one."""
    return {name: _either(out, name) for name in GRIDS}


def _either(out: Path, name: str) -> Path:
    final = out / f"{name}.npy"
    return final if final.exists() else out / f"{name}.npy.part"


def _head(name: str, count: int) -> bytes:
    """Make the header of a NumPy file of ``count`` patches."""
    buffer = io.BytesIO()
    shape = (count, *GRIDS[name])
    npy.write_array_header_1_0(buffer, {"descr": "<u2", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _head_bytes(name: str) -> int:
    """Return the length of a header; NumPy pads it to 64 bytes, so it is the same for all."""
    return len(_head(name, 1))


def _row_bytes(name: str) -> int:
    return 2 * int(np.prod(GRIDS[name]))


def _drop_cache(file: BinaryIO) -> None:
    """Drop a file from the page cache, so that it is read from the disk."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry).encode() + b"\n"


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = untrusted_json.parse(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
