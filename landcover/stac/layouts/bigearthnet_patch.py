"""Indexing BigEarthNet patch folders quickly: by their names and the header of one band."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from landcover.core.bands import BAND_NAMES, PATCH_PIXELS
from landcover.core.errors import BadInput
from landcover.io.guard import shown
from landcover.io.headers import header
from landcover.io.layouts.metadata import date_of, platform_in
from landcover.stac.layouts.footprint import place_of
from landcover.stac.layouts.found_scene import FoundScene

__all__ = ["read_patch"]

_CHECKED_BAND: Final = "B02"


def read_patch(folder: Path, date: datetime | None) -> FoundScene:
    """Read a patch from its names and one header.

    Args:
        folder: a folder for which :func:`landcover.io.layouts.walk.find` found a patch.
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
