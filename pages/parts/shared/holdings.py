"""The pixels that sessions hold: within a limit for each, and freed when a session is gone.

Streamlit keeps a session's state for a while after its user has left, so pixels are not in the
state itself: the state has a :class:`Holdings`, which :func:`forget` can empty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Final
from weakref import WeakValueDictionary

import streamlit as st

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.core.raster import Raster
from pages.parts.shared import sessions

__all__ = ["Holdings", "forget", "now", "owners"]

KEY: Final = "classify_holdings"


class Holdings:
    """The pictures of one session, each kind with the newest last.

    Attributes:
        uploads: uploaded Sentinel-2 pictures by key.
        pictures: uploaded colour pictures by key.
        fetched: patches from archives by key.
    """

    def __init__(self) -> None:
        self.uploads: dict[str, Raster] = {}
        self.pictures: dict[str, Raster] = {}
        self.fetched: dict[str, Raster] = {}

    @property
    def size(self) -> int:
        """Bytes of all pixels."""
        return sum(one.data.nbytes for one in self._all())

    def make_room(self, raster: Raster, kept: Collection[str | None]) -> None:
        """Drop the oldest uploads until there is room for another.

        Args:
            raster: the new picture.
            kept: keys of uploads that may not be dropped.

        Raises:
            BadInput: there is no room although everything else was dropped.
        """
        now = limits.current()
        old = [key for key in (*self.uploads, *self.pictures) if key not in kept]
        while True:
            count = len(self.uploads) + len(self.pictures)
            fits = self.size + raster.data.nbytes <= now.session_bytes
            if count < now.session_pictures and (fits or not count):
                return
            if not old:
                raise BadInput(
                    f"'{raster.provenance.source}' does not fit into memory together with the "
                    "files before it: clear these, and upload it alone."
                )
            key = old.pop(0)
            self.uploads.pop(key, None)
            self.pictures.pop(key, None)

    def clear(self) -> None:
        """Drop everything."""
        for kind in (self.uploads, self.pictures, self.fetched):
            kind.clear()

    def _all(self) -> Iterator[Raster]:
        return chain(self.uploads.values(), self.pictures.values(), self.fetched.values())


_sessions: Final[WeakValueDictionary[str, Holdings]] = WeakValueDictionary()


def now() -> Holdings:
    """Return what the current session holds."""
    held = st.session_state.setdefault(KEY, Holdings())
    assert isinstance(held, Holdings)
    _sessions[sessions.current()] = held
    return held


def owners() -> list[str]:
    """Return the ids of the sessions that hold anything."""
    return [session for session, held in list(_sessions.items()) if held.size]


def forget(session: str) -> None:
    """Drop everything that a session holds."""
    held = _sessions.pop(session, None)
    if held is not None:
        held.clear()


sessions.on_leave("holdings", forget)
