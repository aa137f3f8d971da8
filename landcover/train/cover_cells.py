"""The cells of labelled patches, as a cover head reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES, PATCH_PIXELS
from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report, ignore
from landcover.core.raster import BoolArray
from landcover.datasets.arrays import NativeStore
from landcover.nets.cell_net import CellNet
from landcover.nets.cover_head import area_net
from landcover.nets.windows import CELL_PIXELS
from landcover.train.dynamic_world import COVERS
from landcover.trust.surfaces import is_water

__all__ = ["INDEX", "MOST_PATCHES", "PatchCells", "gather", "wet_cells"]

MOST_PATCHES: Final = 4_000
"""Patches whose cells are kept in memory: 0.57 MB each with the mosaic."""
INDEX: Final = 0.8
"""Weight of the water by the spectrum. In left-out countries the labels tell no difference between
0.5 and 0.8; with 0.8 dark lakes keep the most of their area."""
_BATCH: Final = 8


@dataclass(frozen=True, kw_only=True)
class PatchCells:
    """Cells of patches.

    Attributes:
        moments: float16 ``(patch, channel, y, x)``, as
            :meth:`landcover.nets.cell_net.CellNet.cells` returns them.
        first: the channel of the first of the teacher's covers as the net predicts them, in the
            order of :data:`landcover.train.dynamic_world.COVERS`; None if it does not.
        water: share of each cell that is water by its spectrum alone, float32 ``(patch, y, x)``.
        labels: 0 or 1, float32 ``(patch, class)``.
        ids, countries: of the patches.
        index: weight of the water by the spectrum, 0 to 1; that of the teacher's is the rest.
    """

    moments: Tensor
    first: int | None
    water: Tensor
    labels: Tensor
    ids: tuple[str, ...]
    countries: tuple[str, ...]
    index: float = INDEX

    def __len__(self) -> int:
        return len(self.ids)

    def covers(self, rows: Tensor) -> Tensor | None:
        """The teacher's covers of some patches, float32 ``(patch, cover, y, x)``.

        The teacher misses dark lakes, so that the spectrum weighs in for water. Its other covers
        are as they were, and do not add up to 1 with it.
        """
        if self.first is None:
            return None
        found = self.moments[rows, self.first : self.first + len(COVERS)].float()
        water = found[:, COVERS.index("water")]
        water.lerp_(self.water[rows], self.index)
        return found


def gather(net: nn.Module, patches: NativeStore, report: Report | None = None) -> PatchCells:
    """Compute the cells of patches.

    Args:
        net: as for :func:`landcover.nets.cover_head.area_net`.
        patches: at most :data:`MOST_PATCHES`.
        report: called after each batch.

    Raises:
        BadInput: there are too many patches.
        ModelMismatch: the net has no cells.
    """
    if len(patches) > MOST_PATCHES:
        raise BadInput(
            f"A cover head is fitted to at most {MOST_PATCHES:,} patches, and these are "
            f"{len(patches):,}: give a folder with fewer."
        )
    own, say = area_net(net), report or ignore
    device = next(own.parameters()).device
    found, wet = [], []
    with torch.inference_mode():
        first = _place_of_covers(own)
        for start in range(0, len(patches), _BATCH):
            rows = range(start, min(start + _BATCH, len(patches)))
            pixels = patches.pixels(rows)
            green, infrared, shortwave = (
                pixels[:, BAND_NAMES.index(name)].numpy() for name in ("B03", "B08", "B11")
            )
            wet.append(wet_cells(is_water(green, infrared, shortwave)))
            found.append(own.cells(own.bands(pixels.to(device))).half().cpu())
            say(Progress(what="Cells", done=rows.stop, total=len(patches), unit="patches"))
    moments = torch.cat(found)
    return PatchCells(
        moments=moments.clone(),
        first=first,
        water=torch.cat(wet).clone(),
        labels=patches.targets,
        ids=tuple(patches.ids),
        countries=patches.countries,
    )


def wet_cells(water: BoolArray) -> Tensor:
    """Share of each cell that is water, float32 ``(n, y/8, x/8)``, from pixels ``(n, y, x)``."""
    return F.avg_pool2d(torch.from_numpy(water).float(), CELL_PIXELS)


def _place_of_covers(net: CellNet) -> int | None:
    """The first channel with the teacher's covers: of the only map that has as many."""
    side = PATCH_PIXELS // CELL_PIXELS * CELL_PIXELS
    device = next(net.parameters()).device
    maps = net.maps(torch.zeros(1, len(BAND_NAMES), side, side, device=device))
    sizes = [each.shape[1] for each in maps]
    if sizes.count(len(COVERS)) != 1:
        return None
    return sum(sizes[: sizes.index(len(COVERS))])
