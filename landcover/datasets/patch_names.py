"""Product, place and folder of a BigEarthNet patch, from its name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np

from landcover.core.bands import PATCH_M
from landcover.core.projection import project
from landcover.core.raster import Raster
from landcover.core.window import WGS84
from landcover.datasets.bigearthnet import PIXELS_V2, place_of
from landcover.datasets.split_distance import corner_of
from landcover.io.band_files import read_native, to_patch

__all__ = ["distance_m", "load_from_disk", "place", "product_and_cell", "season"]

_SEASONS: Final = ("winter", "spring", "summer", "autumn")
_CELL: Final = re.compile(r"^(.*)_(\d{1,3}_\d{1,3})$")
_EARTH_M: Final = 6_371_000.0


def product_and_cell(name: str) -> tuple[str, str]:
    """Split a BigEarthNet name into product and cell; the cell is empty for other names."""
    match = _CELL.match(name)
    return (match[1], match[2]) if match else (name, "")


def season(month: int) -> str:
    """Return the northern season of a month; winter is December to February.

    For the southern hemisphere, add six to the month.
    """
    return _SEASONS[month % 12 // 3]


def place(patch_id: str) -> tuple[float, float] | None:
    """Return latitude and longitude of the centre of a patch whose name states its place.

    None for other names.
    """
    corner = corner_of(patch_id)
    if corner is None:
        return None
    east, north = corner[1] + PATCH_M / 2, corner[2] - PATCH_M / 2
    longitude, latitude = project(f"EPSG:{corner[0]}", WGS84, [east], [north])
    return latitude[0], longitude[0]


def load_from_disk(root: Path, patch_id: str) -> Raster | None:
    """Read the pixels of a training patch from a folder with BigEarthNet v2.

    Args:
        root: the folder that contains ``BigEarthNet-S2``.
        patch_id: name of the patch.

    Returns:
        None if the patch is not on the disk.

    Raises:
        BadInput: the patch cannot be read.
    """
    # Only names in the form of the data set may become paths.
    if place_of(patch_id) is None:
        return None
    folder = root / PIXELS_V2 / product_and_cell(patch_id)[0] / patch_id
    return to_patch(read_native(folder), patch_id) if folder.is_dir() else None


def distance_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Compute the distance in metres of two places (degrees) on a sphere, to half a percent."""
    (a, b), (c, d) = np.radians(one), np.radians(other)
    half = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
    return float(2 * _EARTH_M * np.arcsin(np.sqrt(half)))
