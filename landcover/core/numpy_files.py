"""What reading a damaged ``.npy`` or ``.npz`` file can raise."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from typing import Final

__all__ = ["DAMAGED"]

DAMAGED: Final[tuple[type[Exception], ...]] = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, MemoryError, RecursionError),
    *(NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error),
    # NumPy reads the header of old files as Python's tokens.
    *(SyntaxError, tokenize.TokenError),
)
"""Errors of ``numpy.load(…, allow_pickle=False)`` and of its members, for any content at all."""
