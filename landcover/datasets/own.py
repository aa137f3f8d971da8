"""A data set of one's own: a folder of stacks or of folders with band files, and their labels.

::

    ROOT/labels.csv (or .gpkg)   file; labels, separated by semicolons, or a column of 0 and 1 for
                                 each class; and optionally split and country
    ROOT/classes.csv             optional: name, short, colour, description
    ROOT/…                       Level-2A stacks or folders of band files, as `landcover classify`
                                 reads them: the centre of 1200 × 1200 m of each is a patch

Patches without a split are split by place (:mod:`landcover.datasets.own_splits`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from landcover.core.bands import (
    ALIGNMENT,
    BAND_NAMES,
    BANDS_10M,
    BANDS_20M,
    BANDS_60M,
    PATCH_M,
    PATCH_PIXELS,
    QUANTIFICATION,
)
from landcover.core.errors import BadInput
from landcover.core.own_classes import declare
from landcover.core.patch_place import corner_in, with_place
from landcover.core.projection import project, text_of
from landcover.core.raster import Raster
from landcover.core.text import plain
from landcover.core.window import WGS84, Cut, Geo, Window, zone_of
from landcover.core.zones import is_utm
from landcover.datasets.labelled import Dataset, Record
from landcover.datasets.own_labels import ClassList, Labelled, labels_of
from landcover.datasets.own_splits import PlaceSplit, split_by_place
from landcover.io import sources
from landcover.io.band_files import Native, NumberArray
from landcover.io.guard import open_raster, shown
from landcover.io.names import band_of_file

__all__ = ["NAME", "OwnRecord", "open_own"]

NAME: Final = "folder"
_LEVEL: Final = "L2A"
_OPENED: Final = 8
_TIFF: Final = (".tif", ".tiff")


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnRecord(Record):
    """A patch of one's own: its file or folder is read like any other."""

    source: str
    """What :func:`landcover.io.sources.read` reads."""

    def patch(self) -> Raster:
        """Read the centre of the file as reflectance on the 10 m grid.

        Raises:
            BadInput: it cannot be read, has no data, or is not surface reflectance.
        """
        found = sources.read(self.source, Cut(size=PATCH_PIXELS))
        if found.level != _LEVEL:
            raise BadInput(
                f"'{shown(Path(self.source).name)}' is {found.level}, and models learn from "
                "surface reflectance: give Level-2A."
            )
        if not found.valid.any():
            raise BadInput(
                f"'{shown(Path(self.source).name)}' has no data in any pixel: take it out of the "
                "table of labels."
            )
        return found

    def native(self) -> Native:
        """Read the patch as digital numbers on grids of 10, 20 and 60 m.

        Pixels without data get the mean of their band's other pixels, as in a classification.
        Bands that the file lacks are 0.
        """
        found = self.patch()
        pixels = np.array(found.data)
        if not found.valid.all():
            pixels[:, ~found.valid] = pixels[:, found.valid].mean(axis=1)[:, None]
        whole = np.zeros((len(BAND_NAMES), PATCH_PIXELS, PATCH_PIXELS), dtype=np.float32)
        for band, numbers in zip(found.bands, pixels, strict=True):
            whole[BAND_NAMES.index(band)] = numbers
        grids = [
            _coarser(whole[[BAND_NAMES.index(name) for name in names]], factor)
            for names, factor in ((BANDS_10M, 1), (BANDS_20M, 2), (BANDS_60M, 6))
        ]
        return Native(
            name=self.patch_id,
            g10=grids[0],
            g20=grids[1],
            g60=grids[2],
            crs=found.crs or "",
            transform=found.transform or (10.0, 0.0, 0.0, 0.0, -10.0, 0.0),
            acquired=found.acquired,
        )


def open_own(root: Path) -> Dataset:
    """Open a folder of patches with labels. Reads the tables and the headers of the files.

    Raises:
        BadInput: there is no folder, table or file, a table cannot be used, or the patches cannot
            be split.
        UnknownName: a label is not in the list of classes.
    """
    if not root.is_dir():
        raise BadInput(f"There is no folder '{shown(root.name)}': check the path of the data set.")
    entries, classes = labels_of(root)
    files = _files_in(root)
    here = [(entry, files[key]) for entry in entries if (key := _key(entry.file)) in files]
    absent = [entry for entry in entries if _key(entry.file) not in files]
    if not here:
        raise BadInput(
            f"The table of labels names {shown(entries[0].file)}, and neither this nor any other "
            f"of its files is in '{shown(root.name)}': write paths relative to the folder."
        )
    _check_labels([entry for entry, _ in here], classes)
    names = _names(root, [address for _, address in here])
    splits, about = _splits([entry for entry, _ in here], names)
    records = tuple(
        OwnRecord(
            patch_id=name,
            labels=entry.labels,
            split=split,
            country=entry.country,
            product=root,
            source=address,
        )
        for name, (entry, address), split in zip(names, here, splits, strict=True)
    )
    declare(classes.looks, classes.made)
    used = {address for _, address in here}
    return Dataset(
        name=NAME,
        title=f"{plain(root.resolve().name)[:60]} ({_fingerprint(records)})",
        all_records=records,
        absent=len(absent),
        first_absent=shown(absent[0].file) if absent else "",
        unlisted=len(set(files.values()) - used),
        classes=classes.names,
        looks=classes.looks,
        bands=_bands(records[0]),
        about=about,
    )


def _files_in(root: Path) -> dict[str, str]:
    """Ways to write a file in the table → its address; names that are not unique are left out."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for address in sources.expand(root):
        path = Path(address)
        inside = path.relative_to(root) if path.is_relative_to(root) else path
        whole, stem = inside.as_posix(), inside.with_suffix("").as_posix()
        for key in dict.fromkeys((whole, stem, inside.name, inside.stem)):
            if key in found:
                twice.add(key)
            found[key] = address
    return {key: address for key, address in found.items() if key not in twice}


def _key(file: str) -> str:
    return file.replace("\\", "/").removeprefix("./").rstrip("/")


def _check_labels(entries: Sequence[Labelled], classes: ClassList) -> None:
    for name in classes.names:
        if 0 < sum(name in entry.labels for entry in entries) < len(entries):
            return
    raise BadInput(
        "Every patch has the same labels, so there is nothing to tell apart: add patches with "
        "other classes, or with none."
    )


def _names(root: Path, addresses: Sequence[str]) -> list[str]:
    """Names of the patches with their places, each once."""
    with ThreadPoolExecutor(_OPENED) as readers:
        corners = list(readers.map(_corner, addresses))
    names: list[str] = []
    for address, corner in zip(addresses, corners, strict=True):
        path = Path(address)
        inside = path.relative_to(root) if path.is_relative_to(root) else path
        names.append(with_place(plain(inside.with_suffix("").as_posix()), corner))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInput(f"The table of labels names {shown(twice)} twice: write it in one way.")
    return names


def _splits(entries: Sequence[Labelled], names: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The split of each patch, and a sentence on it; the table's if it has one."""
    if entries[0].split:
        return tuple(entry.split for entry in entries), ""
    nowhere = next((name for name in names if corner_in(name) is None), None)
    if nowhere is not None:
        raise BadInput(
            f"{shown(nowhere)} does not say where it is, so the patches cannot be split by place: "
            "give georeferenced files, or a column 'split' in the table of labels."
        )
    found = split_by_place(names, [entry.labels for entry in entries])
    return found.splits, _told(found)


def _told(found: PlaceSplit) -> str:
    text = f"The patches were split by blocks of {found.side_m / 1000:g} km."
    if found.left_out:
        text += f" {found.left_out} that touch another split are in none."
    return text


def _fingerprint(records: Sequence[Record]) -> str:
    """Six digits that change with the patches and their splits.

    They are part of the title, by which a card says what its model was trained on: after a change
    of the splits it is not known which patches a model has seen.
    """
    lines = sorted(f"{record.patch_id} {record.split}" for record in records)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:6]


def _bands(record: OwnRecord) -> tuple[str, ...]:
    """The bands of the first patch, in standard order."""
    bands = record.patch().bands
    return tuple(name for name in BAND_NAMES if name in bands)


def _corner(address: str) -> tuple[int, int, int] | None:
    """EPSG code, easting and northing of a patch's upper left corner; None if it has no place."""
    for path in _headers(Path(address)):
        try:
            with open_raster(path) as file:
                header = file.header
                if header.crs is None or header.transform.is_identity:
                    return None
                a, b, c, d, e, f = header.transform[:6]
                crs, shape = text_of(header.crs), (header.height, header.width)
            return _corner_on(crs, (a, b, c, d, e, f), shape)
        except BadInput:  # whoever reads its pixels says what is wrong with it
            return None
    return None


def _corner_on(crs: str, geo: Geo, shape: tuple[int, int]) -> tuple[int, int, int]:
    window = Window(crs=crs, transform=geo, width=shape[1], height=shape[0])
    a, b, _, d, e, _ = geo
    if is_utm(crs) and (a, b, d, e) == (10.0, 0.0, 0.0, -10.0) and min(shape) >= PATCH_PIXELS:
        row, col = Cut(size=PATCH_PIXELS).corner_in(shape, step=ALIGNMENT)
        return int(crs[5:]), round(geo[2] + 10 * col), round(geo[5] - 10 * row)
    latitude, longitude = window.centre
    zone = zone_of(latitude, longitude)
    xs, ys = project(WGS84, zone, [longitude], [latitude])
    return int(zone[5:]), round(xs[0] - PATCH_M / 2), round(ys[0] + PATCH_M / 2)


def _headers(path: Path) -> Iterator[Path]:
    """Files whose headers say where a patch is."""
    if path.is_file() and path.suffix.lower() in _TIFF:
        yield path
    if path.is_dir():
        for each in sorted(path.iterdir()):
            if each.suffix.lower() in _TIFF and band_of_file(each.name) in BANDS_10M:
                yield each


def _coarser(pixels: npt.NDArray[np.float32], factor: int) -> NumberArray:
    """Digital numbers of the means of squares of pixels."""
    count, height, width = pixels.shape
    squares = pixels.reshape(count, height // factor, factor, width // factor, factor)
    numbers = np.round(squares.mean(axis=(2, 4)) * QUANTIFICATION)
    bounded: NumberArray = np.clip(numbers, 0, np.iinfo(np.uint16).max).astype(np.uint16)
    return bounded
