"""The one way to open a zip that other people made.

The directory of a zip names its members. Its size and number of entries are limited before it is
parsed, and everything that it states is checked before anything is unpacked: names, compressions,
encryption, sizes that no compression reaches, and members that share bytes. Members are then
unpacked here piece by piece, up to their stated size; :mod:`zipfile` only parses the directory.
"""

from __future__ import annotations

import io
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.io.guard import FILE

__all__ = [
    "Budget",
    "Directory",
    "Member",
    "ZipFault",
    "read_directory",
    "upload_budget",
]

_ENTRY_BYTES: Final = 512
"""Bytes of an entry of the directory on average; those of Sentinel-2 products have about 250."""
_MAX_NAME: Final = 1_000
_COMPRESSIONS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Others are rare, and their decoders cannot be limited."""
_MOST_DEFLATED: Final = 1_032
"""The most bytes that deflate makes of one byte; a few more for a short member."""
_LOCAL: Final = struct.Struct("<4s5H3L2H")
"""The header before a member's bytes."""
_ENCRYPTED: Final = 0x41
_PACKED_PIECE: Final = 65_536
_PIECE: Final = 1_000_000
# What the parser of the directory raises, depending on which byte is damaged.
_DAMAGE: Final = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
    LookupError,
    OverflowError,
    struct.error,
)


_PACK_AGAIN: Final = (
    "pack it again with the usual compression (deflate), without a password and with plain names"
)
_UNPACK: Final = "unpack it and give the folder, or a part of it"


class ZipFault(BadInput):
    """A zip is damaged, harmful or of an unsupported kind.

    Args:
        why: what is wrong, as a predicate: ``is encrypted``.
        advice: what to do.
    """

    def __init__(self, why: str, advice: str = _PACK_AGAIN) -> None:
        super().__init__(f"{FILE} {why}: {advice}.")
        self.why = why


class Budget:
    """Bytes that may still be unpacked.

    Args:
        most: how many.
    """

    def __init__(self, most: int) -> None:
        self.most = self.left = most

    def check(self, count: int) -> None:
        """Check that as many bytes are left.

        Raises:
            ZipFault: they are not.
        """
        if count > self.left:
            raise ZipFault(f"unpacks to more than {self.most / 1e6:,.0f} MB", _UNPACK)

    def spend(self, count: int) -> None:
        """Take bytes from it.

        Raises:
            ZipFault: there are not as many left.
        """
        self.check(count)
        self.left -= count


def upload_budget(size: int) -> Budget:
    """What may be unpacked from an uploaded zip.

    Args:
        size: of the zip in bytes.
    """
    now = limits.current()
    by_size = now.archive_slack_bytes + now.archive_ratio * size
    return Budget(min(now.archive_upload_bytes, by_size))


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file in a zip.

    Attributes:
        name: its path, with ``/``.
        size: of its content in bytes.
        kind: type of file in the bits of :mod:`stat`, such as ``S_IFLNK``; 0 if not stated.
    """

    name: str
    size: int
    kind: int
    packed: int
    stored: bool
    start: int
    stop: int
    checksum: int

    @property
    def is_plain(self) -> bool:
        """Whether it is neither a link nor a device."""
        return self.kind in {0, stat.S_IFREG}


@dataclass(frozen=True)
class Directory:
    """The checked directory of a zip.

    Attributes:
        members: name → file, in the order of the zip, without folders.
        entries: number of files and folders.
    """

    members: Mapping[str, Member]
    entries: int

    def pieces(
        self, source: Path | bytes | BinaryIO, member: Member, budget: Budget | None = None
    ) -> Iterator[bytes]:
        """Unpack a member in pieces of at most a megabyte.

        Args:
            source: the zip.
            member: one of its members.
            budget: from which its size is taken.

        Raises:
            ZipFault: it is damaged, or its size exceeds the budget.
        """
        budget = budget or Budget(member.size)
        budget.check(member.size)
        with _stream(source) as file:
            for piece in _checked(_unpacked(file, member), member):
                budget.spend(len(piece))
                yield piece

    def read(
        self, source: Path | bytes | BinaryIO, member: Member, budget: Budget | None = None
    ) -> bytes:
        """Unpack a member, as :meth:`pieces`."""
        return b"".join(self.pieces(source, member, budget))


def read_directory(source: Path | bytes | BinaryIO, entries: int) -> Directory:
    """Read and check the directory of a zip.

    Args:
        source: the zip.
        entries: the most files and folders that it may have.

    Raises:
        ZipFault: it is damaged, harmful, or has more entries.
    """
    try:
        with _stream(source) as file, zipfile.ZipFile(_Limited(file, entries)) as archive:
            infos, end = archive.infolist(), file.seek(0, io.SEEK_END)
    except BadInput:
        raise
    except _DAMAGE:
        raise ZipFault("is damaged or not a zip") from None
    if len(infos) > entries:
        raise _too_many(entries)
    return Directory(_members(infos, end), len(infos))


class _Limited(io.RawIOBase):
    """A file of which no directory larger than a limit is read, which :mod:`zipfile` does at once.

    It parses as many entries as the bytes hold, whatever their stated number is.
    """

    def __init__(self, file: BinaryIO, entries: int) -> None:
        super().__init__()
        self._file = file
        self._entries = entries

    def seekable(self) -> bool:
        """It is."""
        return True

    def readable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Change the position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Position of the next byte."""
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        """Read bytes.

        Raises:
            ZipFault: more than a directory may have.
        """
        if size > _ENTRY_BYTES * max(self._entries, 8):
            raise _too_many(self._entries)
        return self._file.read(size)


def _too_many(entries: int) -> ZipFault:
    return ZipFault(f"lists more than {entries:,} files", _UNPACK)


@contextmanager
def _stream(source: Path | bytes | BinaryIO) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    elif isinstance(source, Path):
        try:
            file = source.open("rb")
        except (OSError, ValueError):
            raise BadInput(f"{FILE} cannot be read: check its permissions.") from None
        with file:
            yield file
    else:
        yield source


def _members(infos: list[zipfile.ZipInfo], end: int) -> dict[str, Member]:
    found: dict[str, Member] = {}
    seen: set[str] = set()
    limit = end
    stops: dict[int, int] = {}
    for info in sorted(infos, key=lambda info: info.header_offset, reverse=True):
        # A local header is as long as its fields and the name, which is stored there again.
        first = info.header_offset + _LOCAL.size + len(info.orig_filename)
        if info.header_offset < 0 or first + info.compress_size > limit:
            raise ZipFault("is damaged or harmful, because its files share bytes")
        stops[id(info)] = limit
        limit = info.header_offset
    for info in infos:
        _check_name(info.orig_filename)
        folded = info.filename.replace("\\", "/").rstrip("/").casefold()
        if folded in seen:
            raise ZipFault("contains two files of the same name")
        seen.add(folded)
        if info.is_dir():
            continue
        _check_packing(info)
        found[info.filename] = Member(
            name=info.filename,
            size=info.file_size,
            kind=stat.S_IFMT(info.external_attr >> 16),
            packed=info.compress_size,
            stored=info.compress_type == zipfile.ZIP_STORED,
            start=info.header_offset,
            stop=stops[id(info)],
            checksum=info.CRC,
        )
    return found


def _check_name(name: str) -> None:
    parts = name.replace("\\", "/").split("/")
    if len(name) > _MAX_NAME or not name.strip("/\\"):
        raise ZipFault("contains a file whose name is empty or too long")
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in name):
        raise ZipFault("contains a file whose name has control characters")
    if not parts[0] or ".." in parts or ":" in parts[0]:
        raise ZipFault("contains a path that leads out of its folder")


def _check_packing(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise ZipFault("is encrypted")
    if info.compress_type not in _COMPRESSIONS:
        raise ZipFault("has another compression than deflate")
    if info.compress_type == zipfile.ZIP_STORED:
        possible = info.file_size == info.compress_size
    else:
        possible = info.file_size <= _MOST_DEFLATED * info.compress_size
    if not possible:
        raise ZipFault("is damaged or harmful, because a file in it states more bytes than it has")


def _unpacked(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """The bytes of a member, perhaps more or fewer than stated."""
    try:
        file.seek(member.start)
        magic, *_, name, extra = _LOCAL.unpack(file.read(_LOCAL.size))
        start = member.start + _LOCAL.size + name + extra
        if magic != b"PK\x03\x04" or start + member.packed > member.stop:
            raise _damaged()
        file.seek(start)
        left = member.packed
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        while left and (piece := file.read(min(left, _PIECE if member.stored else _PACKED_PIECE))):
            left -= len(piece)
            if member.stored:
                yield piece
                continue
            while piece and not stream.eof:
                yield stream.decompress(piece, _PIECE)
                piece = stream.unconsumed_tail
        while not member.stored and not stream.eof and (rest := stream.decompress(b"", _PIECE)):
            yield rest
    except (OSError, struct.error, zlib.error, ValueError):
        raise _damaged() from None


def _checked(pieces: Iterator[bytes], member: Member) -> Iterator[bytes]:
    """Check that pieces have the stated size, before each is given on, and the checksum."""
    size = checksum = 0
    for piece in pieces:
        size += len(piece)
        checksum = zlib.crc32(piece, checksum)
        if size > member.size:
            raise _damaged()
        if piece:
            yield piece
    if size != member.size or checksum != member.checksum:
        raise _damaged()


def _damaged() -> ZipFault:
    return ZipFault("is damaged")
