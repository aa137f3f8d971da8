"""Drawing of attributions: a diverging colour scale over the greyed picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from landcover.core.raster import ByteArray, FloatArray, Raster

if TYPE_CHECKING:
    from landcover.explain.explanation import Explanation

__all__ = ["AGAINST_RGB", "FOR_RGB", "Legend", "legend", "overlay"]

AGAINST_RGB: Final = (33, 102, 172)
FOR_RGB: Final = (178, 24, 43)
"""The ends of ColorBrewer's RdBu scheme, which colour-blind people can distinguish."""


@dataclass(frozen=True, kw_only=True)
class Legend:
    """What the colours of an explanation mean.

    Attributes:
        bar: uint8 ``(y, x, 3)``, from evidence against (left) to evidence for (right).
        against, neutral, in_favour: texts below its left end, middle and right end.
        note: the unit and the scale, in words.
    """

    bar: ByteArray
    against: str
    neutral: str
    in_favour: str
    note: str


def legend(explanation: Explanation, width: int = 256, height: int = 14) -> Legend:
    """Make the colour bar of an explanation with its texts."""
    values = np.tile(np.linspace(-1.0, 1.0, width, dtype=np.float32), (height, 1))
    white = np.full((height, width, 3), 255.0, dtype=np.float32)
    number = f"{explanation.scale:.2g}"
    return Legend(
        bar=_tint(white, values, 1.0),
        against=f"−{number} and below: against",
        neutral="0: neither",
        in_favour=f"for: +{number} and above",
        note=f"In {explanation.unit}. Full colour: {explanation.scale_rule}.",
    )


def overlay(explanation: Explanation, patch: Raster, opacity: float = 0.8) -> ByteArray:
    """Draw the attribution over the true-colour picture, uint8 RGBA ``(y, x, 4)``.

    Red is evidence for the class, blue against it; the stronger the evidence, the less of the
    picture shows through. The picture becomes greyer as ``opacity`` increases, so that red roofs
    and blue water are not mistaken for attribution. Pixels without data are transparent.

    Args:
        explanation: of this patch.
        patch: the patch that was explained.
        opacity: 0 (only the picture) to 1; values outside are clipped.
    """
    strength = float(np.clip(opacity, 0.0, 1.0))
    picture = patch.image()
    colour = picture[..., :3].astype(np.float32)
    # Rec. 601 luma, brightened so that blue is visible on dark forest.
    grey = 70.0 + 185.0 / 255.0 * (colour @ np.array([0.299, 0.587, 0.114], dtype=np.float32))
    base = colour + strength * (grey[..., None] - colour)
    out = picture.copy()
    values = np.clip(explanation.attribution / explanation.scale, -1.0, 1.0)
    out[..., :3] = _tint(base, values, strength)
    return out


def _tint(base: FloatArray, values: FloatArray, strength: float) -> ByteArray:
    """Blend the full colours into ``base`` ``(y, x, 3)`` by values of -1 to 1."""
    ends = np.array([AGAINST_RGB, FOR_RGB], dtype=np.float32)
    colour = ends[(values > 0).astype(int)]
    weight = (np.abs(values) * strength)[..., None]
    tinted: ByteArray = np.round(base + weight * (colour - base)).clip(0, 255).astype(np.uint8)
    return tinted
