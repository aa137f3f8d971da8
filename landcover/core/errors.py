"""Errors that a user can act on.

Every message is one sentence: what is wrong, then what to do. The command line prints it
after ``error:``; a page shows it unchanged. Any other exception is a bug in this program
and may show its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

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
    """Base class of all errors whose message is written for the user."""


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

    def __init__(
        self, kind: str, name: str, choices: Iterable[str], meant: str | None = None
    ) -> None:
        known = sorted(choices)
        shown = name if len(name) <= 60 else name[:57] + "…"
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
