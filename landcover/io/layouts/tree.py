"""Folders whose files are read: on the user's disk, or in an upload."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from landcover.core.errors import BadInput
from landcover.io.guard import read_file, shown
from landcover.io.layouts.own_maps import own_maps

__all__ = [
    "Disk",
    "Listing",
    "Tree",
    "Uploaded",
    "join",
    "name_of",
]


@dataclass(frozen=True)
class Listing:
    """The sorted names of the regular files and of the folders in a folder."""

    files: tuple[str, ...]
    folders: tuple[str, ...]


class Tree(Protocol):
    """Files in folders; paths are relative to the first folder and use ``/``."""

    @property
    def name(self) -> str:
        """Name of the first folder, or of the zip, for messages."""
        ...

    def listing(self, folder: str) -> Listing:
        """List a folder; hidden files and maps that this program wrote are left out.

        Raises:
            OSError: it cannot be opened.
        """
        ...

    def identity(self, folder: str) -> Hashable:
        """A value that is the same for all paths of one folder.

        Raises:
            OSError: it cannot be opened.
        """
        ...

    def read(self, file: str, limit: int) -> bytes:
        """Read the bytes of a file.

        Raises:
            BadInput: there is no such file, it has more than ``limit`` bytes, or cannot be read.
        """
        ...

    def raster(self, file: str) -> AbstractContextManager[Path]:
        """Give the path of a raster file to open, for as long as the context lasts.

        Raises:
            BadInput: there is no such file, it is too large, or cannot be read.
        """
        ...


def join(folder: str, name: str) -> str:
    """The path of a name in a folder; the first folder is the empty text."""
    return f"{folder}/{name}" if folder else name


def name_of(tree: Tree, folder: str) -> str:
    """The name of a folder of a tree."""
    return PurePosixPath(folder).name or tree.name


@dataclass(frozen=True)
class Disk:
    """A folder on the user's own disk."""

    root: Path

    @property
    def name(self) -> str:
        """Name of the folder."""
        return Path(os.path.abspath(self.root)).name  # noqa: PTH100 - resolve follows links

    def path(self, path: str) -> Path:
        """Where a file or folder lies."""
        return self.root / path if path else self.root

    def listing(self, folder: str) -> Listing:
        """As :meth:`Tree.listing`; links are followed, and maps of this program left out."""
        files: list[str] = []
        folders: list[str] = []
        with os.scandir(self.path(folder)) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                elif entry.is_file():
                    files.append(entry.name)
        left = set(files) - own_maps(self.path(folder), files)
        return Listing(tuple(sorted(left)), tuple(sorted(folders)))

    def identity(self, folder: str) -> Hashable:
        """Device and number of the folder."""
        facts = self.path(folder).stat()
        return facts.st_dev, facts.st_ino

    def read(self, file: str, limit: int) -> bytes:
        """As :meth:`Tree.read`."""
        return read_file(self.path(file), limit)

    @contextmanager
    def raster(self, file: str) -> Iterator[Path]:
        """As :meth:`Tree.raster`: the path of the file."""
        yield self.path(file)


@dataclass(frozen=True)
class Uploaded:
    """Files that a user uploaded; they lie in one folder of this tree.

    Attributes:
        files: the name that the user gave, and the path on disk, of each.
        name: for messages.
    """

    files: Sequence[tuple[str, Path]]
    name: str = "the upload"

    def listing(self, folder: str) -> Listing:
        """As :meth:`Tree.listing`."""
        if folder:
            return Listing((), ())
        return Listing(tuple(sorted(name for name, _ in self.files)), ())

    def identity(self, folder: str) -> Hashable:
        """The path itself."""
        return folder

    def read(self, file: str, limit: int) -> bytes:
        """As :meth:`Tree.read`."""
        return read_file(self._path(file), limit)

    @contextmanager
    def raster(self, file: str) -> Iterator[Path]:
        """As :meth:`Tree.raster`: the path of the file."""
        yield self._path(file)

    def _path(self, file: str) -> Path:
        path = next((path for name, path in self.files if name == file), None)
        if path is None:
            raise BadInput(f"There is no file '{shown(file)}': upload it again.")
        return path
