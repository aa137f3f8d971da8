"""Errors that a user can act on.

Every message is one sentence: what is wrong, then what to do. The command line
prints it behind ``error:``; a page shows it as it is. Anything that is not a
:class:`LandcoverError` is a fault of ours and may show its traceback.
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
    "UnknownName",
]


class LandcoverError(Exception):
    """Base of all errors whose message is written for the user."""


class BadInput(LandcoverError):
    """A file, place or value that cannot be used, with what to use instead."""


class UnknownName(BadInput):
    """A name that is in none of our tables; the message offers the nearest ones."""

    def __init__(self, kind: str, name: str, choices: Iterable[str]) -> None:
        known = sorted(choices)
        shown = name if len(name) <= 60 else name[:57] + "…"
        near = difflib.get_close_matches(name.lower(), [k.lower() for k in known], n=1, cutoff=0.5)
        hint = next((k for k in known if near and k.lower() == near[0]), None)
        ask = f"did you mean '{hint}'? " if hint else ""
        super().__init__(f"Unknown {kind} '{shown}': {ask}Known are: {'; '.join(known)}.")
        self.kind = kind
        self.name = name
        self.choices = tuple(known)


class ModelMismatch(LandcoverError):
    """A patch that a model was not made for (bands, units, level or size)."""


class CorruptModel(LandcoverError):
    """A model folder whose card or weights cannot be trusted."""


class FetchError(LandcoverError):
    """Something that should have come over the network did not; the message says what to try."""


class Cancelled(LandcoverError):
    """The user stopped a job; nothing is wrong and nothing was kept in part."""
