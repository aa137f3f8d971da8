"""Searching a folder for scenes, without descending into recognised ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from landcover.core.errors import BadInput
from landcover.io.guard import shown
from landcover.stac.layouts.band_set import SUFFIXES, BandSet, read_set, sets_in
from landcover.stac.layouts.bigearthnet_patch import is_patch, read_patch
from landcover.stac.layouts.found_scene import FoundScene
from landcover.stac.layouts.safe import product_file, read_safe
from landcover.stac.layouts.stacked_file import read_stack

__all__ = ["MAX_DEPTH", "MAX_ENTRIES", "Skipped", "scenes"]

MAX_DEPTH: Final = 16
"""Maximum depth of folders below the first."""
MAX_ENTRIES: Final = 20_000_000
"""Maximum number of files and folders; all of BigEarthNet has seven million."""


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A file or folder that looks like a scene but is not in the catalogue.

    Attributes:
        path: of the file or folder.
        why: the reason, one sentence.
    """

    path: Path
    why: str


@dataclass
class _Walk:
    date: datetime | None
    seen: set[tuple[int, int]] = field(default_factory=set)
    entries: int = 0


def scenes(folder: Path, date: datetime | None) -> Iterator[FoundScene | Skipped | None]:
    """Yield what is found below a folder, in order of the names, and None after each folder.

    Errors are not raised: a scene that cannot be used is yielded as :class:`Skipped`. Links to
    folders are followed, but no folder is searched twice.

    Args:
        folder: to search; it may be a scene itself.
        date: sensing time of scenes whose names and metadata have none.
    """
    yield from _below(folder, 0, _Walk(date))


def _below(folder: Path, depth: int, walk: _Walk) -> Iterator[FoundScene | Skipped | None]:
    listing = _listing(folder, walk)
    if isinstance(listing, Skipped):
        yield listing
        return
    files, folders = listing
    yield from _scenes_in(folder, files, folders, walk.date)
    yield None
    if _is_one_scene(folder, files, folders):
        return
    for name in folders:
        if depth >= MAX_DEPTH or walk.entries >= MAX_ENTRIES:
            where = f"{MAX_DEPTH} folders deep" if depth >= MAX_DEPTH else f"{MAX_ENTRIES:,} files"
            yield Skipped(
                path=folder / name,
                why=f"'{shown(name)}' is beyond the limit ({where}): index it separately.",
            )
            return
        yield from _below(folder / name, depth + 1, walk)


def _listing(folder: Path, walk: _Walk) -> tuple[list[str], list[str]] | Skipped:
    """Names of the regular files and folders in a new folder; hidden ones are ignored."""
    files: list[str] = []
    folders: list[str] = []
    try:
        facts = folder.stat()
        if (facts.st_dev, facts.st_ino) in walk.seen:
            return files, folders
        walk.seen.add((facts.st_dev, facts.st_ino))
        with os.scandir(folder) as entries:
            for entry in entries:
                walk.entries += 1
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                elif entry.is_file():
                    files.append(entry.name)
    except OSError:
        return Skipped(
            path=folder, why=f"'{shown(folder.name)}' cannot be opened: check its permissions."
        )
    return sorted(files), sorted(folders)


def _is_one_scene(folder: Path, files: list[str], folders: list[str]) -> bool:
    """Whether a folder is one scene, so that its subfolders are not searched."""
    return (
        product_file(files) is not None
        or is_patch(folder.name, set(files))
        or _is_broken_safe(folder, folders)
    )


def _is_broken_safe(folder: Path, folders: list[str]) -> bool:
    # Unpacking on Windows puts a product into a folder of its own name.
    wrapped = any(name.upper().endswith(".SAFE") for name in folders)
    return folder.name.upper().endswith(".SAFE") and not wrapped


def _scenes_in(
    folder: Path, files: list[str], folders: list[str], date: datetime | None
) -> Iterator[FoundScene | Skipped]:
    if (metadata := product_file(files)) is not None:
        yield from _attempt(folder, partial(read_safe, folder, metadata))
    elif _is_broken_safe(folder, folders):
        yield Skipped(
            path=folder,
            why=f"'{shown(folder.name)}' has no MTD_MSIL2A.xml or MTD_MSIL1C.xml: download it "
            "again (products in the format before December 2016 cannot be read).",
        )
    elif is_patch(folder.name, set(files)):
        yield from _attempt(folder, partial(_read_one_patch, folder, date))
    else:
        yield from _loose(folder, files, date)


def _loose(folder: Path, files: list[str], date: datetime | None) -> Iterator[FoundScene | Skipped]:
    """Read the sets of band files and the stacks in a folder."""
    taken: set[str] = set()
    for one in sets_in(folder, files):
        taken |= one.names
        yield from _attempt(folder, partial(_read_one_set, one, date))
    for name in files:
        path = folder / name
        if path.suffix.lower() in SUFFIXES and name not in taken:
            yield from _attempt(path, partial(_read_one_stack, path, date))


def _read_one_set(one: BandSet, date: datetime | None) -> list[FoundScene]:
    return [read_set(one, date)]


def _read_one_stack(path: Path, date: datetime | None) -> list[FoundScene]:
    return [read_stack(path, date)]


def _read_one_patch(folder: Path, date: datetime | None) -> list[FoundScene]:
    return [read_patch(folder, date)]


def _attempt(path: Path, read: Callable[[], list[FoundScene]]) -> Iterator[FoundScene | Skipped]:
    try:
        yield from read()
    except BadInput as error:
        yield Skipped(path=path, why=str(error))
    except OSError:
        yield Skipped(path=path, why=f"'{shown(path.name)}' cannot be read: check its permissions.")
