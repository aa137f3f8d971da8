"""A size-limited cache of bytes on disk that survives a crash and never returns a partial entry.

Every entry is a file: a header (format, hash of the key, time of writing, SHA-256 of all) and
the value. It is written to a temporary file and renamed, so that it appears complete or not at
all, and its checksum is verified at every read. Any number of threads and processes can share a
folder without a lock; an entry that one of them removes is a miss for the others.

The library diskcache is not used because it has had no release since 2023 and unpickles the
files in its folder, so that anyone who can write there can run code (CVE-2025-69872).
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import stat
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from landcover.core import disk_errors, files
from landcover.core.errors import BadInput

__all__ = ["OVERHEAD", "DiskCache", "Value"]

_log: Final = logging.getLogger(__name__)

_MAGIC: Final = b"lccache\x01"
"""Format and version; an entry of another version is removed like a damaged one."""
_HEAD: Final = struct.Struct(">8s32sq")
"""Magic, SHA-256 of the key, time of writing in nanoseconds since 1970. Then follow the SHA-256
of these and the value, and the value."""
_DIGEST: Final = hashlib.sha256().digest_size
OVERHEAD: Final = _HEAD.size + _DIGEST
"""Size of an entry without its value, in bytes."""

_SHARD: Final = re.compile(r"[0-9a-f]{2}")
_ENTRY: Final = re.compile(r"[0-9a-f]{64}")
_ASIDE: Final = "aside"
"""Folder of entries that are being written, each in a folder that its process holds locked."""
_PART: Final = "entry"
_ABANDONED_NS: Final = 3600 * 10**9
"""Where folders cannot be locked, what is older than this was left by a process that died."""
_AHEAD_NS: Final = 60 * 10**9
"""If an entry's time of use is further in the future than this, the clock was wrong then."""
_ROOM: Final = 0.9
"""Fraction of the limit that stays filled when entries are removed, so that each scan of the
folder frees a tenth of the limit."""

Value = bytes | bytearray | memoryview


class DiskCache:
    """Values under text keys; the least recently used are removed when space is needed.

    Disk errors are not raised: if the disk is full or read-only, nothing is stored and a
    warning is logged once.

    Attributes:
        trouble: why the last value could not be stored, if the disk failed; else empty.

    Args:
        folder: of the entries; created when the first one is stored. Other files in it are
            left alone.
        limit_bytes: size limit of all entries together, with their headers. A file that
            counts the bytes written takes less than a hundredth of it in addition, about 64 kB
            at most. When space is needed, a tenth is freed at once.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self._tally = _Tally(folder / "written", cap=min(64 * 1024, limit_bytes // 128))
        self._lock = threading.Lock()
        self._seen: tuple[int, _Mark] | None = None  # bytes found in a scan, tally before it
        self._clock = _Clock()
        self._complained = False
        self.trouble = ""

    def get(self, key: str, *, max_age: float | None = None) -> bytes | None:
        """Return the value stored last under this key, or None.

        A damaged file, or one that belongs to another key, is removed. An entry that is too
        old is kept, because another caller may accept it.

        Args:
            key: any text.
            max_age: maximum age of the value in seconds. A value from the future (the clock was
                set back) has an unknown age and counts as too old.
        """
        key_hash = _hash(key)
        path = self._path(key_hash)
        try:
            raw = _read(path, self.limit_bytes)
        except OSError:
            return None
        opened = _unpack(raw, key_hash)
        if opened is None:
            _remove(path)
            return None
        written, value = opened
        if max_age is not None and not 0 <= (time.time_ns() - written) / 1e9 <= max_age:
            return None
        self._touch(path)
        return value

    def put(self, key: str, value: Value) -> bool:
        """Store a value under a key, replacing the old one.

        Returns:
            Whether it was stored. If not (it is larger than the limit, or the disk failed), the
            old value is removed too, unless the disk prevents it.
        """
        key_hash = _hash(key)
        path = self._path(key_hash)
        kept = False
        try:
            if OVERHEAD + memoryview(value).nbytes <= self.limit_bytes:
                kept = self._write(path, _pack(key_hash, value))
                self.trouble = ""
        except (OSError, BadInput) as error:
            self._complain(error)
        if not kept:
            _remove(path)
        return kept

    def size(self) -> int:
        """Bytes on disk, of entries and temporary files; this scans all files."""
        total = 0
        with suppress(OSError):
            for found in (*self._aside(), *self._entries()):
                total += found.size
        return total

    def clear(self) -> None:
        """Remove every entry."""
        with self._lock, suppress(OSError):
            self._seen = None
            for found in (*self._aside(), *self._entries()):
                _remove(Path(found.path))

    def _path(self, key_hash: bytes) -> Path:
        name = key_hash.hex()
        return self.folder / name[:2] / name

    def _write(self, path: Path, entry: bytes) -> bool:
        """Write a temporary file, count it, make room, rename it: in this order.

        A process that scans the folder meanwhile finds the entry as a temporary file or in its
        place, or will find it in the tally. So every entry is counted, and none appears before
        there is space for it.

        Raises:
            OSError, BadInput: the disk failed.
        """
        aside = self.folder / _ASIDE
        for needed in (aside, path.parent):
            needed.mkdir(mode=0o700, parents=True, exist_ok=True)
        with files.aside(aside, _PART) as own:
            part = own / _PART
            with part.open("xb", buffering=0) as file:
                _write_all(file.fileno(), entry)
            self._touch(part)
            if not self._make_room(self._tally.add(len(entry))):
                return False
            # No fsync: after a power failure the checksum reveals an incomplete entry.
            part.replace(path)
            return True

    def _make_room(self, now: _Mark) -> bool:
        """Make room; whether all entries, also of other processes, are within the limit."""
        with self._lock:
            if self._seen is not None:
                found, before = self._seen
                if now.name == before.name:
                    found += max(0, now.pages - before.pages) * _Tally.PAGE
                    if found <= self.limit_bytes:
                        return True
            left = self._shrink()
            return left <= self.limit_bytes

    def _shrink(self) -> int:
        """Scan the folder, remove the least recently used entries and return the bytes left.

        Raises:
            OSError: a folder cannot be listed, so that its size is unknown.
        """
        before = self._tally.read()
        now = time.time_ns()
        total = 0
        self.sweep()
        for found in self._aside():
            # A time in the future says nothing about the age.
            if not now - _ABANDONED_NS <= found.used <= now + _AHEAD_NS:
                _remove(Path(found.path))
            else:
                total += found.size
        entries = list(self._entries())
        total += sum(found.size for found in entries)
        entries.sort(key=lambda found: found.used if found.used <= now + _AHEAD_NS else 0)
        for found in entries:
            if total <= _ROOM * self.limit_bytes:
                break
            if _remove(Path(found.path)):
                total -= found.size
        self._seen = (total, before)
        return total

    def sweep(self) -> None:
        """Remove what killed processes have left."""
        files.remove_abandoned(self.folder / _ASIDE)

    def _aside(self) -> Iterator[_Found]:
        aside = self.folder / _ASIDE
        yield from _files(aside)  # of earlier versions
        with suppress(FileNotFoundError, NotADirectoryError):
            for own in aside.iterdir():
                if files.is_own(own.name):
                    yield from _files(own)

    def _entries(self) -> Iterator[_Found]:
        with suppress(FileNotFoundError):
            for shard in self.folder.iterdir():
                if _SHARD.fullmatch(shard.name):
                    prefix = len(str(shard)) + 1
                    yield from (f for f in _files(shard) if _ENTRY.fullmatch(f.path, prefix))

    def _touch(self, path: Path) -> None:
        """Store the time of use as the file's time, which all processes see without an index."""
        now = self._clock.next()
        with suppress(OSError):
            os.utime(path, ns=(now, now))

    def _complain(self, error: OSError | BadInput) -> None:
        # An error of a temporary folder has become a sentence, which tells less.
        cause = error if isinstance(error, OSError) else error.__context__
        self.trouble = disk_errors.reason(cause) if isinstance(cause, OSError) else "no access"
        with self._lock:
            first, self._complained = not self._complained, True
        if first:
            _log.warning("The cache in %s cannot store values: %s.", self.folder, self.trouble)


@dataclass(frozen=True)
class _Mark:
    """State of a tally: its random name, which changes when it starts again, and its pages."""

    name: bytes
    pages: int


class _Tally:
    """Counts what all processes together have written, as the length of a file.

    A byte is appended for every page written. This needs no lock, because appends do not
    overwrite each other. The difference of two lengths is what was written in between, without
    a scan of the entries. The file starts with random bytes, so that a new file is not mistaken
    for the old one.
    """

    PAGE: Final = 4096
    NAME: Final = 16

    def __init__(self, path: Path, *, cap: int) -> None:
        self._path = path
        self._cap = cap

    def add(self, size: int) -> _Mark:
        """Count ``size`` bytes, rounded up to whole pages.

        Raises:
            OSError: the file cannot be written.
        """
        pages = -(-size // self.PAGE)
        with self._path.open("a+b", buffering=0) as file:
            fresh = file.seek(0, os.SEEK_END) == 0
            note = (os.urandom(self.NAME) if fresh else b"") + bytes(pages)
            if file.write(note) != len(note):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            length = file.seek(0, os.SEEK_END)
            file.seek(0)
            return _Mark(file.read(self.NAME) or b"", length - self.NAME)

    def read(self) -> _Mark:
        """Read the state; a file that has become long is removed, so that it starts again."""
        try:
            with self._path.open("rb", buffering=0) as file:
                name = file.read(self.NAME) or b""
                pages = file.seek(0, os.SEEK_END) - self.NAME
        except OSError:
            return _Mark(b"", 0)
        if pages > self._cap and _remove(self._path):
            return _Mark(b"", 0)
        return _Mark(name, pages)


class _Clock:
    """Nanoseconds since 1970, increasing at every call, so that uses in a process are ordered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        with self._lock:
            self._last = max(self._last + 1, time.time_ns())
            return self._last


class _Found(NamedTuple):
    """A file on disk: its size in bytes and time of use in nanoseconds since 1970.

    A scan makes thousands of them: a string is faster to make than a ``Path``.
    """

    path: str
    size: int
    used: int


def _files(folder: Path) -> Iterator[_Found]:
    """The regular files of a folder; files that others remove meanwhile are left out.

    Raises:
        OSError: the folder exists but cannot be listed.
    """
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as listing:
        for item in listing:
            with suppress(FileNotFoundError):
                info = item.stat(follow_symlinks=False)
                if stat.S_ISREG(info.st_mode):
                    yield _Found(item.path, info.st_size, info.st_mtime_ns)


def _hash(key: str) -> bytes:
    """Hash that names an entry, so that no user's text becomes a path."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _pack(key_hash: bytes, value: Value) -> bytes:
    head = _HEAD.pack(_MAGIC, key_hash, time.time_ns())
    digest = hashlib.sha256(head)
    digest.update(value)
    return b"".join((head, digest.digest(), value))


def _unpack(raw: bytes, key_hash: bytes) -> tuple[int, bytes] | None:
    """Time of writing and value of an intact entry of this key, else None."""
    if len(raw) < OVERHEAD:
        return None
    magic, stored_hash, written = _HEAD.unpack_from(raw)
    value = raw[OVERHEAD:]
    digest = hashlib.sha256(raw[: _HEAD.size])
    digest.update(value)
    whole = digest.digest() == raw[_HEAD.size : OVERHEAD]
    return (written, value) if whole and magic == _MAGIC and stored_hash == key_hash else None


def _read(path: Path, limit: int) -> bytes:
    """The file's bytes; empty if it cannot be an entry (reading a pipe would block)."""
    info = path.lstat()
    if not stat.S_ISREG(info.st_mode) or info.st_size > limit:
        return b""
    return path.read_bytes()


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _remove(path: Path) -> bool:
    """Remove a file; whether it is gone, also if another process removed it."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
