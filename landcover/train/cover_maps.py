"""Compare a map of covers with independent land-cover maps of the same places.

The maps are Esri's (see :mod:`landcover.explain.faithfulness.pointing`), whose classes are not
quite CORINE's: "crops" are compared with cropland and mixed farmland together, "rangeland" with
shrub and grassland. A cell's class is the most frequent one of its 64 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from landcover.core.covers import COVER_NAMES
from landcover.explain.faithfulness.pointing import MAPPED_CLASSES, Scene
from landcover.models.model import Model
from landcover.nets.cover_head import CoverHead, area_cells
from landcover.nets.windows import CELL_PIXELS
from landcover.train.cover_cells import wet_cells
from landcover.trust import surfaces

__all__ = ["ALIKE", "Agreement", "compare"]

ALIKE: Final[dict[str, tuple[str, ...]]] = {
    "water": ("Water",),
    "trees": ("Forest",),
    "crops": ("Cropland", "Mixed farmland"),
    "built area": ("Built-up",),
    "rangeland": ("Shrub and grassland",),
}
"""Class of a land-cover map → the covers that it is compared with."""
_ALIGN: Final = 24


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far a map of covers agrees with a land-cover map.

    Attributes:
        place: name of the place.
        land_cover: class of the land-cover map.
        covers: what it is compared with.
        mapped, true: cells in either map.
        both: cells in both.
    """

    place: str
    land_cover: str
    covers: tuple[str, ...]
    mapped: int
    true: int
    both: int

    @property
    def iou(self) -> float:
        """Intersection over union; 1 if neither map has any."""
        either = self.mapped + self.true - self.both
        return self.both / either if either else 1.0


def compare(model: Model, head: CoverHead, scenes: Sequence[Scene]) -> tuple[Agreement, ...]:
    """Map each place and count the cells that agree."""
    codes = {name: code for code, (name, _) in MAPPED_CLASSES.items()}
    found = []
    for scene in scenes:
        height, width = (side // _ALIGN * _ALIGN for side in scene.land_cover.shape)
        order = [scene.patch.bands.index(band) for band in model.card.bands]
        pixels = torch.from_numpy(scene.patch.data[order, :height, :width])[None]
        with torch.inference_mode():
            cells = area_cells(model.net, pixels.to(model.device))
            wet = wet_cells(surfaces.water(scene.patch)[None, :height, :width])
            mapped = head(cells, wet.to(model.device))[0].argmax(dim=0).cpu().numpy()
        rows, columns = mapped.shape
        blocks = scene.land_cover[:height, :width].reshape(rows, CELL_PIXELS, columns, CELL_PIXELS)
        counts = np.stack([(blocks == code).sum(axis=(1, 3)) for code in range(256)])
        truth = counts.argmax(axis=0)
        for name, covers in ALIKE.items():
            ours = np.isin(mapped, [COVER_NAMES.index(cover) for cover in covers])
            theirs = truth == codes[name]
            found.append(
                Agreement(
                    place=scene.name,
                    land_cover=name,
                    covers=covers,
                    mapped=int(ours.sum()),
                    true=int(theirs.sum()),
                    both=int((ours & theirs).sum()),
                )
            )
    return tuple(found)
