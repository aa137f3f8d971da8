"""All sources of pixels, read by :func:`read` and :func:`read_upload`.

To support another kind of source, write its reader and add a row to :data:`READERS`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from landcover.core.errors import BadInput
from landcover.core.place import parse_place
from landcover.core.raster import Raster
from landcover.core.window import Cut
from landcover.io import archive, samples
from landcover.io.band_files import read_band_files, read_folder
from landcover.io.guard import head_of, read_file, shown
from landcover.io.images import LEVEL, is_picture, read_picture
from landcover.io.names import band_of_file
from landcover.io.samples import Sample, read_sample, sample_at
from landcover.io.stack import read_stack

__all__ = [
    "READERS",
    "Cut",
    "Reader",
    "Sample",
    "Source",
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
class Source:
    """A user's input before it is read: a path, or files in memory.

    Attributes:
        name: name in the provenance and in messages.
        path: of an existing file or folder; None if the files are in memory.
        files: name and bytes of each file in memory.
    """

    name: str
    path: Path | None = None
    files: tuple[tuple[str, bytes], ...] = ()

    @property
    def one(self) -> Path | bytes:
        """The single file, as a path or bytes."""
        return self.path if self.path is not None else self.files[0][1]

    def bytes(self) -> bytes:
        """The bytes of the single file.

        Raises:
            BadInput: it is larger than 1 GB, or not readable.
        """
        return read_file(self.path) if self.path is not None else self.files[0][1]

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder on disk."""
        return self.path is not None and self.path.is_dir()


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A reader for one kind of source.

    Attributes:
        kind: name of the kind.
        recognises: whether a source is of this kind, by its first bytes or file names.
        read: reads a square, or everything for None.
        level: product level of the models that classify such sources.
    """

    kind: str
    recognises: Callable[[Source], bool]
    read: Callable[[Source, Cut | None], Raster]
    level: str = "L2A"


def _is_safe(source: Source) -> bool:
    path = source.path
    if path is None or not path.is_dir():
        return False
    return path.name.upper().endswith(".SAFE") or next(path.glob("MTD_MSI*.xml"), None) is not None


def _read_safe(source: Source, cut: Cut | None) -> Raster:
    del cut
    raise BadInput(
        f"'{shown(source.name)}' is a SAFE product, which this version cannot read yet: "
        "export its twelve Level-2A bands at 10 m as one GeoTIFF."
    )


def _read_patch(source: Source, cut: Cut | None) -> Raster:
    patch = read_folder(source.path) if source.path is not None else read_band_files(source.files)
    return patch if cut is None else patch.cut(cut)


def _is_zip(source: Source) -> bool:
    named_zip = source.path is not None and source.path.suffix.lower() == ".zip"
    return named_zip or head_of(source.one).startswith(archive.MAGIC)


READERS: Final[tuple[Reader, ...]] = (
    Reader(kind="SAFE product", recognises=_is_safe, read=_read_safe),
    Reader(
        kind="BigEarthNet patch",
        recognises=lambda source: source.is_folder or len(source.files) > 1,
        read=_read_patch,
    ),
    Reader(
        kind="zip",
        recognises=_is_zip,
        read=lambda source, cut: archive.read_zip(source.bytes(), source.name, cut),
    ),
    Reader(
        kind="picture",
        recognises=lambda source: is_picture(source.one),
        read=lambda source, cut: read_picture(source.one, source.name, cut),
        level=LEVEL,
    ),
    Reader(
        kind="stack",
        recognises=lambda _: True,
        read=lambda source, cut: read_stack(source.one, source.name, cut),
    ),
)
"""All readers; the first one that recognises a source reads it."""


def read(source: str | Path, window: Cut | None = None) -> Raster:
    """Read any source of pixels.

    Args:
        source: name of a sample, a GeoTIFF or JPEG 2000 stack, a colour picture, a zip, a
            BigEarthNet patch folder, or ``LAT,LON``. Only existing files are opened; no other
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
    found = _source_at(source)
    if found is not None:
        return _read(found, window)
    place = parse_place(text)
    if place is not None:
        return _part_of(read_place(*place), window)
    near = difflib.get_close_matches(text.lower(), samples.NAMES, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise BadInput(
        f"There is no file, folder or sample '{shown(text)}': {hint}"
        f"The samples are {', '.join(samples.NAMES)}; a place is written LAT,LON."
    )


def level_of(source: str | Path) -> str:
    """Product level of the models that classify a source, found without reading pixels.

    Args:
        source: as for :func:`read`.

    Returns:
        "RGB" for a colour picture, "L2A" for everything else, also for missing files.
    """
    found = None if str(source) in samples.NAMES else _source_at(source)
    return "L2A" if found is None else _reader_of(found).level


def _source_at(source: str | Path) -> Source | None:
    path = Path(source)
    try:
        return Source(name=path.name, path=path) if path.exists() else None
    except (OSError, ValueError):  # a name that no file can have
        return None


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


def read_upload(files: Sequence[tuple[str, bytes]], window: Cut | None = None) -> Raster:
    """Read uploaded files: one stack, picture or zip, or the band files of one patch.

    Args:
        files: name and bytes of each.
        window: the square to read; None for everything, if it fits into memory.

    Raises:
        BadInput: it is none of these, or cannot be used; the message says what to do.
    """
    if not files:
        raise BadInput("No file was given: choose a GeoTIFF stack, a zip or twelve band files.")
    if len(files) > 1 and not any(band_of_file(name) for name, _ in files):
        raise BadInput(
            f"{len(files)} files were given, and no name contains a band: give one stack at a "
            "time, or the files …_B01.tif to …_B12.tif of one BigEarthNet patch."
        )
    return _read(Source(name=files[0][0], files=tuple(files)), window)
