"""What a message to the user may look like."""

from __future__ import annotations

from typing import Final

__all__ = ["MOST_LETTERS", "message_fault"]

MOST_LETTERS: Final = 600


def message_fault(message: str) -> str:
    """What is wrong with an error's message; empty if nothing is."""
    if not message.isprintable():
        return f"an error that is not one printable line: {message[:300]!r}"
    if not 0 < len(message) <= MOST_LETTERS:
        return f"an error of {len(message)} letters: {message[:200]!r}"
    return ""
