"""Check whether a folder contains a complete data set: files, sums, counts, sample patches."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any, Final

from landcover.core.errors import BadInput, LandcoverError
from landcover.core.progress import Progress, Report, ignore
from landcover.core.text import one_line
from landcover.datasets import bigearthnet, eurosat, own
from landcover.datasets.downloads import unpacked_markers
from landcover.datasets.downloads.partial_file import PART, state
from landcover.datasets.downloads.zenodo import RemoteFile, Source
from landcover.datasets.labelled import ALL, Dataset
from landcover.io.band_files import read_native

__all__ = ["OFFICIAL", "as_text", "check", "check_own"]

OFFICIAL: Final[dict[str, dict[str, int]]] = {
    # Counted in the record's metadata.parquet and the table of flawed patches.
    "bigearthnet": {"train": 237_871, "validation": 122_342, "test": 119_825, "flawed": 69_450},
    # Helber et al. 2019, table 2; it has no official split.
    "eurosat": {ALL: 27_000},
}
"""Data set → split → number of patches or pictures in the complete data set."""


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What the reader of a data set found in a folder."""

    counts: dict[str, int]
    names: tuple[str, ...]
    open_one: Callable[[int], object]
    """Read the pixels of one of ``names``, by its index."""
    notes: tuple[str, ...] = ()


def check(
    source: Source,
    root: Path,
    *,
    sample: int = 20,
    seed: int = 0,
    report: Report = ignore,
    cancel: Event | None = None,
) -> dict[str, Any]:
    """Check a folder.

    Args:
        source: the expected data set.
        root: the folder.
        sample: number of randomly chosen patches or pictures to open.
        seed: of the random choice.
        report: called with the bytes checked and the patches opened.
        cancel: set by the user to stop.

    Returns:
        JSON-ready: ``dataset``, ``root``, ``complete`` (whether nothing is missing or wrong),
        ``files`` (name, ``state``: right, wrong, part, unpacked or absent; bytes), ``counts``
        (split → ``here``, ``official``), ``sample`` (``opened``, ``failed``: name → reason),
        ``problems`` (a sentence each).

    Raises:
        BadInput: there is no such folder.
        Cancelled: the user stopped it.
    """
    if not root.is_dir():
        raise BadInput(f"There is no folder '{root}': check the path of the data set.")
    stop = cancel or Event()
    problems: list[str] = []
    files = [_file(file, root, report, stop, problems) for file in source.files]
    official = OFFICIAL[source.name]
    counts, opened = dict.fromkeys(official, 0), 0
    failed: dict[str, str] = {}
    try:
        found = _READERS[source.name](root)
    except LandcoverError as error:
        problems.append(str(error))
    else:
        counts |= found.counts
        problems += found.notes
        opened, failed = _open_some(found, sample, seed, report)
        problems += [f"{name}: {why}" for name, why in failed.items()]
    problems += [
        f"{source.title} has {official[split]:,} in '{split}', but {here:,} are here."
        for split, here in counts.items()
        if here != official[split]
    ]
    return {
        "dataset": source.name,
        "title": source.title,
        "root": str(root),
        "complete": not problems,
        "files": files,
        "counts": {
            split: {"here": here, "official": official[split]} for split, here in counts.items()
        },
        "sample": {"opened": opened, "failed": failed},
        "problems": problems,
    }


def check_own(
    root: Path, *, sample: int = 20, seed: int = 0, report: Report = ignore
) -> dict[str, Any]:
    """Check a folder of one's own files: whether tables and files fit and can be read.

    Args:
        root: the folder.
        sample: number of randomly chosen patches to open.
        seed: of the random choice.
        report: called with the patches opened.

    Returns:
        as :func:`check`, without official numbers.
    """
    problems: list[str] = []
    counts: dict[str, int] = {}
    opened, failed, title = 0, dict[str, str](), "Patches of your own"
    try:
        dataset = own.open_own(root)
    except LandcoverError as error:
        problems.append(str(error))
    else:
        found = _patches(dataset, lambda index: dataset.all_records[index].patch())
        title, problems = dataset.title, list(found.notes)
        counts = {split: found.counts[split] for split in (*dataset.splits, ALL)
                  if split in found.counts}  # fmt: skip
        opened, failed = _open_some(found, sample, seed, report)
        problems += [f"{name}: {why}" for name, why in failed.items()]
    return {
        "dataset": own.NAME,
        "title": title,
        "root": str(root),
        "complete": not problems,
        "files": [],
        "counts": {split: {"here": here, "official": None} for split, here in counts.items()},
        "sample": {"opened": opened, "failed": failed},
        "problems": problems,
    }


def as_text(record: dict[str, Any]) -> str:
    """Format a result of :func:`check` as text."""
    lines = [one_line(f"{record['title']} in {record['root']}")]
    lines += [
        f"  {file['state']:<9} {file['name']} ({file['bytes'] / 1e6:,.1f} of "
        f"{file['published_bytes'] / 1e6:,.1f} MB)"
        for file in record["files"]
    ]
    lines += [
        f"  {split:<11}{count['here']:>9,}"
        + ("" if count["official"] is None else f" of {count['official']:,}")
        for split, count in record["counts"].items()
    ]
    sample = record["sample"]
    lines.append(f"  {sample['opened']} opened at random, {len(sample['failed'])} unreadable")
    lines.append("Complete." if record["complete"] else "Not complete:")
    return "\n".join([*lines, *(f"  {problem}" for problem in record["problems"])])


def _file(
    file: RemoteFile, root: Path, report: Report, stop: Event, problems: list[str]
) -> dict[str, Any]:
    path, part = root / file.name, root / f"{file.name}{PART}"
    size = 0
    marker = unpacked_markers.unpacked(file, root)
    if path.exists():
        trouble = state(file, path, report, stop)
        what, size = ("wrong" if trouble else "right"), _size(path)
        if trouble:
            problems.append(
                f"'{file.name}' {trouble}: delete it and run `landcover data download`."
            )
    elif marker is not None:
        what = "unpacked"
    elif part.exists():
        what, size = "part", _size(part)
        problems.append(f"'{file.name}' is incomplete: run `landcover data download` to resume.")
    else:
        what = "absent"
        unpacked = file.contents is not None and (root / file.contents.folder).is_dir()
        if not unpacked:
            problems.append(f"'{file.name}' is not here: run `landcover data download`.")
    return {
        "name": file.name,
        "state": what,
        "bytes": size,
        "published_bytes": file.size,
        "published_md5": file.md5,
        "files_unpacked": marker["files"] if marker else None,
    }


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _open_some(found: _Found, sample: int, seed: int, report: Report) -> tuple[int, dict[str, str]]:
    failed: dict[str, str] = {}
    count = min(sample, len(found.names))
    chosen = sorted(random.Random(seed).sample(range(len(found.names)), count))  # noqa: S311
    for done, index in enumerate(chosen, start=1):
        try:
            found.open_one(index)
        except LandcoverError as error:
            failed[found.names[index]] = str(error)
        report(Progress(what="Opening", done=done, total=count, unit="files"))
    return count, failed


def _bigearthnet(root: Path) -> _Found:
    dataset = bigearthnet.open_v2(root)
    records = dataset.all_records
    found = _patches(dataset, lambda index: read_native(records[index].folder))
    counts = {split: found.counts.get(split, 0) for split in OFFICIAL["bigearthnet"]}
    return replace(found, counts=counts)


def _patches(dataset: Dataset, open_one: Callable[[int], object]) -> _Found:
    records = dataset.all_records
    notes = [dataset.missing] if dataset.missing else []
    if dataset.unlisted:
        notes.append(f"{dataset.unlisted:,} patches are here that are not in any table.")
    return _Found(
        counts=dict(Counter("flawed" if r.cloudy or r.snowy else r.split for r in records)),
        names=tuple(record.patch_id for record in records),
        open_one=open_one,
        notes=tuple(notes),
    )


def _eurosat(root: Path) -> _Found:
    dataset = eurosat.open_eurosat(root)
    pictures = dataset.pictures
    return _Found(
        counts={ALL: len(pictures)},
        names=tuple(picture.name for picture in pictures),
        open_one=lambda index: replace(dataset, pictures=(pictures[index],)).load(ALL),
    )


_READERS: Final[dict[str, Callable[[Path], _Found]]] = {
    "bigearthnet": _bigearthnet,
    "eurosat": _eurosat,
}
