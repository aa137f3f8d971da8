"""Reading a finished map, as a worker does: layers of bytes with names and tags."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from landcover.core.errors import BadInput
from landcover.core.projection import text_of
from landcover.core.raster import ByteArray
from landcover.core.text import plain
from landcover.core.window import Window, check_projected
from landcover.io.guard import FILE, named, open_raster, tags_of

__all__ = ["MapLayers", "read_map_layers"]


@dataclass(frozen=True, kw_only=True)
class MapLayers:
    """The layers of a map.

    Attributes:
        values: uint8 ``(layer, row, column)``.
        names: of the layers; empty where the file has none.
        tags: of the file, name in capitals → text.
        window: its pixels on the ground.
    """

    values: ByteArray
    names: tuple[str, ...]
    tags: dict[str, str]
    window: Window


def read_map_layers(path: Path, name: str) -> MapLayers:
    """Read a GeoTIFF of bytes whole.

    Args:
        path: of the file.
        name: for messages.

    Raises:
        BadInput: it is missing, damaged, too large, has other numbers, or no place on Earth.
    """
    with named(name), open_raster(path) as file:
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
            values=np.ascontiguousarray(file.read(header.indexes)),
            names=tuple(plain(text or "") for text in header.descriptions),
            tags=tags_of(header),
            window=window,
        )
