"""Pointing: whether the positive attribution lies on the land cover of the class.

There are two tests on real pixels:

- **Land-cover maps.** Windows of places with an independent land-cover map at 10 m. If a land
  cover takes between a tenth and seven tenths of a window, is the share of the attribution
  inside it larger than its share of the area? The test uses the energy of Wang et al. 2020
  ("Score-CAM", CVPR workshops) and the strongest fifth of the pixels.
- **Halves.** One half of a patch for which a class is predicted, joined with one half of another
  patch for which it is not (after the grid of Böhle et al. 2021, "Convolutional Dynamic
  Alignment Networks", CVPR): chance is one half by construction.

A map with attribution on other land may still be faithful to the net, since nets also use the
surroundings. These metrics are therefore shown but do not affect the verdict.

The codes are those of the land-cover maps of TerraMesh (Blumenstiel et al. 2025), which
renumbers Esri's ten classes (Karra et al. 2021) without gaps. The files do not define their
codes; the spectra confirm these ones. For pixels with code 1, the median
NDVI is -0.22 and the NDWI 0.30 (water); with code 2, the NDVI is 0.86 and red 0.02 (trees); code 6
is bright in all bands, 0.23 in blue to 0.46 in SWIR (sand). In Esri's own numbering, codes 4 and 9
would be flooded vegetation and snow, and an entire place in Tanzania would be one or the other.
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
"""Code of a land-cover map → its name and the corresponding classes.

Pastures are left out, since Esri counts them as crops or rangeland.
"""
MIN_SHARE: Final = 0.1
MAX_SHARE: Final = 0.7
"""Limits of a land cover's share of the window: a smaller area is lost in coarse maps, and any
map finds a larger one."""
BEST_SHARE: Final = 0.4
"""Middle of both limits; of several windows, the one with the nearest share is taken."""
STRONGEST: Final = 0.2
"""Share of the pixels that count as marked by a map."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A place with its land-cover map on the same grid.

    Attributes:
        name: name of the file.
        patch: raster of any size.
        land_cover: codes of :data:`MAPPED_CLASSES`, uint8 ``(y, x)``.
    """

    name: str
    patch: Raster
    land_cover: ByteArray


@dataclass(frozen=True, kw_only=True)
class Target:
    """An area that a map should mark.

    Attributes:
        place: name of the place; targets of one place are similar.
        land_cover: name of the land cover.
        patch: the window, input of the model.
        mask: the area of the land cover, bool ``(y, x)``.
        labels: the corresponding classes; the most probable one is explained.
    """

    place: str
    land_cover: str
    patch: Raster
    mask: BoolArray
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Pointed:
    """How much of a map's positive attribution lies inside a mask.

    Attributes:
        share: the mask's share of the area, which is the expected value by chance.
        energy: share of the positive attribution inside the mask; equal to ``share`` if there
            is no positive attribution.
        strongest: share of the strongest fifth of the pixels inside the mask.
    """

    share: float
    energy: float
    strongest: float


def read_scenes(folder: Path) -> tuple[Scene, ...]:
    """Read the places of a folder with ``S2L2A`` stacks and ``LULC`` maps of the same names.

    Raises:
        BadInput: there is none, or a map has another grid than its stack.
    """
    found = []
    for path in sorted((folder / "LULC").glob("*.tif")):
        patch = sources.read(str(folder / "S2L2A" / path.name))
        with named(path.name), open_raster(path) as file:
            codes = file.read([1])[0]
        if codes.shape != (patch.height, patch.width):
            raise BadInput(
                f"The map {path.name} has {codes.shape[1]} × {codes.shape[0]} pixels and its "
                f"stack {patch.width} × {patch.height}: give maps on the grid of the stacks."
            )
        found.append(Scene(name=path.stem, patch=patch, land_cover=codes))
    if not found:
        raise BadInput(
            f"'{folder}' has no land-cover maps: give a folder with LULC/NAME.tif and "
            "S2L2A/NAME.tif."
        )
    return tuple(found)


def targets(scenes: Sequence[Scene]) -> tuple[Target, ...]:
    """Choose a window for each land cover of each place: the corner with the best share.

    More windows of one place with the same land cover would be nearly the same test.
    """
    best: dict[tuple[str, str], tuple[float, Target]] = {}
    for scene in scenes:
        rows = sorted({0, scene.patch.height - PATCH_PIXELS})
        columns = sorted({0, scene.patch.width - PATCH_PIXELS})
        for row, column in ((r, c) for r in rows for c in columns):
            part = scene.land_cover[row : row + PATCH_PIXELS, column : column + PATCH_PIXELS]
            for code, (land_cover, labels) in MAPPED_CLASSES.items():
                mask = part == code
                share = float(mask.mean())
                difference = abs(share - BEST_SHARE)
                key = scene.name, land_cover
                if MIN_SHARE <= share <= MAX_SHARE and difference < best.get(key, (1.0,))[0]:
                    best[key] = (
                        difference,
                        Target(
                            place=scene.name,
                            land_cover=land_cover,
                            patch=scene.patch.window(row, column, PATCH_PIXELS),
                            mask=mask,
                            labels=labels,
                        ),
                    )
    return tuple(target for _, target in best.values())


def halves(with_class: Tensor, without: Tensor, side: int) -> tuple[Tensor, BoolArray]:
    """Join one half of a patch with one half of another.

    Args:
        with_class: pixels ``(1, band, y, x)`` of a patch for which the class is predicted.
        without: of a patch for which it is not, in the same shape.
        side: 0 to 3: the first half is on the left, on the right, at the top or at the bottom.

    Returns:
        pixels in the same shape, and the area of the first half, bool ``(y, x)``.
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
    """Measure a map's positive attribution inside a mask; both arrays are ``(y, x)``."""
    share = float(mask.mean())
    positive = np.clip(attribution.astype(np.float64), 0.0, None)
    total = float(positive.sum())
    # Coarse maps have many equal values: those at the limit of the fifth count partly.
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
