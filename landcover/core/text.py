"""Text for display: names without control characters, places and times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

__all__ = [
    "LONGEST_LINE",
    "listed",
    "no_formula",
    "one_line",
    "place_text",
    "plain",
    "readable",
    "time_text",
    "with_article",
]

LONGEST_LINE: Final = 600
"""Maximum characters of a message."""


def plain(text: str) -> str:
    """Replace control characters and lone surrogates in a user's text; cut to 200 characters."""
    whole = text.encode("utf-8", "replace").decode()
    clean = "".join(letter if letter.isprintable() else "�" for letter in whole)
    return clean if len(clean) <= 200 else clean[:199] + "…"


def one_line(text: str, most: int = LONGEST_LINE) -> str:
    """Put a message that may quote outside text on one line, and leave out its middle if long.

    Line breaks become blanks, other control characters and lone surrogates ``�``.
    """
    if len(text) > most:
        # What is wrong comes first, and what to do last.
        tail = most // 3
        text = f"{text[: most - tail - 3]} … {text[-tail:]}"
    if text.isprintable():
        return text
    whole = text.encode("utf-8", "replace").decode()
    return "".join(_printed(letter) for letter in whole)


def _printed(letter: str) -> str:
    if letter.isprintable():
        return letter
    return " " if letter.isspace() else "�"


def no_formula(text: str) -> str:
    """Quote a text that a spreadsheet would run as a formula, such as ``=…``."""
    return "'" + text if text.startswith(("=", "+", "-", "@")) else text


def place_text(latitude: float, longitude: float) -> str:
    """Format a place (WGS 84 degrees) such as ``48.2223° N, 13.7209° E``."""
    ns, ew = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.4f}° {ns}, {abs(longitude):.4f}° {ew}"


def time_text(iso: str | None) -> str:
    """Format an ISO 8601 time such as ``2017-06-13 10:10 UTC``."""
    if iso is None:
        return "date not stated"
    return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M UTC")


def listed(names: Sequence[str]) -> str:
    """List names in a sentence, such as ``B02, B03 and B04``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def with_article(noun: str) -> str:
    """Put the indefinite article before a noun: ``an accuracy``, ``a macro AP``."""
    return f"{'an' if noun[:1].lower() in 'aeio' else 'a'} {noun}"


def readable(identifier: str) -> str:
    """Turn an identifier such as ``colour-statistics`` into words: ``Colour statistics``."""
    words = identifier.replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]
