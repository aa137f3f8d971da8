"""Untrusted zip archives, whose members are read like the files of a folder.

Nothing is unpacked to a place that a member's path names. :mod:`landcover.io.zip_reader` checks
the directory and limits what is unpacked.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final

from landcover.core import files, limits
from landcover.core.errors import BadInput
from landcover.io.guard import FILE, head_of, named, shown
from landcover.io.layouts.tree import Listing
from landcover.io.zip_reader import Budget, Directory, Member, read_directory, upload_budget

__all__ = ["Unpacked", "Zip", "is_zip"]

_MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06")
"""First bytes of a zip with members, and of an empty one."""
_HIDDEN: Final = 4
"""A zip may have this many times as many entries as files: folders, and files of macOS."""


def is_zip(source: Path | bytes) -> bool:
    """Whether a file is a zip, decided by its first bytes."""
    return head_of(source).startswith(_MAGIC)


@dataclass(eq=False)
class Zip:
    """A zip as a tree of files. It is opened for each file, so that none is left open.

    Attributes:
        source: the file.
        name: name of the zip in messages.
        is_upload: whether it was uploaded, so that less may be unpacked from it.
    """

    source: Path
    name: str
    is_upload: bool = False

    def listing(self, folder: str) -> Listing:
        """As :meth:`landcover.io.layouts.tree.Tree.listing`.

        Raises:
            BadInput: the zip is damaged, harmful, or contains more than a thousand files.
        """
        inside = [path for path in self._members if _parent(path) == folder]
        start = f"{folder}/" if folder else ""
        below = {
            path[len(start) :].split("/", 1)[0]
            for path in self._members
            if path.startswith(start) and "/" in path[len(start) :]
        }
        names = (PurePosixPath(path).name for path in inside)
        return Listing(tuple(sorted(names)), tuple(sorted(below)))

    def identity(self, folder: str) -> Hashable:
        """The path itself."""
        return folder

    def read(self, file: str, limit: int) -> bytes:
        """As :meth:`landcover.io.layouts.tree.Tree.read`."""
        return b"".join(self._pieces(file, limit))

    @contextmanager
    def raster(self, file: str) -> Iterator[Path]:
        """As :meth:`landcover.io.layouts.tree.Tree.raster`.

        The file is unpacked to a temporary one, so that a window of it needs little memory.
        """
        most = limits.current().file_bytes
        with _unpacked(self._pieces(file, most)) as path:
            yield path

    @cached_property
    def _directory(self) -> Directory:
        with named(self.name):
            return read_directory(self.source, _HIDDEN * limits.current().archive_entries)

    @cached_property
    def _members(self) -> Mapping[str, Member]:
        """The files of the user by their paths."""
        members = self._directory.members
        found = {path: member for name, member in members.items() if (path := _path(name))}
        most = limits.current().archive_entries
        if len(found) > most:
            raise BadInput(
                f"'{shown(self.name)}' contains {len(found):,} files, more than {most:,}: unpack "
                "it and give the folder, or measure on a labelled data set with `landcover "
                "evaluate`."
            )
        return found

    @cached_property
    def _budget(self) -> Budget:
        """What may be unpacked from it; much less from an upload than from the user's own disk."""
        if self.is_upload:
            return upload_budget(self.source.stat().st_size)
        return Budget(limits.current().archive_bytes)

    def _pieces(self, file: str, limit: int) -> Iterator[bytes]:
        """The bytes of a file in pieces, of ``limit`` bytes together at most."""
        member = self._members.get(file)
        if member is None:
            raise BadInput(f"'{shown(self.name)}' contains no file '{shown(file)}'.")
        with named(self.name):
            if member.size > limit:
                raise BadInput(
                    f"'{shown(file)}' in {FILE} unpacks to more than {limit / 1e6:,.0f} MB: "
                    "cut out the part that you need."
                )
            yield from self._directory.pieces(self.source, member, self._budget)


class Unpacked:
    """A zip whose files are unpacked once, to a folder of the caller.

    Args:
        packed: the zip.
        folder: where its raster files are unpacked when they are needed; several processes can
            share it.
    """

    def __init__(self, packed: Zip, folder: Path) -> None:
        self._packed = packed
        self._folder = folder

    @property
    def name(self) -> str:
        """Name of the zip."""
        return self._packed.name

    def listing(self, folder: str) -> Listing:
        """As :meth:`Zip.listing`."""
        return self._packed.listing(folder)

    def identity(self, folder: str) -> Hashable:
        """As :meth:`Zip.identity`."""
        return self._packed.identity(folder)

    def read(self, file: str, limit: int) -> bytes:
        """As :meth:`Zip.read`."""
        return self._packed.read(file, limit)

    @contextmanager
    def raster(self, file: str) -> Iterator[Path]:
        """As :meth:`Zip.raster`; the file stays in the folder."""
        # Names come from outside, so the files on disk have others.
        path = self._folder / hashlib.sha256(file.encode()).hexdigest()[:32]
        if not path.exists():
            with self._packed.raster(file) as unpacked:
                shutil.move(unpacked, path)
        yield path


@contextmanager
def _unpacked(pieces: Iterable[bytes]) -> Iterator[Path]:
    """A file with these bytes, for as long as the context lasts."""
    with files.scratch() as folder:
        path = folder / "file"
        with path.open("wb") as file:
            file.writelines(pieces)
        yield path


def _path(name: str) -> str:
    """Path of a member in the tree; empty for hidden files of an operating system."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in {"", ".", ".."}]
    hidden = not parts or "__MACOSX" in parts or any(part.startswith(".") for part in parts)
    return "" if hidden else "/".join(parts)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
