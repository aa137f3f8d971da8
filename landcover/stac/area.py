"""Imagery of an area of several windows, all from one satellite pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Event

from landcover.core import progress
from landcover.core.errors import BadInput
from landcover.core.progress import Report
from landcover.core.raster import Raster
from landcover.core.window_grid import Bounds, WindowGrid, window_grid
from landcover.stac.candidates import Candidate, SceneQuery
from landcover.stac.catalog import fetch, find

__all__ = ["Area", "fetch_area"]


@dataclass(frozen=True, kw_only=True)
class Area:
    """The pixels of an area.

    Attributes:
        raster: all windows in one raster; parts that the pass does not cover are not valid.
        grid: the windows, on the raster's grid.
        candidate: the pass; its target is the whole area.
    """

    raster: Raster
    grid: WindowGrid
    candidate: Candidate


def fetch_area(
    name: str,
    bounds: Bounds,
    query: SceneQuery,
    *,
    report: Report = progress.ignore,
    cancel: Event | None = None,
) -> Area:
    """Find the best pass over the centre of an area and read it once for all windows.

    Args:
        name: name of an archive, or path of the user's own catalogue.
        bounds: the area.
        query: dates and cloud; its place is the centre of the area.
        report: called with the progress.
        cancel: set to stop.

    Raises:
        BadInput: the area is too large, no pass can be used, or the catalogue lists single
            files of all bands, which are read a window at a time.
        LandcoverError: as for :func:`landcover.stac.catalog.find` and ``fetch``.
    """
    window_grid(bounds)  # report a large area before searching
    found = find(name, query, report=report, cancel=cancel)
    if found.best is None:
        raise BadInput(found.reason)
    candidate = found.candidates[found.best]
    if any(scene.layout != "bands" for scene in candidate.scenes):
        raise BadInput(
            "This catalogue lists images that are read one window at a time: choose an archive, or "
            "upload the image and draw the rectangle on it."
        )
    grid = window_grid(bounds, crs=candidate.target.crs)
    whole = replace(candidate, target=grid.whole, preview=None)
    return Area(raster=fetch(whole, report=report, cancel=cancel), grid=grid, candidate=whole)
