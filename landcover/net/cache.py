"""The program's cache: on disk, or in memory while the disk cannot be written."""

from __future__ import annotations

import os
import re
import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from landcover.core import home
from landcover.core.errors import BadInput
from landcover.net.disk_cache import DiskCache, Value
from landcover.net.memory_cache import MemoryCache

__all__ = ["DEFAULT_MB", "VARIABLE", "Cache", "SafeCache", "default"]

VARIABLE: Final = "LANDCOVER_CACHE_MB"
DEFAULT_MB: Final = 2000
"""Enough for about ten thousand patches and the headers of their scenes."""


class Cache(Protocol):
    """Values under text keys, of which any may be missing at the next call."""

    def get(self, key: str, *, max_age: float | None = None) -> bytes | None:
        """The value stored last under this key, or None; ``max_age`` is in seconds."""

    def put(self, key: str, value: Value) -> bool:
        """Store a value under a key; whether it was stored."""


class SafeCache:
    """A cache on disk; what the disk cannot store is kept in memory until the program ends.

    So a disk that is full or read-only costs requests that were already answered, and nothing
    else.

    Attributes:
        disk: the part on disk.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.disk = DiskCache(folder, limit_bytes)
        self._memory = MemoryCache()
        self._lock = threading.Lock()
        self._said = False

    def get(self, key: str, *, max_age: float | None = None) -> bytes | None:
        """Return the value stored last under this key, or None; as for :class:`DiskCache`."""
        value = self._memory.get(key, max_age=max_age)
        return self.disk.get(key, max_age=max_age) if value is None else value

    def put(self, key: str, value: Value) -> bool:
        """Store a value under a key, replacing the old one; whether it was stored."""
        if self.disk.put(key, value):
            self._memory.remove(key)
            return True
        # A value that is too large for the disk is not kept in memory either.
        return bool(self.disk.trouble) and self._memory.put(key, value)

    def note(self) -> str | None:
        """What the user should know about the cache; the same is said only once."""
        with self._lock:
            if not self.disk.trouble or self._said:
                return None
            self._said = True
        return (
            f"The folder of the program's files cannot be written to ({self.disk.trouble}), so "
            "what is fetched is kept in memory until the program ends: set "
            f"{home.VARIABLE} to a folder that can be written to, or free some space."
        )


def default() -> SafeCache:
    """The cache in ``home.folder``, limited to ``LANDCOVER_CACHE_MB`` megabytes (2 GB if unset).

    Raises:
        BadInput: the variable is not a whole number.
    """
    text = os.environ.get(VARIABLE, "").strip() or str(DEFAULT_MB)
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise BadInput(
            f"{VARIABLE} is '{text[:40]}', which is no whole number of megabytes: "
            f"give one such as {DEFAULT_MB}, or 0 to keep nothing."
        )
    with suppress(BadInput):  # without a folder, the cache is in memory
        home.folder()
    return _opened(home.location() / "cache", int(text) * 10**6)


@lru_cache(maxsize=8)
def _opened(folder: Path, limit_bytes: int) -> SafeCache:
    """One object for each folder, because it remembers how full the folder was."""
    cache = SafeCache(folder, limit_bytes)
    cache.disk.sweep()
    return cache
