"""A bounded cache of bytes on disk that survives a crash and never serves half an entry.

Every entry is a file of its own: a header (format, hash of the key, time of writing, SHA-256
of it all) and the value. It is written aside and renamed into place, so that it appears whole
or not at all, and it is checked at every read. Any number of threads and processes may share
a folder without a lock; what one of them removes is a miss for the others.

The library diskcache was not taken because it has had no release since 2023 and unpickles what
it finds in its folder, so that whoever can write there can run code (CVE-2025-69872).
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import stat
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from landcover.core import home
from landcover.core.errors import BadInput

__all__ = ["DEFAULT_MB", "OVERHEAD", "VARIABLE", "DiskCache", "Value", "default"]

VARIABLE: Final = "LANDCOVER_CACHE_MB"
DEFAULT_MB: Final = 2000
"""About ten thousand patches with the headers of their scenes."""

_log: Final = logging.getLogger(__name__)

_MAGIC: Final = b"lccache\x01"
"""Format and its version; an entry of another version is dropped as if it were damaged."""
_HEAD: Final = struct.Struct(">8s32sq")
"""Magic, SHA-256 of the key, nanoseconds since 1970 at the writing; then the SHA-256 of these
and the value, then the value."""
_DIGEST: Final = hashlib.sha256().digest_size
OVERHEAD: Final = _HEAD.size + _DIGEST
"""Bytes that an entry takes beyond its value."""

_SHARD: Final = re.compile(r"[0-9a-f]{2}")
_ENTRY: Final = re.compile(r"[0-9a-f]{64}")
_ASIDE: Final = "aside"
"""Folder of entries that are being written."""
_ABANDONED_NS: Final = 3600 * 10**9
"""A file still aside after this long was left by a process that died: writing takes less than
a second."""
_AHEAD_NS: Final = 60 * 10**9
"""An entry used further in the future than this was used by a clock that ran ahead."""
_ROOM: Final = 0.9
"""Share of the limit that is left filled when entries have to go, so that looking through the
folder pays for a tenth of the limit."""

Value = bytes | bytearray | memoryview


class DiskCache:
    """Values under text keys, of which the least recently used go when room is needed.

    Nothing here raises because of the disk: where it is full or read-only the cache does not
    keep, and says so in the log once.

    Args:
        folder: where the entries live; made when the first one is kept. Files in it that are
            not the cache's own are left alone.
        limit_bytes: what the entries may take together, headers included. A note of how much
            was written takes less than a hundredth of it on top (0.6 MB of the default).
            Where room is needed, a tenth is freed at once.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self._tally = _Tally(folder / "written", cap=min(64 * 1024, limit_bytes // 128))
        self._lock = threading.Lock()
        self._seen: tuple[int, _Mark] | None = None  # bytes found, and the tally just before
        self._clock = _Clock()
        self._complained = False

    def get(self, key: str, *, max_age: float | None = None) -> bytes | None:
        """The value that was put last under this key, or None.

        An entry that is damaged, foreign or another key's is removed. One that is too old
        stays, for whoever would rather have an old answer than none.

        Args:
            key: any text.
            max_age: seconds since the value was put, beyond which it is not wanted. A value
                from the future (a clock was set back) is of unknown age and too old.
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
        """Keep a value in place of what this key had.

        Returns:
            Whether it was kept. Where it was not (it is larger than the limit, or the disk
            does not take it), what the key had before is gone too, as far as the disk lets it.
        """
        key_hash = _hash(key)
        path = self._path(key_hash)
        kept = False
        try:
            if OVERHEAD + memoryview(value).nbytes <= self.limit_bytes:
                kept = self._write(path, _pack(key_hash, value))
        except OSError as error:
            self._complain(error)
        if not kept:
            _remove(path)
        return kept

    def size(self) -> int:
        """Bytes on disk, of entries and of what is being written; it looks at every file."""
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
        """Write aside, count, make room, rename: in this order.

        Whoever looks through the folder meanwhile sees the entry aside or in its place, or has
        yet to see it in the tally; so no entry escapes the sum, and none appears before there
        is room for it.
        """
        aside = self.folder / _ASIDE
        for needed in (aside, path.parent):
            needed.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=aside)
        try:
            try:
                _write_all(handle, entry)
            finally:
                os.close(handle)
            self._touch(Path(name))
            if not self._make_room(self._tally.add(len(entry))):
                return False
            # No fsync: after a power cut the digest finds what is not whole.
            Path(name).replace(path)
            return True
        finally:
            _remove(Path(name))

    def _make_room(self, now: _Mark) -> bool:
        """Whether all that is written, here and in other processes, is within the limit."""
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
        """Look through the folder and remove the least recently used; the bytes that are left.

        Raises:
            OSError: a folder cannot be listed, so that nobody knows how much is in it.
        """
        before = self._tally.read()
        now = time.time_ns()
        total = 0
        for found in self._aside():
            if found.used < now - _ABANDONED_NS:
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

    def _aside(self) -> Iterator[_Found]:
        yield from _files(self.folder / _ASIDE)

    def _entries(self) -> Iterator[_Found]:
        with suppress(FileNotFoundError):
            for shard in self.folder.iterdir():
                if _SHARD.fullmatch(shard.name):
                    prefix = len(str(shard)) + 1
                    yield from (f for f in _files(shard) if _ENTRY.fullmatch(f.path, prefix))

    def _touch(self, path: Path) -> None:
        """Note the use in the file's time: all processes see it, and it needs no index."""
        now = self._clock.next()
        with suppress(OSError):
            os.utime(path, ns=(now, now))

    def _complain(self, error: OSError) -> None:
        with self._lock:
            first, self._complained = not self._complained, True
        if first:
            reason = error.strerror or type(error).__name__
            _log.warning("The cache in %s cannot keep what it is given: %s.", self.folder, reason)


def default() -> DiskCache:
    """The cache in ``home.folder``, of 2 GB unless ``LANDCOVER_CACHE_MB`` differs.

    Raises:
        BadInput: the folder cannot be used, or the variable is not a whole number.
    """
    text = os.environ.get(VARIABLE, "").strip() or str(DEFAULT_MB)
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise BadInput(
            f"{VARIABLE} is '{text[:40]}', which is no whole number of megabytes: "
            f"give one such as {DEFAULT_MB}, or 0 to keep nothing."
        )
    return _opened(home.folder() / "cache", int(text) * 10**6)


@lru_cache(maxsize=8)
def _opened(folder: Path, limit_bytes: int) -> DiskCache:
    """One object a folder: it remembers how full the folder was."""
    return DiskCache(folder, limit_bytes)


@dataclass(frozen=True)
class _Mark:
    """How far a tally had come: its name, which changes when it begins anew, and its pages."""

    name: bytes
    pages: int


class _Tally:
    """What all processes together have written, as the length of a file.

    Appending a byte for every page that is written needs no lock: appends do not overwrite
    each other. Two lengths say how much was written in between, without a look at the entries.
    The file begins with random bytes, so that one that began anew is never taken for the old.
    """

    PAGE: Final = 4096
    NAME: Final = 16

    def __init__(self, path: Path, *, cap: int) -> None:
        self._path = path
        self._cap = cap

    def add(self, size: int) -> _Mark:
        """Count ``size`` bytes, rounded up to whole pages.

        Raises:
            OSError: the disk does not take it.
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
        """How far it has come; it begins anew once it is long."""
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
    """Nanoseconds since 1970, later at every call, so that uses in one process have an order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        with self._lock:
            self._last = max(self._last + 1, time.time_ns())
            return self._last


class _Found(NamedTuple):
    """A file on disk: its bytes and when it was last used, in nanoseconds since 1970.

    There are thousands of them at each look: a plain text is quicker to make than a path.
    """

    path: str
    size: int
    used: int


def _files(folder: Path) -> Iterator[_Found]:
    """The plain files of a folder, as far as others leave them there while we look.

    Raises:
        OSError: the folder is there and cannot be listed.
    """
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as listing:
        for item in listing:
            with suppress(FileNotFoundError):
                info = item.stat(follow_symlinks=False)
                if stat.S_ISREG(info.st_mode):
                    yield _Found(item.path, info.st_size, info.st_mtime_ns)


def _hash(key: str) -> bytes:
    """What names an entry: no text of a user becomes a path."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _pack(key_hash: bytes, value: Value) -> bytes:
    head = _HEAD.pack(_MAGIC, key_hash, time.time_ns())
    digest = hashlib.sha256(head)
    digest.update(value)
    return b"".join((head, digest.digest(), value))


def _unpack(raw: bytes, key_hash: bytes) -> tuple[int, bytes] | None:
    """Time of writing and value of an entry that is whole and this key's, else None."""
    if len(raw) < OVERHEAD:
        return None
    magic, stored_hash, written = _HEAD.unpack_from(raw)
    value = raw[OVERHEAD:]
    digest = hashlib.sha256(raw[: _HEAD.size])
    digest.update(value)
    whole = digest.digest() == raw[_HEAD.size : OVERHEAD]
    return (written, value) if whole and magic == _MAGIC and stored_hash == key_hash else None


def _read(path: Path, limit: int) -> bytes:
    """The file's bytes; none of what cannot be an entry (a pipe would make a reader wait)."""
    info = path.lstat()
    if not stat.S_ISREG(info.st_mode) or info.st_size > limit:
        return b""
    return path.read_bytes()


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _remove(path: Path) -> bool:
    """Whether the file is gone, by us or by another."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
