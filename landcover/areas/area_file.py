"""Reading the area that a user names: a bounding box, a text, or a file of outlines."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from landcover.core import files
from landcover.core.errors import BadInput
from landcover.core.text import place_text
from landcover.io.gate import pool
from landcover.io.guard import shown

__all__ = ["Area", "as_area", "read_area"]

_RADIUS_KM: Final = 6371.0088


@dataclass(frozen=True, kw_only=True)
class Area:
    """An area on Earth.

    Attributes:
        wkb: its valid polygons, WGS 84 degrees within ±180°; at the antimeridian it is split.
        name: that its file gives it; empty if none.
        notes: what was repaired or left out, a sentence each.
        file: that it was read from; None if there is none.
    """

    wkb: bytes
    name: str = ""
    notes: tuple[str, ...] = ()
    file: Path | None = field(default=None, compare=False)

    @cached_property
    def geometry(self) -> BaseGeometry:
        """The polygons."""
        return shapely.from_wkb(self.wkb)

    @cached_property
    def km2(self) -> float:
        """Square kilometres, on a sphere: within half a percent."""
        shape = shapely.segmentize(self.geometry, 0.5)

        def equal_area(pairs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            x = np.radians(pairs[:, 0]) * _RADIUS_KM
            return np.column_stack([x, np.sin(np.radians(pairs[:, 1])) * _RADIUS_KM])

        return float(shapely.transform(shape, equal_area).area)

    @property
    def where(self) -> str:
        """Its bounds in words."""
        west, south, east, north = self.geometry.bounds
        return f"{place_text(south, west)} to {place_text(north, east)}"


def read_area(source: str | Path | bytes, *, name: str = "", cancel: Event | None = None) -> Area:
    """Read an area.

    Longitudes and latitudes are WGS 84 degrees, unless the file names another CRS. All polygons
    together are the area; one that crosses the antimeridian is split there.

    Args:
        source: ``"W,S,E,N"`` in degrees (W may be greater than E), WKT, the text of GeoJSON or KML,
            the path of a GeoJSON, GeoPackage, KML, KMZ or WKT file, or the bytes of one.
        name: of the file, if bytes are given.
        cancel: set to stop.

    Raises:
        BadInput: it is none of these, has no CRS, crosses itself, is empty, holds only points or
            lines, too many points, or reaches beyond 84° north or 80° south.
        Cancelled: the user stopped it.
    """
    if isinstance(source, bytes):
        with files.scratch() as folder:
            path = folder / "area"
            files.write_bytes(path, source, durable=False)
            return _read({"path": str(path), "name": name or "the area"}, len(source), cancel)
    if isinstance(source, Path) or _is_file(source):
        path = Path(source)
        if not path.exists():
            raise BadInput(f"There is no file '{shown(path.name)}' with an area: check its name.")
        if path.is_dir():
            raise BadInput(
                f"'{shown(str(source))}' is a folder, which is no area: name a GeoJSON, "
                "GeoPackage, KML or WKT file in it."
            )
        size = path.stat().st_size
        found = _read({"path": str(path.absolute()), "name": path.name}, size, cancel)
        return replace(found, file=path)
    return _read({"path": None, "text": source, "name": "the area"}, len(source), cancel)


def as_area(area: Area | str | Path | None) -> Area | None:
    """An area that is given as such, or as for :func:`read_area`; None for none.

    Raises:
        BadInput: it cannot be used.
    """
    return area if area is None or isinstance(area, Area) else read_area(area)


def _is_file(text: str) -> bool:
    try:
        return bool(text.strip()) and "\0" not in text and Path(text).exists()
    except (OSError, ValueError):
        return False


def _read(values: dict[str, Any], size: int, cancel: Event | None) -> Area:
    def take(found: dict[str, Any], _: Path) -> Area:
        wkb = bytes.fromhex(str(found["wkb"]))
        bounds = shapely.from_wkb(wkb).bounds
        if not all(map(math.isfinite, bounds)):
            raise ValueError(bounds)
        notes = tuple(map(str, found["notes"]))
        return Area(wkb=wkb, name=str(found["name"]), notes=notes)

    name = shown(str(values["name"]))
    return pool.call("outline", values, take, name=name, size=size, cancel=cancel)
