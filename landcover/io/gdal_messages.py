"""Keeping GDAL's messages about damaged files off the user's terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from types import TracebackType
from typing import Final

__all__ = ["silence_gdal"]


class _GdalSilencer:
    """Keeps GDAL's messages about damaged files off the user's terminal.

    rasterio cannot decode a message of GDAL that quotes random bytes of a file. It reports
    this through both of Python's hooks, from a callback in which it cannot be caught.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._excepthook = sys.excepthook
        self._unraisablehook = sys.unraisablehook

    @contextmanager
    def __call__(self) -> Iterator[None]:
        # Several threads may read at once; the last one restores the hooks.
        with self._lock:
            if not self._users:
                self._excepthook, self._unraisablehook = sys.excepthook, sys.unraisablehook
                sys.excepthook, sys.unraisablehook = self._on_error, self._on_unraisable
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    sys.excepthook, sys.unraisablehook = self._excepthook, self._unraisablehook

    def _on_error(
        self, kind: type[BaseException], value: BaseException, trace: TracebackType | None
    ) -> None:
        if not isinstance(value, UnicodeDecodeError):
            self._excepthook(kind, value, trace)

    def _on_unraisable(self, unraisable: sys.UnraisableHookArgs) -> None:
        if not isinstance(unraisable.exc_value, UnicodeDecodeError):
            self._unraisablehook(unraisable)


silence_gdal: Final = _GdalSilencer()
