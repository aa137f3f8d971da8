"""A whole data set into a folder: space, files, archives, in this order."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

from landcover.core.errors import BadInput, FetchError
from landcover.core.progress import Report, ignore
from landcover.datasets.downloads import unpacked_markers
from landcover.datasets.downloads.fetch import Client, RetryPolicy
from landcover.datasets.downloads.partial_file import PART, unwritable
from landcover.datasets.downloads.unpack import unpack
from landcover.datasets.downloads.zenodo import RemoteFile, Source
from landcover.net.http import run

__all__ = ["RESERVE", "STOP_S", "Outcome", "download"]

RESERVE: Final = 100_000_000
"""Bytes that stay free: a full disk harms whatever else is on it."""
STOP_S: Final = 2.0
"""How long an interrupt waits for what is under way."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a download did.

    Attributes:
        root: the folder.
        fetched, present: names of files that came now, and that were there already.
        unpacked: folder → files in it, of archives that were unpacked now.
        notes: what the user should know, a sentence each.
    """

    root: Path
    fetched: tuple[str, ...]
    present: tuple[str, ...]
    unpacked: dict[str, int]
    notes: tuple[str, ...]


def download(
    source: Source,
    root: Path,
    *,
    metadata_only: bool = False,
    keep_archive: bool = False,
    packed: bool = False,
    retry_policy: RetryPolicy | None = None,
    report: Report = ignore,
    cancel: Event | None = None,
) -> Outcome:
    """Bring a data set into a folder; what is there and right already is not fetched again.

    Interrupted in any way, it goes on where it stopped when it is called again.

    Args:
        source: which.
        root: the folder; made where it is missing.
        metadata_only: the tables without the archive of the pixels.
        keep_archive: do not delete archives after they are unpacked.
        packed: leave archives as they are.
        retry_policy: how long a bad connection is borne with.
        report: called with the bytes or files done.
        cancel: set by the user to stop.

    Raises:
        BadInput: the folder cannot be used, lacks space, or holds another file of that name.
        FetchError: a file cannot be had.
        Cancelled: the user stopped it.
    """
    stop = cancel or Event()
    wanted = [file for file in source.files if not (metadata_only and file.contents)]
    if not wanted:
        raise BadInput(f"{source.title} has no table beside its pixels: leave --metadata-only out.")
    _make(root)
    missing = [file for file in wanted if unpacked_markers.unpacked(file, root) is None]
    _check_space(source, root, missing, packed=packed)
    here = [file.name for file in wanted if file not in missing]
    absent = [file for file in missing if not os.path.lexists(root / file.name)]
    notes: list[str] = []

    ended = Event()

    async def fetch() -> list[str]:
        try:
            async with Client(source, retry_policy or RetryPolicy(), stop) as client:
                if absent:
                    notes.extend(_check_published(source, absent, await client.published()))
                return [file.name for file in missing if await client.fetch(file, root, report)]
        finally:
            ended.set()

    try:
        fetched = run(fetch)
    except BaseException:
        # The user's interrupt ends what runs in another thread, and lets it close its file.
        stop.set()
        ended.wait(STOP_S)
        raise
    unpacked: dict[str, int] = {}
    for file in missing:
        if file.contents is None or packed:
            continue
        done = unpack(root / file.name, root, file.contents, report, stop)
        unpacked_markers.note(file, root, done)
        unpacked[file.contents.folder] = done.files
        if done.files != file.contents.files:
            notes.append(
                f"'{file.name}' held {done.files:,} files where {file.contents.files:,} are known."
            )
        if not keep_archive:
            _delete(root / file.name)
    return Outcome(
        root=root,
        fetched=tuple(fetched),
        present=(*here, *(f.name for f in missing if f.name not in fetched)),
        unpacked=unpacked,
        notes=tuple(notes),
    )


def _check_published(
    source: Source, files: list[RemoteFile], published: dict[str, tuple[int, str]] | None
) -> list[str]:
    """Compare what the record says with what is known here; what there is to note of it.

    Raises:
        FetchError: the two differ.
    """
    if published is None:
        note = "could not be asked, so sizes and sums are those that this version knows."
        return [f"{source.page} {note}"]
    for file in files:
        if published.get(file.name) != (file.size, file.md5):
            raise FetchError(
                f"{source.page} no longer has the '{file.name}' that this version of landcover "
                f"knows: {source.title} has changed; try a newer landcover."
            )
    return []


def _make(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"The folder '{root}' cannot be made ({error.strerror or error}): name another."
        ) from None
    if not os.access(root, os.W_OK | os.X_OK):
        raise BadInput(f"The folder '{root}' cannot be written to: name another.")


def _check_space(source: Source, root: Path, files: list[RemoteFile], *, packed: bool) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        BadInput: it cannot; the message has the numbers.
    """
    fetch = sum(file.size - _come(file, root) for file in files)
    unpacked = new_files = 0
    for file in files:
        if file.contents is not None and not packed:
            left = max(0.0, 1 - unpacked_markers.units(file, root) / file.contents.units)
            unpacked += int(left * file.contents.disk_bytes)
            new_files += int(left * file.contents.files)
    free = shutil.disk_usage(root).free
    need = fetch + unpacked
    if files and need + RESERVE > free:
        raise BadInput(
            f"{source.title} needs {need / 1e9:,.1f} GB more in '{root}' ({fetch / 1e9:,.1f} to "
            f"fetch, {unpacked / 1e9:,.1f} unpacked) and {free / 1e9:,.1f} GB are free: free "
            "some, or name a folder on another disk."
        )
    entries = _free_entries(root)
    if entries is not None and new_files > entries:
        raise BadInput(
            f"{source.title} unpacks to {new_files:,} files and the disk of '{root}' has room "
            f"for {entries:,} more, whatever their size: name a folder on another disk."
        )


def _come(file: RemoteFile, root: Path) -> int:
    """Bytes of a file that are on the disk already."""
    for name in (file.name, f"{file.name}{PART}"):
        try:
            return min(file.size, (root / name).stat().st_size)
        except OSError:
            continue
    return 0


def _free_entries(root: Path) -> int | None:
    """How many more files a file system can name; None where it has no such limit."""
    if not hasattr(os, "statvfs"):
        return None
    found = os.statvfs(root)
    return found.f_favail if found.f_files else None


def _delete(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise unwritable(path, error) from None
