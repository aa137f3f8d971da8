"""Indexing BigEarthNet patch folders quickly: by their names and the header of one band."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Final

from landcover.core.bands import BAND_NAMES, PATCH_PIXELS
from landcover.core.errors import BadInput
from landcover.io.guard import shown
from landcover.stac.layouts.found_scene import FoundScene
from landcover.stac.layouts.header import header, place_of
from landcover.stac.layouts.metadata import date_of, platform_in

__all__ = ["is_patch", "read_patch"]

_CHECKED_BAND: Final = "B02"


def is_patch(folder: str, files: Collection[str]) -> bool:
    """Whether a folder with this name and these files is a patch: ``<patch>_<BAND>.tif`` × 12."""
    return all(f"{folder}_{band}.tif" in files for band in BAND_NAMES)


def read_patch(folder: Path, date: datetime | None) -> FoundScene:
    """Read a patch from its names and one header.

    Args:
        folder: a folder for which :func:`is_patch` is true.
        date: sensing time (UTC) if its name does not state it.

    Raises:
        BadInput: the band is damaged or not that of a patch.
    """
    name = folder.name
    files = {band: folder / f"{name}_{band}.tif" for band in BAND_NAMES}
    with header(files[_CHECKED_BAND]) as raster:
        if raster.shape != (PATCH_PIXELS, PATCH_PIXELS) or raster.dtypes != ("uint16",):
            raise BadInput(
                f"Band {_CHECKED_BAND} of '{shown(name)}' does not have "
                f"{PATCH_PIXELS} × {PATCH_PIXELS} pixels of uint16: "
                "give the original BigEarthNet files."
            )
        footprint, epsg = place_of(raster, name)
    acquired, dated = date_of([name, folder.parent.name], date, name)
    return FoundScene(
        name=name,
        layout="patch",
        level="L2A",
        acquired=acquired,
        acquired_from=dated,
        files=files,
        footprint=footprint,
        epsg=epsg,
        offset=0,
        offset_from="BigEarthNet is reflectance × 10000",
        platform=platform_in(name),
    )
