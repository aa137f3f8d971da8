"""A file that is on its way: what has come of it, on the disk, with the MD5 sum so far."""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import BinaryIO, Final, Self

from landcover.core.errors import BadInput, Cancelled, FetchError
from landcover.core.progress import BYTES, Progress, Report
from landcover.datasets.downloads.zenodo import RemoteFile

try:
    import fcntl
except ImportError:  # Windows has none: there two downloads into one folder are not noticed
    fcntl = None  # type: ignore[assignment]

__all__ = ["NOTES", "PART", "REPORT_S", "PartialFile", "is_tag", "state", "unwritable", "verify"]

PART: Final = ".part"
NOTES: Final = ".part.json"
REPORT_S: Final = 0.2
"""Seconds between two reports."""


class PartialFile:
    """What has come of a file, on the disk, with the MD5 sum so far.

    Attributes:
        position: bytes that are there.
        validator: the server's tag of the file that they are of, or "".
        unconfirmed: whether they may be of another file than the server has now.
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
        # Where the present answer stands; behind ``position`` while it repeats what is there.
        self._at = 0
        self._running = _md5()
        self._received = 0
        self._reported = 0.0

    def __enter__(self) -> Self:
        try:
            self._handle = self._open()
            if os.fstat(self._handle.fileno()).st_size > self.file.size:
                self._handle.truncate(0)  # of a larger file of that name: none of ours
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
        # Not through a link that somebody else may have laid in a folder for all.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        handle = os.fdopen(os.open(self.path, flags, 0o644), "r+b", buffering=0)
        if fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.close()
                raise BadInput(
                    f"'{self.file.name}' is being fetched into this folder already: wait for it, "
                    "or stop it first."
                ) from None
            except OSError:
                pass  # a file system without locks
        return handle

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; what has come stays."""
        if self._handle is not None and not self._handle.closed:
            self._handle.close()
            if not self.position:
                with suppress(OSError):
                    self.path.unlink()

    @property
    def kept(self) -> str:
        """What stays for the next time, for messages."""
        return f"{self.position / 1e6:,.1f} MB are kept in '{self.path.name}'; " * bool(
            self.position
        )

    def _noted(self) -> str:
        try:
            text = json.loads(self._notes.read_text("utf-8"))["validator"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return ""
        return text if isinstance(text, str) and is_tag(text) else ""

    def begin(self, first: int, validator: str) -> None:
        """An answer begins at byte ``first``, which is 0 or the position."""
        self._at = first
        self._running = self._digest if first else _md5()
        self._tag = validator
        self.unconfirmed = first < self.position and validator != self.validator
        if not self.unconfirmed and validator != self.validator:
            self._trust()

    def _trust(self) -> None:
        """All that is here is of the file that the server has now."""
        self.validator, self.unconfirmed = self._tag, False
        try:
            self._notes.write_text(json.dumps({"validator": self._tag}), "utf-8")
        except OSError as error:
            raise unwritable(self._notes, error) from None

    def take(self, chunk: bytes, requests: int) -> None:
        """The next bytes of the answer: compared where there are some already, else written."""
        self._received += len(chunk)
        fresh = max(0, min(len(chunk), self._at + len(chunk) - self.position))
        old = chunk[: len(chunk) - fresh]
        try:
            assert self._handle is not None
            if old:
                self._handle.seek(self._at)
                if self._read(len(old)) != old:
                    self._forget()
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
                self._trust()
        if time.monotonic() - self._reported > REPORT_S or self._at == self.file.size:
            self._say("", requests)

    def wait(self, why: str, requests: int) -> None:
        """Say that nothing comes for a while."""
        self._say(why, requests)

    def _say(self, detail: str, requests: int) -> None:
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

    def _forget(self) -> None:
        """From here on the server has other bytes: those here are of another file."""
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
        """Check the sum and give the file its name.

        Raises:
            FetchError: it is not the published file.
        """
        assert self._handle is not None
        found = self._digest.hexdigest()
        try:
            if found != self.file.md5:
                self._handle.close()
                self.path.unlink(missing_ok=True)
                self._notes.unlink(missing_ok=True)
                raise FetchError(
                    f"'{self.file.name}' arrived whole, but its MD5 sum is {found} where "
                    f"{self.file.md5} is published, so it was removed: run it again."
                )
            os.fsync(self._handle.fileno())
            self._handle.close()
            self.path.replace(self._target)
            self._notes.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self._target, error) from None


def verify(file: RemoteFile, folder: Path, report: Report, cancel: Event) -> bool:
    """Whether the published file is in a folder; False where none of its name is.

    Raises:
        BadInput: one of its name is there and is another, or cannot be read.
        Cancelled: the user stopped it.
    """
    path = folder / file.name
    if not os.path.lexists(path):
        return False
    trouble = state(file, path, report, cancel)
    if trouble:
        raise BadInput(
            f"'{file.name}' is in the folder already but {trouble}: delete it or move it away, "
            "then run this again."
        )
    return True


def state(file: RemoteFile, path: Path, report: Report, cancel: Event) -> str:
    """What is wrong with a file on the disk, in words that follow "it"; "" where nothing is.

    Raises:
        Cancelled: the user stopped it.
    """
    try:
        if not path.is_file():
            return "is no file"
        size = path.stat().st_size
        if size != file.size:
            return f"has {size:,} bytes where {file.size:,} are published"
        with path.open("rb", buffering=0) as handle:
            found = _digest(handle, file, report, cancel).hexdigest()
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    if found == file.md5:
        return ""
    return f"has the MD5 sum {found} where {file.md5} is published"


def _digest(handle: BinaryIO, file: RemoteFile, report: Report, cancel: Event) -> hashlib._Hash:
    """The sum of all that a file on the disk holds; its position is then at its end."""
    digest = _md5()
    reported, done = 0.0, 0
    while chunk := handle.read(1 << 22):
        digest.update(chunk)
        done += len(chunk)
        if cancel.is_set():
            raise Cancelled("Stopped, as you asked: run it again to go on.")
        now = time.monotonic()
        if now - reported > REPORT_S or done == file.size:
            reported = now
            report(Progress(what=f"Checking {file.name}", done=done, total=file.size, unit=BYTES))
    return digest


def _md5() -> hashlib._Hash:
    # The sum that Zenodo publishes; it guards against damage, the encrypted way against people.
    return hashlib.md5(usedforsecurity=False)


def unwritable(path: Path, error: OSError) -> BadInput:
    """What to say when a file cannot be written, a full disk included."""
    return BadInput(
        f"'{path.name}' cannot be written ({error.strerror or error}): free some space or check "
        "the folder's permissions, then run it again to go on."
    )


def is_tag(text: str) -> bool:
    """Whether a text may be sent in a header as a server's tag of a file."""
    return text.isascii() and text.isprintable() and len(text) <= 200
