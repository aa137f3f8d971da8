"""Writing maps as GeoTIFF files on the grid of a patch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rasterio import Affine
from rasterio.io import MemoryFile

from landcover import __version__
from landcover.core.raster import Raster
from landcover.core.text import plain

__all__ = ["write_maps"]


def write_maps(
    patch: Raster,
    count: int,
    fill: Callable[[Any], None],
    tags: Mapping[str, str] | None = None,
) -> bytes:
    """Write a GeoTIFF file of float32 maps: NaN without data, source and date in its tags.

    Args:
        patch: supplies grid, CRS, scene and date.
        count: number of bands.
        fill: writes bands and tags into rasterio's open dataset.
        tags: further tags of the file; their names are written in capitals.

    Returns:
        The bytes of the file.

    Raises:
        BadInput: the position of the patch is not known.
    """
    crs, transform = patch.georeference
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=patch.width,
            height=patch.height,
            count=count,
            dtype="float32",
            crs=crs,
            transform=Affine(*transform),
            nodata=float("nan"),
            compress="deflate",
            predictor=3,
        ) as file:
            fill(file)
            file.update_tags(**{name.upper(): text for name, text in (tags or {}).items()})
            file.update_tags(
                SOURCE=plain(patch.provenance.scene or patch.provenance.source),
                ACQUIRED=patch.acquired.isoformat() if patch.acquired else "not stated",
                SOFTWARE=f"landcover {__version__}",
            )
        return bytes(memory.read())
