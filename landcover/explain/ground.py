"""On which kinds of ground the evidence of an explanation lies, in words.

A map in full colour on a lake does not say that the lake is forest: the net may use a lake as a
sign of the land around it. So the sentence on a map names the kind of ground on which the evidence
is strongest, from the spectra alone, and says where that is not what the land cover looks like.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from landcover.core.classes import cover_of
from landcover.core.raster import Raster
from landcover.explain.explanation import Explanation
from landcover.trust.surfaces import SURFACES, UNKNOWN, surfaces

__all__ = [
    "EVEN",
    "LOOKS_LIKE",
    "SMALLEST_SHARE",
    "WHOLE",
    "Ground",
    "Side",
    "ground_text",
    "strongest_ground",
]

Side = Literal["for", "against"]

SMALLEST_SHARE: Final = 0.03
"""Smallest share of a patch that a kind of ground must cover to be named."""
EVEN: Final = 1.1
"""Ratio to the average evidence per pixel up to which the evidence counts as even."""
WHOLE: Final = 0.95
"""Share of a patch above which it consists of one kind of ground."""

_WATER, _DARK, _BRIGHT, _SPARSE, _BARE, _WHITE = SURFACES

LOOKS_LIKE: Final[dict[str, tuple[str, ...]]] = {
    "Urban fabric": (_BARE, _SPARSE),
    "Industrial or commercial units": (_BARE, _SPARSE),
    "Arable land": (_BARE, _SPARSE, _BRIGHT),
    "Permanent crops": (_BARE, _SPARSE, _BRIGHT),
    "Pastures": (_BRIGHT, _SPARSE),
    "Complex cultivation patterns": (_BARE, _SPARSE, _BRIGHT),
    "Land principally occupied by agriculture, with significant areas of natural vegetation": (
        _BARE,
        _SPARSE,
        _BRIGHT,
        _DARK,
    ),
    "Agro-forestry areas": (_SPARSE, _BRIGHT, _DARK),
    "Broad-leaved forest": (_BRIGHT, _DARK),
    "Coniferous forest": (_DARK, _BRIGHT),
    "Mixed forest": (_DARK, _BRIGHT),
    "Natural grassland and sparsely vegetated areas": (_SPARSE, _BRIGHT, _BARE),
    "Moors, heathland and sclerophyllous vegetation": (_SPARSE, _DARK, _BRIGHT),
    "Transitional woodland, shrub": (_SPARSE, _DARK, _BRIGHT),
    "Beaches, dunes, sands": (_BARE, _WHITE),
    "Inland wetlands": (_SPARSE, _DARK, _BRIGHT, _WATER),
    "Coastal wetlands": (_SPARSE, _BARE, _BRIGHT, _WATER),
    "Inland waters": (_WATER,),
    "Marine waters": (_WATER,),
}
"""Land cover → kinds of ground of which it can consist. The choice is ours: it follows CORINE's
definitions, and leaves open what depends on the season."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The kind of ground on which the evidence per pixel is strongest.

    Attributes:
        surface: one of :data:`~landcover.trust.surfaces.SURFACES`.
        share: its share of the pixels with data, 0 to 1.
        ratio: its evidence per pixel relative to the average of the patch, 1 or more.
        own: whether the land cover can consist of it.
    """

    surface: str
    share: float
    ratio: float
    own: bool


def strongest_ground(explanation: Explanation, patch: Raster, side: Side) -> Ground | None:
    """Find the kind of ground with the strongest evidence per pixel.

    Args:
        explanation: of the patch.
        patch: the patch that was explained.
        side: whether the evidence for or against the class counts.

    Returns:
        None without any evidence on that side, or if the patch is a colour picture or lacks bands.
    """
    found = surfaces(patch)
    if found is None:
        return None
    values = explanation.attribution if side == "for" else -explanation.attribution
    known = found != UNKNOWN
    evidence = np.maximum(values, 0.0).astype(np.float64)[known]
    if not evidence.sum() > 0:
        return None
    numbers = found[known]
    areas = np.bincount(numbers, minlength=len(SURFACES)) / numbers.size
    parts = np.bincount(numbers, weights=evidence, minlength=len(SURFACES)) / evidence.sum()
    large = areas >= SMALLEST_SHARE
    ratios = np.divide(parts, areas, out=np.zeros_like(parts), where=large)
    best = int(ratios.argmax())
    return Ground(
        surface=SURFACES[best],
        share=float(areas[best]),
        ratio=float(ratios[best]),
        own=SURFACES[best] in LOOKS_LIKE.get(explanation.label, SURFACES),
    )


def ground_text(explanation: Explanation, patch: Raster, side: Side) -> str:
    """Say on which kind of ground the evidence is strongest.

    Returns:
        a sentence after a blank; empty if the kind of ground is not known.
    """
    found = strongest_ground(explanation, patch, side)
    if found is None:
        return ""
    name = cover_of(explanation.label).short
    if found.share >= WHOLE:
        text = f" Nearly the entire patch is {found.surface}"
    elif found.ratio < EVEN:
        return " Per pixel it is about the same on all kinds of ground."
    else:
        text = (
            f" Per pixel it is strongest on {found.surface}: {found.ratio:.1f} times the average, "
            f"on {found.share:.0%} of the patch"
        )
    if side == "for" and not found.own:
        text += f"; that is context, because {name} itself does not look like this"
    return f"{text}."
