"""Headers of raster files on the user's own disk: opened by path, without reading pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rasterio.io import DatasetReader

from landcover.core.errors import BadInput
from landcover.io.gate import pool
from landcover.io.guard import FILE, JP2_MAGIC, TIFF_MAGIC, head_of, named, open_raster, shown
from landcover.io.layouts.header import SUFFIXES

__all__ = ["header"]


@contextmanager
def header(path: Path) -> Iterator[DatasetReader]:
    """Open a GeoTIFF or JPEG 2000 file to read its header.

    A worker process opens it first, because opening a damaged file can take for ever.

    Raises:
        BadInput: it is not such a file, or damaged.
    """
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        raise BadInput(f"'{shown(path.name)}' is not a GeoTIFF or JPEG 2000 file: export it again.")
    with named(path.name):
        if not head_of(path).startswith((*TIFF_MAGIC, *JP2_MAGIC)):
            raise BadInput(f"{FILE} is damaged or truncated: copy or export it again.")
        pool.call("open", {"path": str(path)}, lambda *_: None, name=shown(path.name), size=0)
        with open_raster(path) as file:
            yield file.header
