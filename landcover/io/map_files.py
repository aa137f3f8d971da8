"""Reading a finished map from a file, which a worker process does."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import Any

from landcover.core.errors import BadInput
from landcover.core.window import Window
from landcover.io.gate import parcel, pool
from landcover.io.guard import shown
from landcover.io.map_layers import MapLayers, Wanted

__all__ = ["read_map_file"]


def read_map_file(
    path: Path, wanted: Wanted | None = None, *, cancel: Event | None = None
) -> MapLayers:
    """Read the layers of a map that ``landcover map`` wrote.

    Args:
        path: of the file.
        wanted: what to read; by default everything.
        cancel: set to stop.

    Raises:
        BadInput: it is missing, damaged, too large, or no such map.
        Cancelled: the user stopped it.
    """
    name = shown(path.name)
    try:
        size = path.stat().st_size
    except (OSError, ValueError):
        raise BadInput(f"There is no file '{name}': check its name.") from None
    values = {"path": str(path.absolute()), "wanted": asdict(wanted or Wanted())}
    found: MapLayers = pool.call("map layers", values, _taken, name=name, size=size, cancel=cancel)
    return found


def _taken(facts: dict[str, Any], file: Path) -> MapLayers:
    window = facts["window"]
    values = parcel.unpack_array(facts, file)
    if values.ndim != 3 or values.dtype != "u1":
        raise ValueError(values.shape)
    return MapLayers(
        values=values,
        names=tuple(map(str, facts["names"])),
        tags={str(key): str(text) for key, text in facts["tags"].items()},
        window=Window.from_facts(window),
        nodata=None if facts["nodata"] is None else float(facts["nodata"]),
        scales=tuple(map(float, facts["scales"])),
        levels=tuple((int(rows), int(columns)) for rows, columns in facts["levels"]),
    )
