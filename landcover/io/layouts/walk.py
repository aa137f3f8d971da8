"""Searching folders for scenes and pictures, without descending into recognised scenes."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from landcover.core.bands import BAND_NAMES
from landcover.io.guard import shown
from landcover.io.images import SUFFIXES as PICTURE_SUFFIXES
from landcover.io.layouts.band_set import BandSet, sets_in
from landcover.io.layouts.header import SUFFIXES
from landcover.io.layouts.safe import product_file
from landcover.io.layouts.tree import Listing, Tree, join, name_of

__all__ = ["MAX_DEPTH", "MAX_ENTRIES", "Find", "Kind", "Unreadable", "find", "suffix_of"]

MAX_DEPTH: Final = 16
"""Maximum depth of folders below the first."""
MAX_ENTRIES: Final = 20_000_000
"""Maximum number of files and folders; all of BigEarthNet has seven million."""

Kind = Literal["safe", "patch", "bands", "raster", "picture", "zip"]


@dataclass(frozen=True, kw_only=True)
class Find:
    """A scene, picture or zip in a folder, recognised by names only.

    Attributes:
        kind: a SAFE product, a BigEarthNet patch, a set of band files, or one file.
        folder: path of the folder in its tree; that of the product or patch itself.
        file: name of the file, or of the product's metadata file.
        bands: the set of band files.
        alone: whether nothing else was found in the folder, so that it has the folder's path.
    """

    kind: Kind
    folder: str
    file: str = ""
    bands: BandSet | None = None
    alone: bool = True

    @property
    def is_file(self) -> bool:
        """Whether it is a single file."""
        return self.kind in {"raster", "picture", "zip"}


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A folder that cannot be searched.

    Attributes:
        path: of the folder in its tree.
        why: the reason, one sentence.
    """

    path: str
    why: str


@dataclass
class _Walk:
    tree: Tree
    seen: set[Hashable] = field(default_factory=set)
    entries: int = 0


def find(tree: Tree, folder: str = "") -> Iterator[Find | Unreadable | None]:
    """Yield what is found in a folder and below, in order of the names, and None after each folder.

    Links to folders are followed, but no folder is searched twice.

    Args:
        tree: contains the folder.
        folder: path to search; it may be a scene itself.
    """
    yield from _below(folder, 0, _Walk(tree))


def suffix_of(name: str) -> str:
    """The suffix of a name in lower case, with its dot."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def _below(folder: str, depth: int, walk: _Walk) -> Iterator[Find | Unreadable | None]:
    listing = _listing(folder, walk)
    if isinstance(listing, Unreadable):
        yield listing
        return
    name = name_of(walk.tree, folder)
    metadata = product_file(listing.files)
    if metadata is not None:
        yield Find(kind="safe", folder=folder, file=metadata)
    elif broken := _is_broken_safe(name, listing):
        yield Unreadable(
            path=folder,
            why=f"'{shown(name)}' has no MTD_MSIL2A.xml or MTD_MSIL1C.xml: download it "
            "again (products in the format before December 2016 cannot be read).",
        )
    elif patch := all(f"{name}_{band}.tif" in listing.files for band in BAND_NAMES):
        yield Find(kind="patch", folder=folder)
    else:
        yield from _loose(walk.tree, folder, listing)
    yield None
    if metadata is not None or broken or patch:
        return
    for inner in listing.folders:
        if depth >= MAX_DEPTH or walk.entries >= MAX_ENTRIES:
            where = f"{MAX_DEPTH} folders deep" if depth >= MAX_DEPTH else f"{MAX_ENTRIES:,} files"
            yield Unreadable(
                path=join(folder, inner),
                why=f"'{shown(inner)}' is beyond the limit ({where}): give it separately.",
            )
            return
        yield from _below(join(folder, inner), depth + 1, walk)


def _listing(folder: str, walk: _Walk) -> Listing | Unreadable:
    """What is in a new folder; nothing if it was searched before."""
    try:
        identity = walk.tree.identity(folder)
        if identity in walk.seen:
            return Listing((), ())
        walk.seen.add(identity)
        listing = walk.tree.listing(folder)
    except OSError:
        name = name_of(walk.tree, folder)
        return Unreadable(
            path=folder, why=f"'{shown(name)}' cannot be opened: check its permissions."
        )
    walk.entries += len(listing.files) + len(listing.folders)
    return listing


def _is_broken_safe(name: str, listing: Listing) -> bool:
    # Unpacking on Windows puts a product into a folder of its own name.
    wrapped = any(inner.upper().endswith(".SAFE") for inner in listing.folders)
    return name.upper().endswith(".SAFE") and not wrapped


def _loose(tree: Tree, folder: str, listing: Listing) -> Iterator[Find]:
    """The sets of band files, the stacks, pictures and zips in a folder."""
    sets = sets_in(tree, folder, listing.files)
    taken = frozenset().union(*(one.names for one in sets))
    rest = [name for name in listing.files if name not in taken]
    files = [(kind, name) for name in rest if (kind := _kind_of(name)) is not None]
    rasters = tuple(name[: name.rfind(".")] for kind, name in files if kind == "raster")
    # A picture that is named after a raster is its preview.
    files = [(k, n) for k, n in files if k != "picture" or not n.startswith(rasters or "/")]
    alone = len(sets) == 1 and not files and not listing.folders
    for one in sets:
        yield Find(kind="bands", folder=folder, bands=one, alone=alone)
    for kind, name in files:
        yield Find(kind=kind, folder=folder, file=name, alone=False)


def _kind_of(name: str) -> Kind | None:
    suffix = suffix_of(name)
    if suffix in SUFFIXES:
        return "raster"
    if suffix.removeprefix(".") in PICTURE_SUFFIXES:
        return "picture"
    return "zip" if suffix == ".zip" else None
