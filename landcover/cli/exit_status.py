"""Exit statuses of the command line, part of its public interface (docs/command-line.md)."""

from __future__ import annotations

from typing import Final

__all__ = ["BAD", "DONE", "INTERRUPTED", "SOME_FAILED"]

DONE: Final = 0
SOME_FAILED: Final = 1
"""Some sources failed; each is named on standard error."""
BAD: Final = 2
"""Bad input or usage."""
INTERRUPTED: Final = 130
