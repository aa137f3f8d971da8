"""GeoTIFF files of maps on a patch's own grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from landcover import __version__
from landcover.core.raster import Raster
from landcover.core.text import plain

__all__ = ["write_maps"]


def write_maps(patch: Raster, count: int, fill: Callable[[Any], None]) -> bytes:
    """A file in the patch's CRS: float32, NaN without data, with where the pixels are from.

    Args:
        patch: whose grid, scene and date it has.
        count: of its bands.
        fill: writes bands and tags into rasterio's open dataset.
    """
    # It loads GDAL, which most commands do not need.
    from rasterio import Affine  # noqa: PLC0415
    from rasterio.io import MemoryFile  # noqa: PLC0415

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
            file.update_tags(
                SOURCE=plain(patch.provenance.scene or patch.provenance.source),
                ACQUIRED=patch.acquired.isoformat() if patch.acquired else "not stated",
                SOFTWARE=f"landcover {__version__}",
            )
        return bytes(memory.read())
