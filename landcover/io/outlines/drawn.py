"""Polygons as a file holds them, before anything is checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import shapely

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.core.window import WGS84
from landcover.io.messages import FILE

__all__ = ["Drawn", "curved", "ring_of", "too_many"]

Ring = npt.NDArray[np.float64]
_LEAST: Final = 4


@dataclass
class Drawn:
    """What a file holds.

    Attributes:
        crs: of all coordinates, which are x and y, or longitude and latitude.
        name: of the area or of its layer.
        polygons: as drawn; they may cross themselves.
        others: number of points, lines and other things without an area.
        damaged: number of polygons that have no ring of four points.
    """

    crs: str = WGS84
    name: str = ""
    polygons: list[shapely.Polygon] = field(default_factory=list)
    others: int = 0
    damaged: int = 0
    points: int = 0

    def add(self, rings: Sequence[Iterable[Any]]) -> None:
        """Add a polygon by its outer ring and its holes.

        Raises:
            BadInput: the file has too many points.
        """
        arrays = [ring_of(ring) for ring in rings]
        if not arrays or any(ring is None for ring in arrays):
            self.damaged += 1
            return
        whole = [ring for ring in arrays if ring is not None]
        self._count(sum(map(len, whole)))
        self.polygons.append(shapely.Polygon(whole[0], whole[1:]))

    def add_shape(self, shape: shapely.geometry.base.BaseGeometry | None) -> None:
        """Add a geometry with all its parts, of any kind.

        Raises:
            BadInput: the file has too many points.
        """
        if shape is None or shape.is_empty:
            self.damaged += shape is not None and shape.geom_type.endswith("Polygon")
            return
        for part in shapely.get_parts(shape).tolist():
            if isinstance(part, shapely.Polygon):
                self._count(int(shapely.get_num_coordinates(part)))
                self.polygons.append(shapely.force_2d(part))
            elif hasattr(part, "geoms"):
                self.add_shape(part)
            else:
                self.others += 1

    def _count(self, points: int) -> None:
        self.points += points
        if self.points > limits.current().area_points:
            raise too_many()
        if len(self.polygons) >= limits.current().area_polygons:
            most = limits.current().area_polygons
            raise BadInput(
                f"{FILE} holds more than {most:,} polygons: join them, or give a part of them."
            )


def curved() -> BadInput:
    """The error for arcs, which no polygon here has."""
    return BadInput(f"{FILE} has curved outlines: convert them to polygons.")


def too_many() -> BadInput:
    """The error for a file with too many points."""
    most = limits.current().area_points
    return BadInput(
        f"{FILE} holds outlines of more than {most:,} points: simplify them to some 10 m."
    )


def ring_of(points: Iterable[Any]) -> Ring | None:
    """The x and y of the points of a ring; None if it is none."""
    try:
        pairs = [(point[0], point[1]) for point in points]
        if any(isinstance(value, str | bool) for pair in pairs for value in pair):
            return None
        ring = np.array(pairs, dtype=np.float64)
    except (TypeError, ValueError, LookupError, OverflowError):
        return None
    return ring if ring.shape[0] >= _LEAST and np.isfinite(ring).all() else None
