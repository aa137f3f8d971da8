"""A partially downloaded file on the disk, with the MD5 sum of the received bytes."""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import BinaryIO, Final, Self

from landcover.core import disk_errors, files, untrusted_json
from landcover.core.errors import BadInput, Cancelled, FetchError
from landcover.core.progress import BYTES, Progress, Report
from landcover.datasets.downloads.zenodo import RemoteFile

try:
    import fcntl
except ImportError:  # not on Windows, where two downloads to one folder are not detected
    fcntl = None  # type: ignore[assignment]

__all__ = ["NOTES", "PART", "REPORT_S", "PartialFile", "is_tag", "state", "unwritable", "verify"]

PART: Final = ".part"
NOTES: Final = ".part.json"
REPORT_S: Final = 0.2
"""Seconds between two reports."""


class PartialFile:
    """A partially downloaded file on the disk, with the MD5 sum of the received bytes.

    Attributes:
        position: number of bytes on the disk.
        validator: the server's tag of their file, or "".
        unconfirmed: whether the server may have another file by now.
    """

    def __init__(self, file: RemoteFile, folder: Path, report: Report, cancel: Event) -> None:
        self.file = file
        self.path = folder / f"{file.name}{PART}"
        self.position = 0
        self.validator = ""
        self.unconfirmed = False
        self._tag = ""
        self._target = folder / file.name
        self._notes = folder / f"{file.name}{NOTES}"
        self._report = report
        self._cancel = cancel
        self._digest = _md5()
        self._handle: BinaryIO | None = None
        # Position in the current response, which is below ``position`` while it repeats bytes.
        self._at = 0
        self._running = _md5()
        self._received = 0
        self._reported = 0.0

    def __enter__(self) -> Self:
        try:
            self._handle = self._open()
            if os.fstat(self._handle.fileno()).st_size > self.file.size:
                self._handle.truncate(0)  # too large, so not a part of this file
            self._digest = _digest(self._handle, self.file, self._report, self._cancel)
            self.position = self._handle.tell()
            self.validator = self._noted() if self.position else ""
        except OSError as error:
            self.close()
            raise unwritable(self.path, error) from None
        except BaseException:
            self.close()
            raise
        return self

    def _open(self) -> BinaryIO:
        # Do not follow links, which another user may have created in a shared folder.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        handle = os.fdopen(os.open(self.path, flags, 0o644), "r+b", buffering=0)
        # Besides the lock of the folder: after an interrupt the thread of a download may still
        # write for a moment, when that lock has ended.
        if fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.close()
                raise BadInput(
                    f"'{self.file.name}' is already being downloaded to this folder: wait for it, "
                    "or stop it first."
                ) from None
            except OSError:
                pass  # a file system without locks
        return handle

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and keep the received bytes."""
        if self._handle is not None and not self._handle.closed:
            self._handle.close()
            if not self.position:
                with suppress(OSError):
                    self.path.unlink()

    @property
    def kept(self) -> str:
        """A part of a message that states how many bytes are kept."""
        return f"{self.position / 1e6:,.1f} MB are kept in '{self.path.name}'; " * bool(
            self.position
        )

    def _noted(self) -> str:
        try:
            text = untrusted_json.parse(self._notes.read_text("utf-8"))["validator"]
        except (OSError, ValueError, KeyError, TypeError):
            return ""
        return text if isinstance(text, str) and is_tag(text) else ""

    def begin(self, first: int, validator: str) -> None:
        """Start a response at byte ``first``, which is 0 or the position."""
        self._at = first
        self._running = self._digest if first else _md5()
        self._tag = validator
        self.unconfirmed = first < self.position and validator != self.validator
        if not self.unconfirmed and validator != self.validator:
            self._confirm()

    def _confirm(self) -> None:
        """Store that all bytes on the disk are of the server's current file."""
        self.validator, self.unconfirmed = self._tag, False
        files.write_text(self._notes, json.dumps({"validator": self._tag}), durable=False)

    def take(self, chunk: bytes, requests: int) -> None:
        """Take the next bytes of a response: compare them with existing bytes, or write them."""
        self._received += len(chunk)
        fresh = max(0, min(len(chunk), self._at + len(chunk) - self.position))
        old = chunk[: len(chunk) - fresh]
        try:
            assert self._handle is not None
            if old:
                self._handle.seek(self._at)
                if self._read(len(old)) != old:
                    self._discard_rest()
                    fresh = len(chunk)
            if fresh:
                self._handle.seek(self._at + len(chunk) - fresh)
                self._write(chunk[len(chunk) - fresh :])
        except OSError as error:
            raise unwritable(self.path, error) from None
        self._running.update(chunk)
        self._at += len(chunk)
        if self._at >= self.position:
            self.position, self._digest = self._at, self._running
            if self.unconfirmed:
                self._confirm()
        if time.monotonic() - self._reported > REPORT_S or self._at == self.file.size:
            self._report_progress("", requests)

    def wait(self, why: str, requests: int) -> None:
        """Report a wait before the next request."""
        self._report_progress(why, requests)

    def _report_progress(self, detail: str, requests: int) -> None:
        self._reported = time.monotonic()
        self._report(
            Progress(
                what=f"Fetching {self.file.name}",
                done=self._at,
                total=self.file.size,
                unit=BYTES,
                detail=detail,
                requests=requests,
                bytes=self._received,
            )
        )

    def _discard_rest(self) -> None:
        """Remove the bytes from here on, since the server's file differs from them."""
        assert self._handle is not None
        self._handle.truncate(self._at)
        self.position, self._digest = self._at, self._running

    def _read(self, count: int) -> bytes:
        assert self._handle is not None
        data = b""
        while len(data) < count and (more := self._handle.read(count - len(data))):
            data += more
        return data

    def _write(self, data: bytes) -> None:
        assert self._handle is not None
        view = memoryview(data)
        while view:
            view = view[self._handle.write(view) :]

    def finish(self) -> None:
        """Check the sum and rename the file to its final name.

        Raises:
            FetchError: it differs from the published file.
        """
        assert self._handle is not None
        found = self._digest.hexdigest()
        try:
            if found != self.file.md5:
                self._handle.close()
                self.path.unlink(missing_ok=True)
                self._notes.unlink(missing_ok=True)
                raise FetchError(
                    f"'{self.file.name}' is complete, but its MD5 sum is {found} instead of the "
                    f"published {self.file.md5}, so it was removed: run it again."
                )
            self._handle.close()
            files.settle(self.path, self._target)
            self._notes.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self._target, error) from None


def verify(file: RemoteFile, folder: Path, report: Report, cancel: Event) -> bool:
    """Check whether the published file is in a folder; False if there is no file of its name.

    Raises:
        BadInput: a file of its name is there, but differs or cannot be read.
        Cancelled: the user stopped it.
    """
    path = folder / file.name
    if not os.path.lexists(path):
        return False
    trouble = state(file, path, report, cancel)
    if trouble:
        raise BadInput(
            f"'{file.name}' is already in the folder, but it {trouble}: delete or move it, then "
            "run this again."
        )
    return True


def state(file: RemoteFile, path: Path, report: Report, cancel: Event) -> str:
    """Return what is wrong with a file, as a phrase that follows "it"; "" if it is correct.

    Raises:
        Cancelled: the user stopped it.
    """
    try:
        if not path.is_file():
            return "is not a file"
        size = path.stat().st_size
        if size != file.size:
            return f"has {size:,} bytes instead of the published {file.size:,}"
        with path.open("rb", buffering=0) as handle:
            found = _digest(handle, file, report, cancel).hexdigest()
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    if found == file.md5:
        return ""
    return f"has the MD5 sum {found} instead of the published {file.md5}"


def _digest(handle: BinaryIO, file: RemoteFile, report: Report, cancel: Event) -> hashlib._Hash:
    """Compute the sum of an open file and leave its position at the end."""
    digest = _md5()
    reported, done = 0.0, 0
    while chunk := handle.read(1 << 22):
        digest.update(chunk)
        done += len(chunk)
        if cancel.is_set():
            raise Cancelled("Stopped by the user: run it again to resume.")
        now = time.monotonic()
        if now - reported > REPORT_S or done == file.size:
            reported = now
            report(Progress(what=f"Checking {file.name}", done=done, total=file.size, unit=BYTES))
    return digest


def _md5() -> hashlib._Hash:
    # Zenodo publishes MD5 sums. They detect damage; HTTPS protects against manipulation.
    return hashlib.md5(usedforsecurity=False)


def unwritable(path: Path, error: OSError) -> BadInput:
    """Make the error for a file that cannot be written, for instance on a full disk."""
    return BadInput(
        f"'{path.name}' cannot be written ({disk_errors.reason(error)}): free some space or check "
        "the folder's permissions, then run it again to resume."
    )


def is_tag(text: str) -> bool:
    """Return whether a text can be sent in a header as the server's tag of a file."""
    return text.isascii() and text.isprintable() and len(text) <= 200
