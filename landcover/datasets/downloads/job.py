"""Download a data set to a folder: check the space, fetch the files, unpack the archives."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

from landcover.core import disk_errors, files
from landcover.core.errors import BadInput, FetchError
from landcover.core.progress import Report, ignore
from landcover.datasets.downloads import unpacked_markers
from landcover.datasets.downloads.fetch import Client, RetryPolicy
from landcover.datasets.downloads.partial_file import PART, unwritable
from landcover.datasets.downloads.unpack import unpack
from landcover.datasets.downloads.zenodo import RemoteFile, Source
from landcover.net.waiting import run

__all__ = ["RESERVE", "STOP_S", "Outcome", "download"]

RESERVE: Final = 100_000_000
"""Bytes that must stay free, since a full disk affects other programs."""
STOP_S: Final = 2.0
"""How long an interrupt waits for a running download, in seconds."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a download.

    Attributes:
        root: the folder.
        fetched, present: names of files that were downloaded, and that were already there.
        unpacked: folder → number of files in it, for archives that were unpacked.
        notes: notes for the user, a sentence each.
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
    """Download a data set to a folder; files that are already correct are not fetched again.

    After any interruption, the next call resumes the download.

    Args:
        source: the data set.
        root: the folder; created if missing.
        metadata_only: whether to download only the tables, without the pixels.
        keep_archive: whether to keep archives after they are unpacked.
        packed: whether to leave archives packed.
        retry_policy: when to retry and when to give up on a bad connection.
        report: called with the bytes or files done.
        cancel: set by the user to stop.

    Raises:
        BadInput: the folder cannot be used, lacks space, contains another file of that name, or
            another download writes to it.
        FetchError: a file cannot be downloaded.
        Cancelled: the user stopped it.
    """
    stop = cancel or Event()
    wanted = [file for file in source.files if not (metadata_only and file.contents)]
    if not wanted:
        raise BadInput(f"{source.title} has no table without its pixels: omit --metadata-only.")
    _make(root)
    with files.lock(root):
        missing = [file for file in wanted if unpacked_markers.unpacked(file, root) is None]
        _check_space(source, root, missing, packed=packed)
        here = [file.name for file in wanted if file not in missing]
        fetched, notes = _fetch(
            source,
            root,
            missing,
            retry_policy=retry_policy or RetryPolicy(),
            report=report,
            stop=stop,
        )
        unpacked: dict[str, int] = {}
        for file in missing if not packed else ():
            if file.contents is None:
                continue
            done = unpack(root / file.name, root, file.contents, report, stop)
            unpacked_markers.write_marker(file, root, done)
            unpacked[file.contents.folder] = done.files
            if done.files != file.contents.files:
                notes.append(
                    f"'{file.name}' contained {done.files:,} files, but {file.contents.files:,} "
                    "were expected."
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


def _fetch(
    source: Source,
    root: Path,
    missing: list[RemoteFile],
    *,
    retry_policy: RetryPolicy,
    report: Report,
    stop: Event,
) -> tuple[list[str], list[str]]:
    """Fetch the missing files; return the names of those that came, and notes for the user."""
    absent = [file for file in missing if not os.path.lexists(root / file.name)]
    notes: list[str] = []
    ended = Event()

    async def fetch() -> list[str]:
        try:
            async with Client(source, retry_policy, stop) as client:
                if absent:
                    notes.extend(_check_published(source, absent, await client.published()))
                return [file.name for file in missing if await client.fetch(file, root, report)]
        finally:
            ended.set()

    try:
        return run(fetch), notes
    except BaseException:
        # Stop the download in the other thread and let it close its file.
        stop.set()
        ended.wait(STOP_S)
        raise


def _check_published(
    source: Source, files: list[RemoteFile], published: dict[str, tuple[int, str]] | None
) -> list[str]:
    """Compare the current record with the known files; return notes for the user.

    Raises:
        FetchError: the two differ.
    """
    if published is None:
        note = "is not available, so the sizes and sums of this version of landcover are used."
        return [f"{source.page} {note}"]
    for file in files:
        if published.get(file.name) != (file.size, file.md5):
            raise FetchError(
                f"{source.page} no longer has the '{file.name}' that this version of landcover "
                f"knows: {source.title} has changed; try a newer version of landcover."
            )
    return []


def _make(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"The folder '{root}' cannot be created ({disk_errors.reason(error)}): choose another."
        ) from None
    if not os.access(root, os.W_OK | os.X_OK):
        raise BadInput(f"The folder '{root}' cannot be written to: choose another.")


def _check_space(source: Source, root: Path, files: list[RemoteFile], *, packed: bool) -> None:
    """Check that the disk has enough space.

    Raises:
        BadInput: it has not; the message states the numbers.
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
            "some space, or choose a folder on another disk."
        )
    entries = _free_entries(root)
    if entries is not None and new_files > entries:
        raise BadInput(
            f"{source.title} unpacks to {new_files:,} files and the disk of '{root}' has room "
            f"for {entries:,} more files of any size: choose a folder on another disk."
        )


def _come(file: RemoteFile, root: Path) -> int:
    """Return the bytes of a file that are already on the disk."""
    for name in (file.name, f"{file.name}{PART}"):
        try:
            return min(file.size, (root / name).stat().st_size)
        except OSError:
            continue
    return 0


def _free_entries(root: Path) -> int | None:
    """Return how many more files a file system can hold; None if it has no such limit."""
    if not hasattr(os, "statvfs"):
        return None
    found = os.statvfs(root)
    return found.f_favail if found.f_files else None


def _delete(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise unwritable(path, error) from None
