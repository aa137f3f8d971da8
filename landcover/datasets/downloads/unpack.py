"""Unpack a published archive safely.

An archive cannot decide where files are written: a member is unpacked only if its name has the
form of the data set, which also determines its path. Thus no path leads out of the folder, no
link or device is created, and other members stay packed. Unpacked bytes are counted and
compared with the known size of the data set.

Existing files of the right size are skipped, so an interrupted unpacking resumes where it
stopped, although the archive is read from the beginning.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import tarfile
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final, Self

from landcover.core.errors import BadInput, Cancelled
from landcover.core.progress import Progress, Report
from landcover.datasets.downloads.partial_file import PART, REPORT_S, unwritable
from landcover.datasets.downloads.zenodo import Contents
from landcover.io.zip_reader import Member, ZipFault, read_directory
from landcover.io.zstandard import zstd

__all__ = [
    "MAX_HEADER",
    "MEMBER_OVERHEAD",
    "READ_BYTES",
    "SLACK",
    "Unpacked",
    "most_members",
    "unpack",
]

SLACK: Final = 1.25
"""An archive with more than this factor times the known bytes or files is refused."""
MEMBER_OVERHEAD: Final = 4096
"""Bytes of a member in addition to its content: header, long name, padding."""
MAX_HEADER: Final = 65_536
"""Limit for an extended header, which is read into memory, in bytes."""
READ_BYTES: Final = 1 << 20

_DAMAGE: Final = (
    tarfile.TarError,
    zstd.ZstdError,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
    EOFError,
    LookupError,
    OverflowError,
)


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """The result of unpacking an archive.

    Attributes:
        files: number of files of the archive in the folder.
        written: number of files that were not there before.
        others: number of members that are not part of the data set and stayed packed.
    """

    files: int
    written: int
    others: int


@dataclass(frozen=True, kw_only=True)
class _Member:
    name: str
    size: int
    read: Callable[[int], bytes]
    """Read its bytes, up to the given number."""
    trouble: str = ""
    """What it is, if it is neither a file nor a folder."""


def unpack(
    archive: Path, root: Path, contents: Contents, report: Report, cancel: Event
) -> Unpacked:
    """Unpack a zip or ``.tar.zst`` into ``root``.

    Raises:
        BadInput: it is damaged or not the data set, or the folder cannot be written to.
        Cancelled: the user stopped it; unpacked files are kept.
    """
    members = _zip_members if archive.suffix == ".zip" else _tar_members
    job = _Job(archive, root / contents.folder, contents, report)
    try:
        with closing(members(archive, contents)) as found:
            for member in found:
                if cancel.is_set():
                    raise Cancelled("Stopped by the user: run it again to resume.")
                job.take(member)
    except ZipFault as fault:
        raise BadInput(f"'{archive.name}' {fault.why}: delete it and download it again.") from None
    # Damage can raise any of these errors, depending on the damaged byte.
    except _DAMAGE:
        raise _damaged(archive) from None
    if not job.files:
        raise BadInput(
            f"'{archive.name}' contains no {contents.unit}: delete it and download it again."
        )
    if hasattr(os, "sync"):
        os.sync()  # all at once: waiting for each of millions of files would take hours
    job.report()
    return Unpacked(files=job.files, written=job.written, others=job.others)


class _Job:
    """Unpacks members one after the other and counts them."""

    def __init__(self, archive: Path, folder: Path, contents: Contents, report: Report) -> None:
        self.files = self.written = self.others = 0
        self._archive = archive
        self._folder = folder
        self._contents = contents
        self._report = report
        self._members = 0
        self._bytes = 0
        self._parent: Path | None = None
        self._new_parent = False
        self._reported = time.monotonic()

    def take(self, member: _Member) -> None:
        """Write a member if it is part of the data set."""
        contents = self._contents
        self._members += 1
        hostile = member.trouble or _leads_out(member.name)
        if hostile:
            raise self._other(f"it contains {hostile}")
        match = contents.member.fullmatch(member.name)
        if match is None:
            self.others += 1
        else:
            if member.size > contents.largest:
                raise self._other(f"one of its files has more than {contents.largest:,} bytes")
            self.files += 1
            self._bytes += member.size
            self.written += self._put(self._folder / match["path"], member)
        if self._bytes > SLACK * contents.bytes or self._members > most_members(contents):
            raise self._other(f"it unpacks to more than {contents.bytes / 1e6:,.0f} MB")
        if time.monotonic() - self._reported > REPORT_S:
            self.report()

    def report(self) -> None:
        """Report the progress."""
        self._reported = time.monotonic()
        self._report(
            Progress(
                what=f"Unpacking {self._archive.name}",
                done=self.files,
                total=self._contents.files,
                unit="files",
                detail=f"{self._bytes / 1e6:,.1f} MB",
            )
        )

    def _put(self, path: Path, member: _Member) -> bool:
        """Write one file; returns False if it already exists."""
        try:
            if path.parent != self._parent:
                self._new_parent = _make(path.parent)
                self._parent = path.parent
            if not self._new_parent and _has(path, member.size):
                return False
        except OSError as error:
            raise unwritable(path, error) from None
        data = member.read(member.size + 1)
        if len(data) != member.size:
            raise _damaged(self._archive)
        try:
            # Do not follow links, which another user may have created.
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
            # Always the same name: the next run writes over what a kill left.
            part = path.with_name(f".{path.name}{PART}")
            with os.fdopen(os.open(part, flags, 0o644), "wb", buffering=0) as file:
                if file.write(data) != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301
            part.replace(path)
        except OSError as error:
            raise unwritable(path, error) from None
        return True

    def _other(self, why: str) -> BadInput:
        return BadInput(
            f"'{self._archive.name}' is not the published archive ({why}): "
            "delete it and download it again."
        )


def most_members(contents: Contents) -> int:
    """Return the most members of an archive: its files, plus as many folders and others."""
    return 2 * contents.files + 10_000


def _damaged(archive: Path) -> BadInput:
    return BadInput(f"'{archive.name}' is damaged: delete it and download it again.")


def _leads_out(name: str) -> str:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        return "a path that leads out of its folder"
    return ""


def _make(folder: Path) -> bool:
    """Create a folder with its parents; returns False if it exists."""
    try:
        folder.mkdir()
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        return False
    return True


def _has(path: Path, size: int) -> bool:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size


def _zip_members(archive: Path, contents: Contents) -> Generator[_Member]:
    directory = read_directory(archive, most_members(contents))
    for member in directory.members.values():

        def read(limit: int, member: Member = member) -> bytes:
            del limit  # it cannot have more bytes than stated
            return directory.read(archive, member)

        trouble = "" if member.is_plain else "a link or a device"
        yield _Member(name=member.name, size=member.size, read=read, trouble=trouble)


def _tar_members(archive: Path, contents: Contents) -> Generator[_Member]:
    with (
        _Limited(archive, contents) as stream,
        tarfile.open(
            fileobj=stream,
            mode="r|",
            bufsize=READ_BYTES,
            tarinfo=_CheckedInfo,
            errorlevel=2,
        ) as file,
    ):
        while (info := file.next()) is not None:
            # Otherwise tarfile keeps every member: gigabytes for millions of members.
            file.members.clear()  # type: ignore[attr-defined]
            plain = info.type in {tarfile.REGTYPE, tarfile.AREGTYPE} and info.sparse is None

            def read(limit: int, info: tarfile.TarInfo = info) -> bytes:
                member = file.extractfile(info)
                return b"" if member is None else member.read(limit)

            yield _Member(
                name=info.name,
                size=info.size,
                read=read,
                trouble="" if plain or info.isdir() else "a link or a device",
            )


class _Limited(io.RawIOBase):
    """The unpacked bytes of a ``.zst`` file, with an error if there are too many."""

    def __init__(self, archive: Path, contents: Contents) -> None:
        super().__init__()
        self._left = int(SLACK * contents.bytes) + MEMBER_OVERHEAD * most_members(contents)
        self._archive = archive
        self._contents = contents
        self._file = zstd.ZstdFile(archive)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # Buffer is of 3.12
        """Read the next bytes; none at the end."""
        count = self._file.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise BadInput(
                f"'{self._archive.name}' unpacks to far more data than {self._contents.folder} "
                "has: delete it and download it again."
            )
        return count

    def close(self) -> None:
        """Close the archive."""
        self._file.close()
        super().close()


class _CheckedInfo(tarfile.TarInfo):
    """A header that limits the size of extensions before they are read."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read a header from its block.

        Raises:
            BadInput: it has an extension that is too large or not supported.
        """
        info = super().frombuf(buf, encoding, errors)
        if info.type == tarfile.GNUTYPE_SPARSE or (
            info.type in _EXTENSIONS and info.size > MAX_HEADER
        ):
            raise BadInput("The archive has an invalid header: download it again.")
        return info


_EXTENSIONS: Final[frozenset[bytes]] = frozenset(
    {
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
    }
)
