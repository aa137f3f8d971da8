"""Untrusted zip archives, whose members are read like the files of a folder.

Nothing is unpacked to a place that a member's path names. Sizes are limited while reading,
whatever the archive states.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Collection, Hashable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import IO, Final

from landcover.core.errors import BadInput
from landcover.io.guard import FILE, JP2_MAGIC, MAX_FILE_BYTES, head_of, named, shown
from landcover.io.jp2_probe import probed, unpacked
from landcover.io.layouts.tree import Held, Listing, Rasters, RasterSource

__all__ = ["COMPRESSIONS", "MAX_MEMBERS", "MAX_UNPACKED", "ZIP_ERRORS", "Zip", "is_zip"]

_MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06")
"""First bytes of a zip with members, and of an empty one."""
MAX_MEMBERS: Final = 1000
MAX_UNPACKED: Final = 4_000_000_000
"""Maximum bytes that are unpacked from one zip, one member at a time; a product has 1 GB."""
_CHUNK: Final = 1_000_000
COMPRESSIONS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Compressions that are read; others are rare, and their decoders are harder to limit."""
ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
    EOFError,
    LookupError,
)
"""What a damaged or encrypted zip raises, depending on the position of the damage."""


def is_zip(source: Path | bytes) -> bool:
    """Whether a file is a zip, decided by its first bytes."""
    return head_of(source).startswith(_MAGIC)


@dataclass(eq=False)
class Zip:
    """A zip as a tree of files. It is opened for each file, so that none is left open.

    Attributes:
        source: the file, or its bytes.
        name: name of the zip in messages.
    """

    source: Path | bytes
    name: str
    _unpacked: int = field(default=0, init=False, repr=False)

    def listing(self, folder: str) -> Listing:
        """As :meth:`landcover.io.layouts.tree.Tree.listing`.

        Raises:
            BadInput: the zip is damaged, or contains more than a thousand files.
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
        with self._opened(file, limit) as member:
            return b"".join(member)

    @contextmanager
    def raster(self, file: str) -> Iterator[RasterSource]:
        """As :meth:`landcover.io.layouts.tree.Rasters.raster`.

        A JPEG 2000 file is unpacked to a temporary file. If the zip is an upload, another process
        tries to open it first.
        """
        found: RasterSource
        with ExitStack() as until_read:
            with self._opened(file, MAX_FILE_BYTES) as member:
                first = next(member, b"")
                pieces = chain((first,), member)
                if not first.startswith(JP2_MAGIC):
                    found = b"".join(pieces)
                elif isinstance(self.source, Path):
                    found = until_read.enter_context(unpacked(pieces))
                else:
                    found = until_read.enter_context(probed({file: pieces}))[file]
            yield found

    @contextmanager
    def together(self, files: Collection[str]) -> Iterator[Rasters]:
        """As :meth:`landcover.io.layouts.tree.Tree.together`.

        Files of a zip on the user's own disk are unpacked one at a time, as they are read.
        """
        if isinstance(self.source, Path):
            yield self
            return
        jp2 = {file: self._bytes(file) for file in files if self._is_jp2(file)}
        with probed(jp2) as found:
            yield Held(found, self)

    def _is_jp2(self, file: str) -> bool:
        with self._opened(file, MAX_FILE_BYTES) as member:
            return next(member, b"").startswith(JP2_MAGIC)

    def _bytes(self, file: str) -> Iterator[bytes]:
        with self._opened(file, MAX_FILE_BYTES) as member:
            yield from member

    @cached_property
    def _members(self) -> Mapping[str, str]:
        """Path of each file of the user → its name in the archive."""
        with self._errors(), zipfile.ZipFile(self._stream()) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
        members = {path: name for name in names if (path := _path(name))}
        if len(members) > MAX_MEMBERS:
            raise BadInput(
                f"'{shown(self.name)}' contains {len(members):,} files, more than "
                f"{MAX_MEMBERS:,}: unpack it and give the folder, or measure on a labelled "
                "data set with `landcover evaluate`."
            )
        return members

    @contextmanager
    def _opened(self, file: str, limit: int) -> Iterator[Iterator[bytes]]:
        """The bytes of a member in pieces, which may not exceed a limit together."""
        if file not in self._members:
            raise BadInput(f"'{shown(self.name)}' contains no file '{shown(file)}'.")
        with self._errors(), zipfile.ZipFile(self._stream()) as archive:
            info = archive.getinfo(self._members[file])
            if info.compress_type not in COMPRESSIONS:
                raise NotImplementedError(info.compress_type)
            with archive.open(info) as member:
                yield self._pieces(member, file, limit)

    def _pieces(self, member: IO[bytes], file: str, limit: int) -> Iterator[bytes]:
        size = 0
        while piece := member.read(_CHUNK):
            size += len(piece)
            self._unpacked += len(piece)
            if size > limit:
                raise BadInput(
                    f"'{shown(file)}' in {FILE} unpacks to more than {limit / 1e6:,.0f} MB: "
                    "cut out the part that you need."
                )
            if self._unpacked > MAX_UNPACKED:
                raise BadInput(
                    f"{FILE} unpacks to more than {MAX_UNPACKED / 1e6:,.0f} MB: unpack it and give "
                    "the folder."
                )
            yield piece

    def _stream(self) -> Path | IO[bytes]:
        return io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with named(self.name):
            try:
                yield
            except BadInput:
                raise
            # The error depends on which byte is damaged.
            except ZIP_ERRORS:
                raise BadInput(
                    f"{FILE} is a damaged, encrypted or unsupported zip: pack it again with the "
                    "usual compression (deflate) and without a password."
                ) from None


def _path(name: str) -> str:
    """Path of a member in the tree; empty for hidden files of an operating system."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in {"", ".", ".."}]
    hidden = not parts or "__MACOSX" in parts or any(part.startswith(".") for part in parts)
    return "" if hidden else "/".join(parts)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
