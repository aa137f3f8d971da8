"""Errors that a user can act on.

Every message is one sentence: what is wrong, then what to do. The command line prints it
after ``error:``; a page shows it unchanged. Any other exception is a bug in this program
and may show its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar

from landcover.core.text import LONGEST_LINE, one_line, plain

__all__ = [
    "BadInput",
    "Cancelled",
    "CorruptModel",
    "FetchError",
    "LandcoverError",
    "ModelMismatch",
    "TooLarge",
    "UnknownName",
]


class LandcoverError(Exception):
    """Base class of all errors whose message is written for the user.

    The message is one line of at most 600 characters, whatever it quotes: names of files, tags,
    answers of servers and arguments can have line breaks, control characters and any length.
    """

    longest: ClassVar[int] = LONGEST_LINE

    def __str__(self) -> str:
        return one_line(super().__str__(), self.longest)


class BadInput(LandcoverError):
    """A file, place or value cannot be used; the message says what to use instead."""


class TooLarge(BadInput):
    """A raster does not fit into memory, but a window of it can be read."""


class UnknownName(BadInput):
    """A name is not known; the message suggests one and lists all.

    Args:
        kind: what it is a name of.
        name: as the user wrote it.
        choices: the known names.
        meant: the one that the user probably means; by default the most similar one.
    """

    longest: ClassVar[int] = 2_000  # it lists all known names

    def __init__(
        self, kind: str, name: str, choices: Iterable[str], meant: str | None = None
    ) -> None:
        known = sorted(choices)
        shown = plain(name if len(name) <= 60 else name[:57] + "…")
        near = difflib.get_close_matches(name.lower(), [k.lower() for k in known], n=1, cutoff=0.5)
        hint = meant or next((k for k in known if near and k.lower() == near[0]), None)
        ask = f"did you mean '{hint}'? " if hint else ""
        super().__init__(f"Unknown {kind} '{shown}': {ask}Known are: {'; '.join(known)}.")
        self.kind = kind
        self.name = name
        self.choices = tuple(known)


class ModelMismatch(LandcoverError):
    """A patch does not have the bands, units, level or size that a model needs."""


class CorruptModel(LandcoverError):
    """The card or the weights in a model folder are damaged or not valid."""


class FetchError(LandcoverError):
    """A download failed; the message says what to try."""


class Cancelled(LandcoverError):
    """The user stopped a job; no partial result is kept."""
