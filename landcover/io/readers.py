"""The readers of all kinds of sources, and their table.

To support another kind of source, write its reader and add a row to :data:`READERS`. Programs call
:mod:`landcover.io.sources`, which lets a worker process run these functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from landcover.core.errors import BadInput
from landcover.core.raster import Raster
from landcover.core.window import Cut
from landcover.io import search
from landcover.io.archive import Unpacked, Zip
from landcover.io.guard import FILE, named, open_raster, shown
from landcover.io.images import LEVEL, is_picture, read_picture
from landcover.io.layouts.band_set import band_file
from landcover.io.pixel_source import PixelSource, open_stack
from landcover.io.products import open_bands, open_safe, read_bands, read_safe
from landcover.io.search import Source
from landcover.io.stack import read_stack

__all__ = [
    "READERS",
    "Reader",
    "level_of_file",
    "nothing_in",
    "open_file",
    "open_upload",
    "read_file",
    "read_upload",
]


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A reader for one kind of source.

    Attributes:
        kind: name of the kind.
        recognises: whether a source is of this kind, by the names or first bytes of its files.
        read: reads a square, or everything for None.
        open: opens a source of any size to read rectangles; None for a kind that is small.
        level: product level of the models that classify such sources.
    """

    kind: str
    recognises: Callable[[Source], bool]
    read: Callable[[Source, Cut | None], Raster]
    open: Callable[[Source], PixelSource] | None = None
    level: str = "L2A"


def _is_picture(source: Source) -> bool:
    with source.tree.raster(source.file) as file:
        return is_picture(file)


def _read_picture(source: Source, cut: Cut | None) -> Raster:
    with source.tree.raster(source.file) as file:
        return read_picture(file, source.name, cut)


def _read_stack(source: Source, cut: Cut | None) -> Raster:
    with source.tree.raster(source.file) as file:
        _check_whole_scene(file, source.name)
        return read_stack(file, source.name, cut)


def _open_stack(source: Source) -> PixelSource:
    with source.tree.raster(source.file) as file:
        _check_whole_scene(file, source.name)
        return open_stack(file, source.name)


def _check_whole_scene(file: Path | bytes, name: str) -> None:
    """Check that a file is not one of the band files of a scene, by its name and header."""
    if (band := band_file(name)) is None:
        return
    with named(name), open_raster(file) as raster:
        if raster.header.count == 1:
            raise BadInput(
                f"{FILE} is a single layer of a scene ({band.key or 'no band'}): give the folder, "
                "or upload or zip all its band files together."
            )


def _refuse_zip(source: Source, cut: Cut | None) -> Raster:
    del cut
    search.zip_of(source).listing("")  # a damaged zip has its own message
    raise BadInput(
        f"'{shown(source.name)}' contains no raster file: pack GeoTIFF stacks, pictures, band "
        "files or a SAFE product."
    )


READERS: Final[tuple[Reader, ...]] = (
    Reader(
        kind="SAFE product",
        recognises=lambda source: source.found.kind == "safe",
        read=read_safe,
        open=open_safe,
    ),
    Reader(
        kind="band files",
        recognises=lambda source: source.found.kind in {"patch", "bands"},
        read=read_bands,
        open=open_bands,
    ),
    Reader(
        kind="zip",
        recognises=lambda source: source.found.kind == "zip",
        read=_refuse_zip,
    ),
    Reader(kind="picture", recognises=_is_picture, read=_read_picture, level=LEVEL),
    Reader(kind="stack", recognises=lambda _: True, read=_read_stack, open=_open_stack),
)
"""All readers; the first one that recognises a source reads it.

Folders and zips are no kinds: :mod:`landcover.io.search` finds the sources in them, and a zip
here is one in which nothing was found.
"""


def read_file(source: str, window: Cut | None = None) -> Raster | None:
    """Read a source on the user's own disk; None if there is no such file.

    Args:
        source: path of a stack, picture, SAFE product, folder of band files, a folder or zip with
            one of these, or an address that :func:`landcover.io.sources.expand` returned.
        window: the square to read; None for everything.

    Raises:
        BadInput: it is none of these, or cannot be used; the message says what to do.
    """
    found = search.at(source)
    return None if found is None else _read(_only(found, source), window)


def open_file(source: str, folder: Path) -> PixelSource | None:
    """Open a source on the user's own disk to read rectangles; None if there is no such file.

    Args:
        source: as for :func:`read_file`.
        folder: where files of a zip are unpacked; it must exist as long as the result is in use.

    Raises:
        BadInput: as for :func:`read_file`, or it is a picture.
    """
    found = search.at(source)
    return None if found is None else _open(_only(found, source), folder)


def open_upload(
    files: Sequence[tuple[str, Path]], folder: Path, address: str | None = None
) -> PixelSource:
    """Open a source in uploaded files; as :func:`read_upload` and :func:`open_file`."""
    return _open(_in_upload(files, address), folder)


def _open(source: Source, folder: Path) -> PixelSource:
    if isinstance(source.tree, Zip):
        source = replace(source, tree=Unpacked(source.tree, folder))
    reader = _reader_of(source)
    if reader.open is None:
        raise BadInput(
            f"'{shown(source.name)}' is a {reader.kind}, of which no map can be made: give "
            "reflectance, such as a GeoTIFF stack, band files or a SAFE product."
        )
    return reader.open(source)


def level_of_file(source: str) -> str:
    """Product level of the models that classify a source on the user's own disk.

    Returns:
        "RGB" for a colour picture, "L2A" for everything else, also for what cannot be read.
    """
    found = search.at(source)
    try:
        return "L2A" if found is None else _reader_of(_only(found, source)).level
    except BadInput:
        return "L2A"


def read_upload(
    files: Sequence[tuple[str, Path]], window: Cut | None = None, address: str | None = None
) -> Raster:
    """Read a source in uploaded files, which lie on disk for the time.

    Args:
        files: the name that the user gave, and the path, of each.
        window: the square to read; None for everything.
        address: which source; None for the only one.

    Raises:
        BadInput: it is none that can be read; the message says what to do.
    """
    return _read(_in_upload(files, address), window)


def _in_upload(files: Sequence[tuple[str, Path]], address: str | None) -> Source:
    found = (s for s in search.in_upload(files) if address is None or s.address == address)
    return _only(found, files[0][0] if len(files) == 1 else "the upload")


def _only(found: Iterator[Source], where: str) -> Source:
    """The only source that was found in a folder, zip or upload.

    Raises:
        BadInput: there is none, or there are several.
    """
    first = list(islice(found, 2))
    if len(first) > 1:
        start = f"{Path(where)}/"
        names = " and ".join(f"'{one.address.removeprefix(start)[:80]}'" for one in first)
        raise BadInput(
            f"'{shown(where)}' contains several scenes or pictures, such as {names}: give one of "
            "them, or classify the entire folder or zip."
        )
    if not first:
        raise nothing_in(where)
    return first[0]


def nothing_in(name: str) -> BadInput:
    """The error for a folder, zip or upload in which nothing was found."""
    return BadInput(
        f"'{shown(name)}' contains no stack, picture, SAFE product or band files: give a folder "
        "with GeoTIFF files, or with a file for each band whose name says which (B01 to B12)."
    )


def _reader_of(source: Source) -> Reader:
    return next(reader for reader in READERS if reader.recognises(source))


def _read(source: Source, window: Cut | None) -> Raster:
    return _reader_of(source).read(source, window)
