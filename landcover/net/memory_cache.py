"""A size-limited cache of bytes in memory, for all users of this process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from landcover.core import limits

__all__ = ["MemoryCache"]


class MemoryCache:
    """Values under text keys; the least recently used are removed when space is needed.

    Its limit is ``memory_cache_bytes`` of :mod:`landcover.core.limits`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    def get(self, key: str, *, max_age: float | None = None) -> bytes | None:
        """Return the value stored last under this key, or None.

        Args:
            key: any text.
            max_age: maximum age of the value in seconds; setting the clock does not change it.
        """
        with self._lock:
            if key not in self._entries:
                return None
            written, value = self._entries[key]
            if max_age is not None and not time.monotonic() - written <= max_age:
                return None
            self._entries.move_to_end(key)
            return value

    def put(self, key: str, value: bytes | bytearray | memoryview) -> bool:
        """Store a value under a key; whether it is stored, because it is within the limit."""
        kept = bytes(value)
        most = limits.current().memory_cache_bytes
        with self._lock:
            self._remove(key)
            if len(key) + len(kept) > most:
                return False
            self._entries[key] = (time.monotonic(), kept)
            self._bytes += len(key) + len(kept)
            while self._bytes > most:
                self._remove(next(iter(self._entries)))
            return True

    def remove(self, key: str) -> None:
        """Remove the value under a key, if there is one."""
        with self._lock:
            self._remove(key)

    def _remove(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(key) + len(entry[1])
