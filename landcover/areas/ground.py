"""The ground that a window covers, as a shape."""

from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from landcover.core.projection import project
from landcover.core.window import WGS84, Window
from landcover.io.outlines.earth import split

__all__ = ["box_of", "ground_of"]


def box_of(window: Window) -> BaseGeometry:
    """What a window covers, in its own CRS."""
    w, h = window.width, window.height
    xs, ys = window.xy([(0, 0), (w, 0), (w, h), (0, h)])
    return shapely.Polygon(list(zip(xs, ys, strict=True)))


def ground_of(window: Window) -> BaseGeometry:
    """What a window covers, WGS 84 degrees, split at the antimeridian; its sides are curved."""
    steps = [float(step) for step in np.linspace(0.0, 1.0, 33)]
    sides = [(s, 0.0) for s in steps] + [(1.0, s) for s in steps]
    sides += [(1 - s, 1.0) for s in steps] + [(0.0, 1 - s) for s in steps]
    points = [(s * window.width, t * window.height) for s, t in sides]
    return split(shapely.Polygon(zip(*project(window.crs, WGS84, *window.xy(points)), strict=True)))
