"""All sources of pixels, read by :func:`read` and :func:`read_upload`.

To support another kind of source, write its reader and add a row to :data:`READERS`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from landcover.core.errors import BadInput
from landcover.core.place import parse_place
from landcover.core.raster import Raster
from landcover.core.window import Cut
from landcover.io import gazetteer, samples, search
from landcover.io.guard import FILE, named, open_raster, shown
from landcover.io.images import LEVEL, is_picture, read_picture
from landcover.io.layouts.band_set import band_file
from landcover.io.products import read_bands, read_safe
from landcover.io.samples import Sample, read_sample, sample_at
from landcover.io.search import Source
from landcover.io.stack import read_stack

__all__ = [
    "READERS",
    "Cut",
    "Reader",
    "Sample",
    "Source",
    "expand",
    "expand_upload",
    "level_of",
    "parse_place",
    "read",
    "read_place",
    "read_sample",
    "read_upload",
    "sample_at",
    "samples",
]


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A reader for one kind of source.

    Attributes:
        kind: name of the kind.
        recognises: whether a source is of this kind, by the names or first bytes of its files.
        read: reads a square, or everything for None.
        level: product level of the models that classify such sources.
    """

    kind: str
    recognises: Callable[[Source], bool]
    read: Callable[[Source, Cut | None], Raster]
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
    ),
    Reader(
        kind="band files",
        recognises=lambda source: source.found.kind in {"patch", "bands"},
        read=read_bands,
    ),
    Reader(
        kind="zip",
        recognises=lambda source: source.found.kind == "zip",
        read=_refuse_zip,
    ),
    Reader(kind="picture", recognises=_is_picture, read=_read_picture, level=LEVEL),
    Reader(kind="stack", recognises=lambda _: True, read=_read_stack),
)
"""All readers; the first one that recognises a source reads it.

Folders and zips are no kinds: :mod:`landcover.io.search` finds the sources in them, and a zip
here is one in which nothing was found.
"""


def expand(source: str | Path) -> list[str]:
    """List the sources in a folder or zip, each of which :func:`read` reads.

    Args:
        source: as for :func:`read`; a folder or zip may contain many sources, at any depth.

    Returns:
        Paths of stacks, pictures, SAFE products and folders with one set of band files, sorted by
        folder; a source in a zip has its path there after that of the zip. Damaged files are
        among them. A source that is neither folder nor zip is returned as it is.

    Raises:
        BadInput: a folder contains no source, or more than 100,000.
    """
    text = str(source)
    found = None if text in samples.NAMES else search.at(text)
    if found is None:
        return [text]
    addresses = [one.address for one in found]
    if not addresses:
        raise _nothing(text)
    return addresses if len(addresses) > 1 or Path(text).is_dir() else [text]


def read(source: str | Path, window: Cut | None = None) -> Raster:
    """Read any source of pixels.

    Args:
        source: name of a sample, a GeoTIFF or JPEG 2000 stack, a colour picture, a SAFE product,
            a folder of band files, a folder or zip with one of these, an address that
            :func:`expand` returned, or ``LAT,LON``. Only existing files are opened; no other
            text is passed to GDAL as a path.
        window: the square to read; only the parts of the file that it touches are read. None
            for everything, if it fits into memory.

    Returns:
        Reflectance on a 10 m grid, or the brightness of a colour picture.

    Raises:
        BadInput: it is none of these, or cannot be used; the message says what to do.
    """
    text = str(source)
    if text in samples.NAMES:
        return _part_of(read_sample(text), window)
    found = search.at(text)
    if found is not None:
        return _read(_only(found, text), window)
    place = parse_place(text)
    if place is not None:
        return _part_of(read_place(*place), window)
    near = difflib.get_close_matches(text.lower(), samples.NAMES, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise BadInput(
        f"There is no file, folder or sample '{shown(text)}': {hint}"
        f"The samples are {', '.join(samples.NAMES)}; a place is written LAT,LON{_town(text)}."
    )


def _town(text: str) -> str:
    """How to write the town that a text names, if it does and cannot be a path."""
    if set(text) & set("./\\:"):
        return ""
    towns = gazetteer.search(text, limit=1)
    return "".join(
        f": {town.name}, {town.country} is {town.latitude},{town.longitude}" for town in towns
    )


def level_of(source: str | Path) -> str:
    """Product level of the models that classify a source, found without reading pixels.

    Args:
        source: as for :func:`read`.

    Returns:
        "RGB" for a colour picture, "L2A" for everything else, also for what cannot be read.
    """
    text = str(source)
    found = None if text in samples.NAMES else search.at(text)
    if found is None:
        return "L2A"
    try:
        return _reader_of(_only(found, text)).level
    except BadInput:
        return "L2A"


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
        raise _nothing(where)
    return first[0]


def _nothing(name: str) -> BadInput:
    return BadInput(
        f"'{shown(name)}' contains no stack, picture, SAFE product or band files: give a folder "
        "with GeoTIFF files, or with a file for each band whose name says which (B01 to B12)."
    )


def _reader_of(source: Source) -> Reader:
    return next(reader for reader in READERS if reader.recognises(source))


def _read(source: Source, window: Cut | None) -> Raster:
    return _reader_of(source).read(source, window)


def _part_of(whole: Raster, window: Cut | None) -> Raster:
    return whole if window is None else whole.cut(window)


def read_place(latitude: float, longitude: float) -> Raster:
    """Read the sample at a place (WGS 84 degrees).

    Raises:
        BadInput: no sample contains the place.
    """
    sample = sample_at(latitude, longitude)
    if sample is None:
        raise BadInput(
            f"No sample contains {latitude:.5f}, {longitude:.5f}: fetch live imagery of it "
            "(landcover.stac.catalog), choose one of the samples "
            f"({', '.join(samples.NAMES)}) or give a Sentinel-2 stack of that place."
        )
    return read_sample(sample.name)


def expand_upload(files: Sequence[tuple[str, bytes]]) -> list[str]:
    """List the sources in uploaded files, as :func:`expand` lists those of a folder.

    Args:
        files: name and bytes of each: stacks, pictures, zips, band files of scenes.

    Raises:
        BadInput: there is none.
    """
    addresses = [source.address for source in search.in_upload(files)] if files else []
    if not addresses:
        raise _no_image()
    return addresses


def _no_image() -> BadInput:
    return BadInput(
        "No image was given: choose a GeoTIFF stack, a picture, a zip or a file for each band."
    )


def read_upload(
    files: Sequence[tuple[str, bytes]], window: Cut | None = None, *, address: str | None = None
) -> Raster:
    """Read a source in uploaded files: a stack, a picture, or the band files of one scene.

    Args:
        files: name and bytes of each.
        window: the square to read; None for everything, if it fits into memory.
        address: which source, as :func:`expand_upload` returned it; None for the only one.

    Raises:
        BadInput: it is none of these, or cannot be used; the message says what to do.
    """
    if not files:
        raise _no_image()
    found = (s for s in search.in_upload(files) if address is None or s.address == address)
    where = files[0][0] if len(files) == 1 else "the upload"
    return _read(_only(found, where), window)
