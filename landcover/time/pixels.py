"""What the pixels of a date say by themselves, whatever a model makes of them: haze, and water.

Haze is too thin for a mask, but it makes a whole scene look like another one. Water is told by its
index (McFeeters 1996: green above near infrared), which knows of one cover only but of each pixel
of 10 m. The map's cells know a similar index, so it checks the map's shores, not the index itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event
from typing import Final

import numpy as np

from landcover.areas.imagery import Imagery
from landcover.areas.plan import CELL, Plan
from landcover.core import progress
from landcover.core.raster import BoolArray, Raster
from landcover.trust import pixel_checks

__all__ = ["MOST_BLOCKS", "PixelFacts", "pixel_facts"]

MOST_BLOCKS: Final = 9
"""Blocks that are read; of more, so many that lie evenly over the area."""
_PIXEL_HECTARES: Final = 0.01
_DARK: Final = 2
"""Percentile of the reflectance that is the darkest ground."""


@dataclass(frozen=True, kw_only=True)
class PixelFacts:
    """What the pixels of an area say.

    Attributes:
        haze: share of the land that is hazy, 0 to 1; 0 if it cannot be told.
        water: hectares of the seen cells with water by its index; None if the area was not read
            whole, or bands are missing.
        dark: reflectance of the darkest 2 % of the ground in its darkest band; None if it cannot
            be told. An offset that was not removed adds 0.1 to all bands, haze to visible ones.
    """

    haze: float = 0.0
    water: float | None = None
    dark: float | None = None


def pixel_facts(
    imagery: Imagery, plan: Plan, seen: BoolArray, *, cancel: Event | None = None
) -> PixelFacts:
    """Read the pixels of an area.

    Args:
        imagery: of the date.
        plan: of the area.
        seen: which cells of the cover are in clear view ``(row, column)``.
        cancel: set to stop.

    Raises:
        LandcoverError: they cannot be read.
        Cancelled: the user stopped it.
    """
    indices = plan.indices
    every = -(-len(indices) // MOST_BLOCKS)
    cells, water = [], 0.0
    for index in indices[::every]:
        progress.check(cancel)
        block = plan.block_at(index)
        core = plan.window.part(block.top, block.left, block.height, block.width)
        raster = imagery.read(core, cancel=cancel)
        cells.append(pixel_checks.cells(raster))
        rows = slice(block.top // CELL, (block.top + block.height) // CELL)
        columns = slice(block.left // CELL, (block.left + block.width) // CELL)
        found = _water(raster, seen[rows, columns])
        water = np.nan if found is None else water + found
    known = np.concatenate(cells, axis=1)
    enough = known.shape[1] >= pixel_checks.MIN_CELLS
    return PixelFacts(
        haze=pixel_checks.haze_share(known) if enough else 0.0,
        dark=float(np.percentile(known, _DARK, axis=1).min()) if enough else None,
        water=float(water) if every == 1 and np.isfinite(water) else None,
    )


def _water(raster: Raster, seen: BoolArray) -> float | None:
    """Hectares with water by its index in the seen cells; None without its bands."""
    if not {"B03", "B08"} <= set(raster.bands):
        return None
    here = np.repeat(np.repeat(seen, CELL, axis=0), CELL, axis=1) & raster.valid
    return float((here & (raster.band("B03") > raster.band("B08"))).sum()) * _PIXEL_HECTARES
