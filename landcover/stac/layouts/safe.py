"""Indexing ESA's SAFE products."""

from __future__ import annotations

from landcover.core.errors import BadInput
from landcover.io.guard import shown
from landcover.io.layouts.safe import Granule, read_product
from landcover.io.layouts.tree import Disk
from landcover.stac.layouts.footprint import (
    Polygons,
    crs_of,
    footprint_of_grid,
    footprint_of_points,
    pairs,
)
from landcover.stac.layouts.found_scene import FoundScene

__all__ = ["read_safe"]


def read_safe(disk: Disk, folder: str, metadata: str) -> list[FoundScene]:
    """Read the granules of a product from its metadata, without opening an image.

    Args:
        disk: contains the product.
        folder: path of the product.
        metadata: name of its metadata file.

    Raises:
        BadInput: the metadata is damaged or not ESA's, or images are missing.
    """
    return [_scene(disk, granule) for granule in read_product(disk, folder, metadata)]


def _scene(disk: Disk, granule: Granule) -> FoundScene:
    return FoundScene(
        name=granule.name,
        layout="bands",
        level=granule.level,
        acquired=granule.acquired,
        acquired_from="PRODUCT_START_TIME",
        files={key: disk.path(file) for key, file in granule.files.items()},
        footprint=_footprint(granule),
        epsg=granule.epsg,
        offset=granule.offset,
        offset_from=granule.offset_from,
        baseline=granule.baseline,
        platform=granule.platform,
        cloud=granule.cloud,
        grids=granule.grids,
    )


def _footprint(granule: Granule) -> Polygons:
    """Outline of the product's data; if the metadata has no valid one, that of the tile."""
    try:
        return footprint_of_points(pairs(granule.outline), granule.name)
    except BadInput:
        grid = granule.grids["B02"]
        name = shown(granule.name)
        return footprint_of_grid(crs_of(granule.epsg), grid.shape, grid.transform, name)
