"""Reading a finished map, as a worker does: layers of bytes with names and tags."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np

from landcover.core.errors import BadInput
from landcover.core.projection import text_of
from landcover.core.raster import ByteArray
from landcover.core.text import plain
from landcover.core.window import Window, check_projected
from landcover.io.guard import FILE, Part, RasterFile, named, open_raster, tags_of

__all__ = ["MapLayers", "Wanted", "read_map_layers"]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to read of a map.

    Attributes:
        layers: numbers of the layers, from 1; None for all, empty for none.
        part: first row, first column, rows and columns; None for everything.
        level: 0 for the full size, 1 and on for a smaller version.
    """

    layers: tuple[int, ...] | None = None
    part: Part | None = None
    level: int = 0


@dataclass(frozen=True, kw_only=True)
class MapLayers:
    """The layers of a map.

    Attributes:
        values: uint8 ``(layer, row, column)``, what was wanted of them.
        names: of all layers; empty where the file has none.
        tags: of the file, name in capitals → text.
        window: its pixels on the ground; of a smaller version, those of that version.
        nodata: value without data; None if the file states none.
        scales: value of a step, for each layer.
        levels: rows and columns of each smaller version.
    """

    values: ByteArray
    names: tuple[str, ...]
    tags: dict[str, str]
    window: Window
    nodata: float | None = None
    scales: tuple[float, ...] = ()
    levels: tuple[tuple[int, int], ...] = ()


def read_map_layers(path: Path, name: str, wanted: Wanted | None = None) -> MapLayers:
    """Read a GeoTIFF of bytes.

    Args:
        path: of the file.
        name: for messages.
        wanted: what to read; by default everything.

    Raises:
        BadInput: it is missing, damaged, too large, has other numbers, no place on Earth, or not
            the layers and the part that are wanted.
    """
    wanted = wanted or Wanted()
    with named(name), open_raster(path, level=wanted.level) as file:
        header = file.header
        if set(header.dtypes) != {"uint8"} or header.crs is None:
            raise BadInput(
                f"{FILE} is no map that this program made: give the file OUT-cover.tif that "
                "`landcover map` writes."
            )
        a, b, c, d, e, f = tuple(header.transform)[:6]
        window = Window(
            crs=text_of(header.crs),
            transform=(a, b, c, d, e, f),
            width=header.width,
            height=header.height,
        )
        check_projected(window.crs)
        window.check_on_earth()
        return MapLayers(
            values=_values(file, wanted),
            names=tuple(plain(text or "") for text in header.descriptions),
            tags=tags_of(header),
            window=window,
            nodata=header.nodata,
            scales=tuple(map(float, header.scales)),
            levels=tuple(
                (ceil(header.height / factor), ceil(header.width / factor))
                for factor in header.overviews(1)
                if factor > 1  # 0 in a damaged file
            ),
        )


def _values(file: RasterFile, wanted: Wanted) -> ByteArray:
    header = file.header
    layers = header.indexes if wanted.layers is None else wanted.layers
    if not layers:
        return np.zeros((0, 0, 0), dtype=np.uint8)
    top, left, rows, columns = wanted.part or (0, 0, header.height, header.width)
    inside = 0 <= top <= header.height - rows and 0 <= left <= header.width - columns
    if not inside or min(rows, columns) < 1 or not set(layers) <= set(header.indexes):
        raise BadInput(
            f"{FILE} has {len(header.indexes)} layers of {header.height} × {header.width} pixels, "
            "and others are asked for: it was changed, so open it again."
        )
    return np.ascontiguousarray(file.read(layers, wanted.part))
