"""Pointing: whether a map marks the land that it speaks of.

Two tests on real pixels, both of where the *positive* attribution lies:

- **Land-cover maps.** Windows of places whose cover somebody else has mapped at 10 m. Where
  a cover takes between a tenth and seven tenths of a window, is more of a class's
  attribution inside it than its share of the area? The energy of Wang et al. 2020
  ("Score-CAM", CVPR workshops) and the strongest fifth of the pixels are asked.
- **Halves.** One half of a patch on which a class is called, beside one half of another
  patch on which it is not (after the grid of Böhle et al. 2021, "Convolutional Dynamic
  Alignment Networks", CVPR): chance is one half by construction.

A map that marks other land than the class's may still be true of the net: nets do use what
lies around a cover. So these figures are shown and decide nothing.

The codes are those of the land-cover maps of TerraMesh (Blumenstiel et al. 2025), which
renumbers Esri's ten classes (Karra et al. 2021) without gaps. The files themselves state no
codes. That these are theirs is seen in their spectra: of the pixels with code 1 the median
NDVI is -0.22 and the NDWI 0.30 (water); with 2 it is 0.86 and the red 0.02 (trees); 6 is
bright in all bands, 0.23 in blue to 0.46 in SWIR (sand); in Esri's own numbering 4 and 9
would be flooded vegetation and snow, and all of a Tanzanian place would be one or the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from landcover.core.bands import PATCH_PIXELS
from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray, ByteArray, FloatArray, Raster
from landcover.io import sources
from landcover.io.guard import named, open_raster

__all__ = [
    "BEST_SHARE",
    "MAPPED_CLASSES",
    "MAX_SHARE",
    "MIN_SHARE",
    "STRONGEST",
    "Pointed",
    "Scene",
    "Target",
    "halves",
    "point",
    "read_scenes",
    "targets",
]

MAPPED_CLASSES: Final[dict[int, tuple[str, tuple[str, ...]]]] = {
    1: ("water", ("Inland waters", "Marine waters")),
    2: ("trees", ("Broad-leaved forest", "Coniferous forest", "Mixed forest")),
    4: ("crops", ("Arable land", "Permanent crops", "Complex cultivation patterns")),
    5: ("built area", ("Urban fabric", "Industrial or commercial units")),
    6: ("bare ground", ("Beaches, dunes, sands",)),
    9: (
        "rangeland",
        (
            "Natural grassland and sparsely vegetated areas",
            "Moors, heathland and sclerophyllous vegetation",
            "Transitional woodland, shrub",
        ),
    ),
}
"""Code of a land-cover map → what it is and the classes that mean it.

Pastures are left out: Esri counts them to crops or to rangeland.
"""
MIN_SHARE: Final = 0.1
MAX_SHARE: Final = 0.7
"""Of the window: less is lost in a map's coarseness, more cannot be missed."""
BEST_SHARE: Final = 0.4
"""Of several windows, the one nearest to the middle between both is taken."""
STRONGEST: Final = 0.2
"""Share of the pixels that a map is said to mark."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A place with its land-cover map on the same grid.

    Attributes:
        name: of the file.
        patch: of any size.
        cover: codes of :data:`MAPPED_CLASSES`, uint8 ``(y, x)``.
    """

    name: str
    patch: Raster
    land_cover: ByteArray


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a map should mark.

    Attributes:
        place: where it lies; targets of one place are alike.
        cover: what is to be marked.
        patch: the window that a model looks at.
        mask: where the cover is, bool ``(y, x)``.
        labels: the classes that mean it; the most probable one is explained.
    """

    place: str
    land_cover: str
    patch: Raster
    mask: BoolArray
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Pointed:
    """Where one map's positive attribution lies.

    Attributes:
        share: of the area that the mask takes: what a map that knows nothing has.
        energy: share of the positive attribution inside the mask; the share of the area
            where nothing is positive.
        strongest: share of the strongest fifth of the pixels inside the mask.
    """

    share: float
    energy: float
    strongest: float


def read_scenes(folder: Path) -> tuple[Scene, ...]:
    """The places of a folder with ``S2L2A`` stacks and ``LULC`` maps of the same names.

    Raises:
        BadInput: there is none, or a map does not lie on its stack's grid.
    """
    found = []
    for path in sorted((folder / "LULC").glob("*.tif")):
        patch = sources.read(str(folder / "S2L2A" / path.name))
        with named(path.name), open_raster(path) as file:
            cover = file.read([1])[0]
        if cover.shape != (patch.height, patch.width):
            raise BadInput(
                f"The map {path.name} has {cover.shape[1]} × {cover.shape[0]} pixels and its "
                f"picture {patch.width} × {patch.height}: give maps on the grid of the pictures."
            )
        found.append(Scene(name=path.stem, patch=patch, land_cover=cover))
    if not found:
        raise BadInput(
            f"'{folder}' has no land-cover maps: give a folder with LULC/NAME.tif and "
            "S2L2A/NAME.tif."
        )
    return tuple(found)


def targets(scenes: Sequence[Scene]) -> tuple[Target, ...]:
    """One window for each cover of each place: of its corners the one with the nearest share.

    Windows of one place with the same cover would be nearly the same question again.
    """
    best: dict[tuple[str, str], tuple[float, Target]] = {}
    for scene in scenes:
        rows = sorted({0, scene.patch.height - PATCH_PIXELS})
        columns = sorted({0, scene.patch.width - PATCH_PIXELS})
        for row, column in ((r, c) for r in rows for c in columns):
            part = scene.land_cover[row : row + PATCH_PIXELS, column : column + PATCH_PIXELS]
            for code, (cover, labels) in MAPPED_CLASSES.items():
                mask = part == code
                share = float(mask.mean())
                apart = abs(share - BEST_SHARE)
                key = scene.name, cover
                if MIN_SHARE <= share <= MAX_SHARE and apart < best.get(key, (1.0,))[0]:
                    best[key] = (
                        apart,
                        Target(
                            place=scene.name,
                            land_cover=cover,
                            patch=scene.patch.window(row, column, PATCH_PIXELS),
                            mask=mask,
                            labels=labels,
                        ),
                    )
    return tuple(target for _, target in best.values())


def halves(with_class: Tensor, without: Tensor, side: int) -> tuple[Tensor, BoolArray]:
    """One half of a patch beside one half of another, and where the first one is.

    Args:
        with_class: pixels ``(1, band, y, x)`` of a patch on which the class is called.
        without: of one on which it is not, in that shape.
        side: 0 to 3: the first lies to the left, to the right, above or below.

    Returns:
        pixels in that shape, and bool ``(y, x)``.
    """
    height, width = with_class.shape[2:]
    mask = np.zeros((height, width), dtype=bool)
    place = (
        (slice(None), slice(None, width // 2)),
        (slice(None), slice(width // 2, None)),
        (slice(None, height // 2), slice(None)),
        (slice(height // 2, None), slice(None)),
    )[side % 4]
    mask[place] = True
    return torch.where(torch.from_numpy(mask), with_class, without), mask


def point(attribution: FloatArray, mask: BoolArray) -> Pointed:
    """Where a map's positive attribution lies; both arrays are ``(y, x)``."""
    share = float(mask.mean())
    positive = np.clip(attribution.astype(np.float64), 0.0, None)
    total = float(positive.sum())
    # Coarse maps have many equal values: those at the border of the fifth count in part.
    level = float(np.quantile(attribution, 1 - STRONGEST))
    above, at_level = attribution > level, attribution == level
    wanted = STRONGEST * attribution.size
    rest = (wanted - above.sum()) / max(int(at_level.sum()), 1)
    inside = float((above & mask).sum() + rest * (at_level & mask).sum())
    return Pointed(
        share=share,
        energy=float(positive[mask].sum()) / total if total > 0 else share,
        strongest=inside / wanted,
    )
