"""Folders whose files are read: on the user's disk, or files in memory such as an upload."""

from __future__ import annotations

import os
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from landcover.core.errors import BadInput
from landcover.io.guard import JP2_MAGIC, MAX_FILE_BYTES, read_file, shown
from landcover.io.jp2_probe import probed

__all__ = [
    "Disk",
    "Held",
    "Listing",
    "RasterSource",
    "Rasters",
    "Tree",
    "Uploaded",
    "join",
    "name_of",
]

RasterSource = Path | bytes
"""What :func:`landcover.io.guard.open_raster` opens."""


@dataclass(frozen=True)
class Listing:
    """The sorted names of the regular files and of the folders in a folder."""

    files: tuple[str, ...]
    folders: tuple[str, ...]


class Rasters(Protocol):
    """Raster files."""

    def raster(self, file: str) -> AbstractContextManager[RasterSource]:
        """Give a raster file to open, for as long as the context lasts.

        Raises:
            BadInput: there is no such file, it is too large, or cannot be read.
        """
        ...


class Tree(Rasters, Protocol):
    """Files in folders; paths are relative to the first folder and use ``/``."""

    @property
    def name(self) -> str:
        """Name of the first folder, or of the zip, for messages."""
        ...

    def listing(self, folder: str) -> Listing:
        """List a folder; hidden files are left out.

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

    def together(self, files: Collection[str]) -> AbstractContextManager[Rasters]:
        """Give several raster files to open, so that what is slow is done once for all.

        Raises:
            BadInput: as for :meth:`raster`.
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
        """As :meth:`Tree.listing`; links are followed."""
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
        return Listing(tuple(sorted(files)), tuple(sorted(folders)))

    def identity(self, folder: str) -> Hashable:
        """Device and number of the folder."""
        facts = self.path(folder).stat()
        return facts.st_dev, facts.st_ino

    def read(self, file: str, limit: int) -> bytes:
        """As :meth:`Tree.read`."""
        return read_file(self.path(file), limit)

    @contextmanager
    def raster(self, file: str) -> Iterator[RasterSource]:
        """As :meth:`Rasters.raster`: the path of the file."""
        yield self.path(file)

    @contextmanager
    def together(self, files: Collection[str]) -> Iterator[Rasters]:
        """As :meth:`Tree.together`."""
        del files
        yield self


@dataclass(frozen=True)
class Uploaded:
    """Files in memory, given by name; they lie in one folder."""

    files: Sequence[tuple[str, bytes]]
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
        data = next((data for name, data in self.files if name == file), None)
        if data is None:
            raise BadInput(f"There is no file '{shown(file)}': upload it again.")
        if len(data) > limit:
            raise BadInput(f"'{shown(file)}' is too large (over {limit / 1e6:,.0f} MB).")
        return data

    @contextmanager
    def raster(self, file: str) -> Iterator[RasterSource]:
        """As :meth:`Rasters.raster`: the bytes of the file, or a copy of JPEG 2000 on disk."""
        data = self.read(file, MAX_FILE_BYTES)
        if not data.startswith(JP2_MAGIC):
            yield data
            return
        with probed({file: [data]}) as found:
            yield found[file]

    @contextmanager
    def together(self, files: Collection[str]) -> Iterator[Rasters]:
        """As :meth:`Tree.together`: another process tries all JPEG 2000 files first."""
        data = {file: self.read(file, MAX_FILE_BYTES) for file in files}
        jp2 = {file: [one] for file, one in data.items() if one.startswith(JP2_MAGIC)}
        with probed(jp2) as found:
            yield Held(found, self)


@dataclass(frozen=True)
class Held:
    """Raster files of which some are unpacked for a while.

    Attributes:
        files: path of each unpacked file.
        others: all other files.
    """

    files: Mapping[str, Path]
    others: Rasters

    @contextmanager
    def raster(self, file: str) -> Iterator[RasterSource]:
        """As :meth:`Rasters.raster`."""
        if file in self.files:
            yield self.files[file]
        else:
            with self.others.raster(file) as found:
                yield found
