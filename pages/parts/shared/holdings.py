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
from weakref import WeakSet, WeakValueDictionary

import streamlit as st

from landcover.core import files, limits
from landcover.core.errors import BadInput
from landcover.core.raster import ByteArray, Raster
from landcover.core.window import Window
from landcover.io.guard import shown
from pages.parts.shared import sessions

__all__ = [
    "MIDDLE",
    "NO_ROOM",
    "PART",
    "Holdings",
    "KeptFile",
    "Whole",
    "forget",
    "is_part",
    "now",
    "owners",
    "stored_by_all",
]

KEY: Final = "classify_holdings"
NO_ROOM: Final = (
    "'{}' does not fit into memory together with the files before it: clear these, and upload it "
    "alone."
)
MIDDLE: Final = 1200
"""Pixels along a side of the square that is kept of a raster that does not fit into memory."""
PART: Final = (
    f"only the {MIDDLE} × {MIDDLE} pixels in the middle were read, because the entire image does "
    "not fit into memory"
)


@dataclass(frozen=True)
class KeptFile:
    """An uploaded file on this server's disk.

    Attributes:
        file_id: Streamlit's id of the upload.
        name: as the user gave it.
        path: where it lies.
        size: bytes.
        digest: SHA-256 of its name and content.
    """

    file_id: str
    name: str
    path: Path
    size: int
    digest: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Whole:
    """An uploaded image with a position on Earth, whose files a map can read by parts.

    Attributes:
        title: its name.
        files: its files, each with the name that is unique in the upload.
        address: which image of these files.
        extent: the grid of 10 m that it covers.
        picture: of an image that does not fit into memory, all of it at a reduced size, RGBA uint8
            ``(y, x, 4)`` with its grid; None if it could not be drawn.
    """

    title: str
    files: tuple[tuple[str, KeptFile], ...]
    address: str
    extent: Window
    picture: tuple[ByteArray, Window] | None

    @property
    def ids(self) -> frozenset[str]:
        """Streamlit's ids of its files."""
        return frozenset(file.file_id for _, file in self.files)


def is_part(raster: Raster) -> bool:
    """Whether a picture is only the middle of the uploaded image."""
    return PART in raster.provenance.notes


class Holdings:
    """The uploaded files and the pictures of one session, each kind with the newest last.

    Attributes:
        files: uploaded files by Streamlit's id.
        uploads: uploaded Sentinel-2 pictures by key.
        pictures: uploaded colour pictures by key.
        fetched: patches from archives by key.
        wholes: the images that are read by parts, by their key in :attr:`uploads`, which may have
            the middle only.
    """

    def __init__(self) -> None:
        self.uploads: dict[str, Raster] = {}
        self.pictures: dict[str, Raster] = {}
        self.fetched: dict[str, Raster] = {}
        self.wholes: dict[str, Whole] = {}
        self.files: dict[str, KeptFile] = {}
        self._folder: Path | None = None
        self._open = ExitStack()
        weakref.finalize(self, self._open.close)
        _every.add(self)

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
            BadInput: the disk is full, or this session or all together have too many files.
        """
        if file_id in self.files:
            return
        most, all_most = limits.current().session_upload_bytes, limits.current().stored_upload_bytes
        if stored_by_all() + len(content) > all_most:
            raise BadInput(
                f"The server has no room left on its disk for '{shown(name)}': remove files that "
                "you uploaded before, or try again in a few minutes."
            )
        if self.stored + len(content) > most:
            raise BadInput(
                f"'{shown(name)}' does not fit onto the server together with your other files, "
                f"which may have {most / 1e6:,.0f} MB: remove some of them."
            )
        digest = hashlib.sha256(f"{name}\0{len(content)}\0".encode(errors="replace"))
        digest.update(content)
        path = self.folder / hashlib.sha256(file_id.encode()).hexdigest()
        files.write_bytes(path, bytes(content), durable=False)
        self.files[file_id] = KeptFile(file_id, name, path, len(content), digest.hexdigest())

    def keep_only(self, file_ids: Collection[str], room: int = 0) -> None:
        """Remove the files that are neither among these nor those of an image in :attr:`wholes`.

        Args:
            file_ids: Streamlit's ids.
            room: bytes that are to fit beside them; the oldest images in :attr:`wholes` with other
                files are dropped for it.
        """
        wanted, most = set(file_ids), limits.current().session_upload_bytes
        while True:
            used = wanted.union(*(one.ids for one in self.wholes.values()))
            for file_id in self.files.keys() - used:
                self.files.pop(file_id).path.unlink(missing_ok=True)
            older = [key for key, one in self.wholes.items() if not one.ids <= wanted]
            if self.stored + room <= most or not older:
                return
            del self.wholes[older[0]]

    def remove_files(self, file_ids: Collection[str]) -> None:
        """Remove files that the user has taken back, and the images in :attr:`wholes` of them."""
        gone = set(file_ids)
        for key in [key for key, one in self.wholes.items() if one.ids & gone]:
            del self.wholes[key]
        self.keep_only(self.files.keys() - gone)

    @property
    def stored(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())

    @property
    def size(self) -> int:
        """Bytes of all pixels."""
        drawn = (one.picture[0].nbytes for one in self.wholes.values() if one.picture)
        return sum(one.data.nbytes for one in self._all()) + sum(drawn)

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
            for kind in (self.uploads, self.pictures, self.wholes):
                kind.pop(key, None)

    def clear(self) -> None:
        """Drop all pictures, and remove all files."""
        for kind in (self.uploads, self.pictures, self.fetched, self.wholes):
            kind.clear()
        self.keep_only(())

    def _all(self) -> Iterator[Raster]:
        return chain(self.uploads.values(), self.pictures.values(), self.fetched.values())


_every: Final[WeakSet[Holdings]] = WeakSet()
_sessions: Final[WeakValueDictionary[str, Holdings]] = WeakValueDictionary()


def now() -> Holdings:
    """Return what the current session holds."""
    held = st.session_state.setdefault(KEY, Holdings())
    assert isinstance(held, Holdings)
    _sessions[sessions.current()] = held
    return held


def stored_by_all() -> int:
    """Bytes of the uploaded files of all sessions on the disk."""
    return sum(held.stored for held in list(_every))


def owners() -> list[str]:
    """Return the ids of the sessions that hold anything."""
    return [s for s, held in list(_sessions.items()) if held.size or held.files]


def forget(session: str) -> None:
    """Drop everything that a session holds."""
    held = _sessions.pop(session, None)
    if held is not None:
        held.clear()


sessions.on_leave("holdings", forget)
