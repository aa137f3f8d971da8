"""The files and pixels that sessions hold: within a limit for each, and freed when one is gone.

Streamlit keeps a session's state for a while after its user has left, so pixels are not in the
state itself: the state has a :class:`Holdings`, which :func:`forget` can empty.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

import streamlit as st

from landcover.core import files, limits
from landcover.core.errors import BadInput
from landcover.core.raster import Raster
from landcover.io.guard import shown
from pages.parts.shared import sessions

__all__ = ["NO_ROOM", "Holdings", "KeptFile", "forget", "now", "owners"]

KEY: Final = "classify_holdings"
NO_ROOM: Final = (
    "'{}' does not fit into memory together with the files before it: clear these, and upload it "
    "alone."
)


@dataclass(frozen=True)
class KeptFile:
    """An uploaded file on this server's disk.

    Attributes:
        name: as the user gave it.
        path: where it lies.
        size: bytes.
        digest: SHA-256 of its name and content.
    """

    name: str
    path: Path
    size: int
    digest: str


class Holdings:
    """The uploaded files and the pictures of one session, each kind with the newest last.

    Attributes:
        files: uploaded files by Streamlit's id.
        uploads: uploaded Sentinel-2 pictures by key.
        pictures: uploaded colour pictures by key.
        fetched: patches from archives by key.
    """

    def __init__(self) -> None:
        self.uploads: dict[str, Raster] = {}
        self.pictures: dict[str, Raster] = {}
        self.fetched: dict[str, Raster] = {}
        self.files: dict[str, KeptFile] = {}
        self._folder: Path | None = None
        self._open = ExitStack()
        weakref.finalize(self, self._open.close)

    @property
    def folder(self) -> Path:
        """A folder of the session on this server's disk, which is removed with the session.

        Raises:
            BadInput: the disk is full.
        """
        if self._folder is None:
            self._folder = self._open.enter_context(files.scratch())
        return self._folder

    @property
    def has_folder(self) -> bool:
        """Whether the session has used its folder."""
        return self._folder is not None

    def keep_file(self, file_id: str, name: str, content: memoryview) -> None:
        """Keep an uploaded file on disk, unless it is there already.

        Raises:
            BadInput: the disk is full, or the session has too many files.
        """
        if file_id in self.files:
            return
        most = limits.current().session_upload_bytes
        if sum(file.size for file in self.files.values()) + len(content) > most:
            raise BadInput(
                f"'{shown(name)}' does not fit onto the server together with your other files, "
                f"which may have {most / 1e6:,.0f} MB: remove some of them."
            )
        digest = hashlib.sha256(f"{name}\0{len(content)}\0".encode(errors="replace"))
        digest.update(content)
        path = self.folder / hashlib.sha256(file_id.encode()).hexdigest()
        files.write_bytes(path, bytes(content), durable=False)
        self.files[file_id] = KeptFile(name, path, len(content), digest.hexdigest())

    def keep_only(self, file_ids: Collection[str]) -> None:
        """Remove the files that are not among these."""
        for file_id in self.files.keys() - set(file_ids):
            self.files.pop(file_id).path.unlink(missing_ok=True)

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
                raise BadInput(NO_ROOM.format(raster.provenance.source))
            key = old.pop(0)
            self.uploads.pop(key, None)
            self.pictures.pop(key, None)

    def clear(self) -> None:
        """Drop all pictures, and remove all files."""
        for kind in (self.uploads, self.pictures, self.fetched):
            kind.clear()
        self.keep_only(())

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
    return [s for s, held in list(_sessions.items()) if held.size or held.files]


def forget(session: str) -> None:
    """Drop everything that a session holds."""
    held = _sessions.pop(session, None)
    if held is not None:
        held.clear()


sessions.on_leave("holdings", forget)
