"""Finding the sources of pixels in files, folders, zips and uploads.

Each source has an address: the path of a file, product or patch, with the path inside a zip
after that of the zip. Several sets of band files in one folder are told apart by the common part
of their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Final

from landcover.core.errors import BadInput
from landcover.io.archive import Zip, is_zip
from landcover.io.guard import shown
from landcover.io.layouts.safe import product_file
from landcover.io.layouts.tree import Disk, Tree, Uploaded, join, name_of
from landcover.io.layouts.walk import Find, Unreadable, find, suffix_of

__all__ = ["MAX_SOURCES", "Source", "at", "in_upload", "zip_of"]

MAX_SOURCES: Final = 100_000
"""Maximum number of sources of a folder."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A scene or picture that was found by the names of its files, before it is read.

    Attributes:
        address: where it was found.
        tree: the folder, zip or upload with its files.
        find: its files in the tree; a zip that cannot be searched is a source itself. None if it
            cannot be read.
        fault: why not, one sentence.
    """

    address: str
    tree: Tree
    find: Find | None
    fault: str = ""

    @property
    def found(self) -> Find:
        """Its files in the tree.

        Raises:
            BadInput: it cannot be read.
        """
        if self.find is None:
            raise BadInput(self.fault)
        return self.find

    @property
    def name(self) -> str:
        """Its name in the provenance and in messages."""
        found = self.found
        if found.bands is not None:
            return found.bands.name
        return found.file if found.is_file else name_of(self.tree, found.folder)

    @property
    def file(self) -> str:
        """Path of its only file in the tree."""
        return join(self.found.folder, self.found.file)


def at(text: str) -> Iterator[Source] | None:
    """Find the sources that a text names.

    Args:
        text: path of an existing file or folder, or the address of a source in it.

    Returns:
        One source, or those of a folder or zip in order of their names; None if there is no such
        file.

    Raises:
        BadInput: while iterating, if a folder has more than 100,000 sources.
    """
    path = Path(text)
    try:
        if not text or "\0" in text:
            return None
        if not path.exists():
            return _inside(path)
        if (product := _product_around(path)) is not None:
            return _found(Disk(product), str(path))
        return _found(Disk(path), str(path)) if path.is_dir() else _in_file(path)
    except (OSError, ValueError):  # a name that no file can have
        return None


def in_upload(files: Sequence[tuple[str, Path]]) -> Iterator[Source]:
    """Find the sources in uploaded files: the name that the user gave, and the path, of each."""
    tree = Uploaded(files)
    if len(files) > 1:
        return _found(tree, "")
    ((name, path),) = files
    return _of_file(tree, name, packed=_named_zip(name) or is_zip(path))


def _in_file(path: Path) -> Iterator[Source]:
    return _of_file(
        Disk(path.parent),
        path.name,
        # Opening a pipe would wait for ever.
        packed=path.is_file() and (_named_zip(path.name) or is_zip(path)),
        start=path.parent,
    )


def _named_zip(name: str) -> bool:
    return suffix_of(name) == ".zip"


def _of_file(tree: Tree, name: str, *, packed: bool, start: Path | None = None) -> Iterator[Source]:
    """The source that a file is, or those in a zip."""
    address = name if start is None else str(start / name)
    if packed:
        return _zipped(tree, Find(kind="zip", folder="", file=name), address)
    return iter(
        [Source(address=address, tree=tree, find=Find(kind="raster", folder="", file=name))]
    )


def _product_around(path: Path) -> Path | None:
    """The SAFE product of which a path is the metadata file, or a folder inside; None if none."""
    if path.is_dir():
        # IMG_DATA/R10m is four folders below the product.
        around = [folder for folder in path.absolute().parents[:4] if _is_product(folder)]
        return around[0] if around else None
    return path.parent if product_file([path.name]) else None


def _is_product(folder: Path) -> bool:
    return (folder / "GRANULE").is_dir() and any(
        (folder / name).is_file() for name in ("MTD_MSIL2A.xml", "MTD_MSIL1C.xml")
    )


def _inside(path: Path) -> Iterator[Source] | None:
    """The source in a zip, or the set of band files in a folder, with that address."""
    parent = next(parent for parent in path.parents if parent.exists())
    sources: Iterable[Source] = ()
    if parent.is_file():
        sources = _in_file(parent)
    elif parent == path.parent:
        disk = Disk(parent)
        loose = takewhile(lambda found: found is not None, find(disk))
        sources = (_source(disk, found, str(parent)) for found in loose if found is not None)
    matching = [source for source in sources if source.address == str(path)]
    return iter(matching) if matching else None


def _found(tree: Tree, start: str) -> Iterator[Source]:
    """The sources in a folder and below; zips are searched, too."""
    count = 0
    for found in find(tree):
        if found is None:
            continue
        source = _source(tree, found, start)
        if source.find is not None and source.find.kind == "zip":
            inside = _zipped(tree, source.find, source.address)
        else:
            inside = iter([source])
        for one in inside:
            count += 1
            if count > MAX_SOURCES:
                raise BadInput(
                    f"'{shown(tree.name)}' contains more than {MAX_SOURCES:,} scenes and pictures: "
                    "give its folders one by one, or measure a labelled data set with "
                    "`landcover evaluate`."
                )
            yield one


def _source(tree: Tree, found: Find | Unreadable, start: str) -> Source:
    if isinstance(found, Unreadable):
        return Source(address=_joined(start, found.path), tree=tree, find=None, fault=found.why)
    folder = _joined(start, found.folder)
    if found.bands is not None and not found.alone:
        address = _joined(folder, found.bands.scene or "bands")
    else:
        address = _joined(folder, found.file) if found.is_file else folder
    return Source(address=address, tree=tree, find=found)


def _joined(start: str, path: str) -> str:
    return join(start, path) if path else start


def _zipped(tree: Tree, found: Find, address: str) -> Iterator[Source]:
    """The sources in a zip; a single one has the zip's own address."""
    itself = Source(address=address, tree=tree, find=found)
    try:
        packed = zip_of(itself)
        inside = [_source(packed, one, address) for one in find(packed) if one is not None]
    except BadInput:
        inside = []
    inside = [one for one in inside if one.find is None or one.find.kind != "zip"]
    if len(inside) == 1:
        yield replace(inside[0], address=address)
    elif inside:
        yield from inside
    else:
        yield itself


def zip_of(source: Source) -> Zip:
    """The zip that a source is."""
    with source.tree.raster(source.file) as file:
        return Zip(file, source.found.file, isinstance(source.tree, Uploaded))
