"""All sources of pixels, read by :func:`read` and :class:`Upload`.

Files are read in worker processes (:mod:`landcover.io.gate`) by the readers of
:mod:`landcover.io.readers`, because a file can be made to take any time and memory. Finding
sources in folders and zips only looks at names, and happens here.
"""

from __future__ import annotations

import difflib
import os
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any, Final, Self

from landcover.core import files as temporary
from landcover.core.errors import BadInput
from landcover.core.place import parse_place
from landcover.core.raster import Raster
from landcover.core.window import Cut
from landcover.io import gazetteer, samples, search
from landcover.io.gate import parcel, pool
from landcover.io.guard import shown
from landcover.io.readers import nothing_in
from landcover.io.samples import Sample, read_sample, sample_at

__all__ = [
    "Content",
    "Cut",
    "Sample",
    "Upload",
    "expand",
    "is_file",
    "level_of",
    "parse_place",
    "read",
    "read_place",
    "read_sample",
    "read_upload",
    "sample_at",
    "samples",
]

Content = bytes | memoryview | Path
"""Content of an uploaded file."""
_MOST_FILES: Final = 10_000
"""Files of a folder whose sizes are added to find how long reading may take."""


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
        raise nothing_in(text)
    return addresses if len(addresses) > 1 or Path(text).is_dir() else [text]


def is_file(source: str) -> bool:
    """Whether a text names a file, a folder or what is in one, and no sample."""
    return source not in samples.NAMES and search.at(source) is not None


def read(source: str | Path, window: Cut | None = None, *, cancel: Event | None = None) -> Raster:
    """Read any source of pixels.

    Args:
        source: name of a sample, a GeoTIFF or JPEG 2000 stack, a colour picture, a SAFE product,
            a folder of band files, a folder or zip with one of these, an address that
            :func:`expand` returned, or ``LAT,LON``. Only existing files are opened; no other
            text is passed to GDAL as a path.
        window: the square to read; only the parts of the file that it touches are read. None
            for everything, if it fits into memory.
        cancel: set to stop.

    Returns:
        Reflectance on a 10 m grid, or the brightness of a colour picture.

    Raises:
        BadInput: it is none of these, or cannot be used; the message says what to do.
        Cancelled: the user stopped it.
    """
    text = str(source)
    if text in samples.NAMES:
        return _part_of(read_sample(text), window)
    if is_file(text):
        found = pool.call(
            "read",
            {"source": text, "cut": _plain(window)},
            lambda facts, file: None if facts is None else parcel.unpack(facts, file),
            name=shown(text),
            size=_size_of(Path(text)),
            cancel=cancel,
        )
        if found is not None:
            return found
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
    if not is_file(text):
        return "L2A"
    try:
        return pool.call(
            "level",
            {"source": text},
            lambda level, _: str(level),
            name=shown(text),
            size=0,
        )
    except BadInput:
        return "L2A"


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


class Upload:
    """Files that a user uploaded, kept on disk until it is closed or forgotten.

    Args:
        files: name and content of each: stacks, pictures, zips, band files of scenes. A path is a
            file that is on disk already and stays there.

    Raises:
        BadInput: the content cannot be kept, because the disk is full.
    """

    def __init__(self, files: Sequence[tuple[str, Content]]) -> None:
        kept = ExitStack()
        folder = kept.enter_context(temporary.scratch())
        self._finalizer = weakref.finalize(self, kept.close)
        self._files: list[tuple[str, Path]] = []
        self._size = 0
        try:
            for number, (name, content) in enumerate(files):
                if isinstance(content, Path):
                    path = content
                else:
                    # Names come from outside, so the files on disk have numbers.
                    path = folder / str(number)
                    with path.open("wb") as file:
                        file.write(content)
                self._size += path.stat().st_size
                self._files.append((name, path))
        except OSError as error:
            self.close()
            raise BadInput(
                f"The upload cannot be kept on this computer ({error.strerror or 'no space'}): "
                "try again later."
            ) from None

    def close(self) -> None:
        """Remove the files."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def expand(self) -> list[str]:
        """List the sources, as :func:`expand` lists those of a folder.

        Raises:
            BadInput: there is none.
        """
        found = search.in_upload(self._files) if self._files else ()
        addresses = [source.address for source in found]
        if not addresses:
            raise _no_image()
        return addresses

    def read(
        self,
        window: Cut | None = None,
        *,
        address: str | None = None,
        cancel: Event | None = None,
    ) -> Raster:
        """Read a source: a stack, a picture, or the band files of one scene.

        Args:
            window: the square to read; None for everything, if it fits into memory.
            address: which source, as :meth:`expand` returned it; None for the only one.
            cancel: set to stop.

        Raises:
            BadInput: it is none of these, or cannot be used; the message says what to do.
            Cancelled: the user stopped it.
        """
        if not self._files:
            raise _no_image()
        return pool.call(
            "read upload",
            {
                "files": [(name, str(path)) for name, path in self._files],
                "cut": _plain(window),
                "address": address,
            },
            parcel.unpack,
            name=shown(address or self._files[0][0]),
            size=self._size,
            cancel=cancel,
        )


def read_upload(
    files: Sequence[tuple[str, Content]],
    window: Cut | None = None,
    *,
    address: str | None = None,
) -> Raster:
    """Read one source in uploaded files; arguments and errors as for :class:`Upload`."""
    with Upload(files) as upload:
        return upload.read(window, address=address)


def _no_image() -> BadInput:
    return BadInput(
        "No image was given: choose a GeoTIFF stack, a picture, a zip or a file for each band."
    )


def _plain(window: Cut | None) -> dict[str, Any] | None:
    """A square as JSON-ready values."""
    if window is None:
        return None
    return {"size": window.size, "corner": window.corner, "place": window.place}


def _size_of(path: Path) -> int:
    """Bytes of a file, of the files in a folder, or of the file or folder that an address is in."""
    try:
        there = next((one for one in (path, *path.parents) if one.exists()), None)
        if there is None or there.is_file():
            return there.stat().st_size if there else 0
        if there != path:
            return sum(one.stat().st_size for one in there.iterdir() if one.is_file())
        return _size_of_folder(there)
    except OSError:  # reading reports it
        return 0


def _size_of_folder(folder: Path) -> int:
    size = count = 0
    for root, _, names in os.walk(folder):
        for name in names:
            count += 1
            if count > _MOST_FILES:
                return size
            try:
                size += (Path(root) / name).stat().st_size
            except OSError:
                continue
    return size
