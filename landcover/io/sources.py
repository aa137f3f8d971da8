"""Where pixels come from: every source behind one function, :func:`read`."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from landcover.core.errors import BadInput
from landcover.core.place import parse_place
from landcover.core.raster import Raster
from landcover.io import archive, samples
from landcover.io.band_files import read_band_files, read_folder
from landcover.io.guard import read_file, shown
from landcover.io.names import band_of_file
from landcover.io.samples import Sample, read_sample, sample_at
from landcover.io.stack import read_stack

__all__ = [
    "Sample",
    "parse_place",
    "read",
    "read_place",
    "read_sample",
    "read_upload",
    "sample_at",
    "samples",
]


def read(source: str | Path) -> Raster:
    """Read whatever a user names.

    Args:
        source: a sample's name, a GeoTIFF or JPEG 2000 stack, a zip, a BigEarthNet
            patch folder, or ``LAT,LON``. Only existing files are opened: no text is
            ever handed to GDAL as a path.

    Returns:
        A patch of 120 × 120 pixels or more on a 10 m grid.

    Raises:
        BadInput: it is none of these, or cannot be used; the message says what to do.
    """
    text = str(source)
    if text in samples.NAMES:
        return read_sample(text)
    path = Path(source)
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError):
        is_folder = exists = False
    if is_folder:
        return _read_folder(path)
    if exists:
        if path.suffix.lower() == ".zip":
            return archive.read_zip(read_file(path), path.name)
        return read_stack(path, path.name)
    place = parse_place(text)
    if place is not None:
        return read_place(*place)
    near = difflib.get_close_matches(text.lower(), samples.NAMES, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise BadInput(
        f"There is no file, folder or sample '{shown(text)}': {hint}"
        f"The samples are {', '.join(samples.NAMES)}; a place is written LAT,LON."
    )


def read_place(latitude: float, longitude: float) -> Raster:
    """The pixels around a place (WGS 84 degrees).

    Raises:
        BadInput: no sample holds that place.
    """
    sample = sample_at(latitude, longitude)
    if sample is None:
        raise BadInput(
            f"No sample holds {latitude:.5f}, {longitude:.5f}: fetch live imagery of it "
            "(landcover.stac.catalog), choose one of the samples "
            f"({', '.join(samples.NAMES)}) or give a Sentinel-2 stack of that place."
        )
    return read_sample(sample.name)


def read_upload(files: Sequence[tuple[str, bytes]]) -> Raster:
    """Read what a browser sent: one stack, one zip, or the band files of one patch.

    Args:
        files: name and bytes of each.

    Raises:
        BadInput: it is none of these, or cannot be used; the message says what to do.
    """
    if not files:
        raise BadInput("No file was given: choose a GeoTIFF stack, a zip or twelve band files.")
    if len(files) == 1:
        return _read_one(*files[0])
    if not any(band_of_file(name) for name, _ in files):
        raise BadInput(
            f"{len(files)} files were given, and their names name no band: give one stack at a "
            "time, or the files …_B01.tif to …_B12.tif of one BigEarthNet patch."
        )
    return read_band_files(files)


def _read_one(name: str, data: bytes) -> Raster:
    if data.startswith(archive.MAGIC):
        return archive.read_zip(data, name)
    return read_stack(data, name)


def _read_folder(path: Path) -> Raster:
    if path.name.upper().endswith(".SAFE") or next(path.glob("MTD_MSI*.xml"), None):
        raise BadInput(
            f"'{shown(path.name)}' is a SAFE product, which this version cannot read yet: "
            "export its twelve Level-2A bands at 10 m as one GeoTIFF."
        )
    return read_folder(path)
