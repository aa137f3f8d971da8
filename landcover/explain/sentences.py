"""One or two sentences in plain language that summarise an explanation.

The sentence uses only the values of the explanation. If the evidence is weak compared with the
model's usual evidence, or is balanced for and against, the sentence says so and gives no details.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from landcover.core.classes import cover_of
from landcover.core.raster import BoolArray, FloatArray, Raster
from landcover.explain.band_attribution import BandEvidence
from landcover.explain.explanation import Explanation
from landcover.explain.ground import Side, ground_text

__all__ = [
    "FAINT",
    "HALF",
    "MIN_GROUP_EFFECT",
    "MIXED",
    "MOST_OF_HALF",
    "QUARTER",
    "ROUGH_DELTA",
    "Sides",
    "sentence",
    "sides",
]

FAINT: Final = 0.05
"""Mean absolute attribution relative to full colour below which the evidence counts as weak."""
MIXED: Final = 0.6
"""Share of the larger side in all evidence below which the evidence counts as mixed."""
QUARTER: Final = 0.4
HALF: Final = 0.65
"""Smallest shares of a side's evidence in a quarter or half of the picture for it to be named;
evenly spread evidence has 0.25 in each quarter and 0.5 in each half."""
MOST_OF_HALF: Final = 0.7
"""Smallest share of a half's evidence in one quarter for the quarter to be named instead."""
ROUGH_DELTA: Final = 0.25
"""Relative error of the sum above which the sentence calls it rough."""
MIN_GROUP_EFFECT: Final = 0.1
"""Smallest effect of a group of bands that is mentioned, in logits."""

_QUARTERS: Final = {
    "north-west": (0, 0),
    "north-east": (0, 1),
    "south-west": (1, 0),
    "south-east": (1, 1),
}
_HALVES: Final = {"north": (0, None), "south": (1, None), "west": (None, 0), "east": (None, 1)}
_PICTURE_WORDS: Final = {
    "north-west": "upper left",
    "north-east": "upper right",
    "south-west": "lower left",
    "south-east": "lower right",
    "north": "upper half",
    "south": "lower half",
    "west": "left half",
    "east": "right half",
}


@dataclass(frozen=True, kw_only=True)
class Sides:
    """The evidence for and against a class.

    Attributes:
        in_favour, against: sums of the attribution above and below 0, both 0 or more.
        leading: share of the larger side, 0.5 to 1; 0.5 without any evidence.
        strength: mean absolute attribution relative to full colour.
        where: the quarter or half of the picture with most of the larger side's evidence, as a
            compass direction; None if the evidence is spread.
        gathered: share of the larger side's evidence there, 0 to 1.
    """

    in_favour: float
    against: float
    leading: float
    strength: float
    where: str | None
    gathered: float


def sides(explanation: Explanation, valid: BoolArray | None = None) -> Sides:
    """Measure the evidence for and against the class of an explanation.

    Args:
        explanation: of a patch.
        valid: bool ``(y, x)``: the pixels with data; others count for neither side.
    """
    values = explanation.attribution.astype(np.float64)
    if valid is not None:
        values = np.where(valid, values, 0.0)
    positive, negative = np.maximum(values, 0.0), np.maximum(-values, 0.0)
    plus, minus = float(positive.sum()), float(negative.sum())
    where, gathered = _where(positive if plus >= minus else negative)
    return Sides(
        in_favour=plus,
        against=minus,
        leading=max(plus, minus) / (plus + minus) if plus + minus > 0 else 0.5,
        strength=float(np.abs(values).mean()) / explanation.scale,
        where=where,
        gathered=gathered,
    )


def sentence(explanation: Explanation, patch: Raster, bands: BandEvidence | None = None) -> str:
    """Summarise an explanation in a sentence, with a second one on the kind of ground.

    Args:
        explanation: of that patch.
        patch: the patch that was explained.
        bands: band evidence for the same class on the same patch, to name groups of bands.
    """
    name = cover_of(explanation.label).short
    found = sides(explanation, patch.valid)
    if found.strength < FAINT:
        return (
            f"This map has little evidence for or against {name}: its values are "
            f"{found.strength:.0%} of full colour on average."
        )
    rough = ""
    if explanation.convergence_delta is not None and explanation.convergence_delta > ROUGH_DELTA:
        rough = f"; the sum is off by {explanation.convergence_delta:.0%}, so this is inexact"
    tail = f"{_groups(bands)}{rough}."
    if found.leading < MIXED:
        return (
            f"The evidence on {name} is mixed: {_share(found.in_favour, found)} for it and "
            f"{_share(found.against, found)} against it{tail}"
        )
    side: Side = "for" if found.in_favour >= found.against else "against"
    picture = patch.is_rgb
    place = _place(found, picture=picture)
    return (
        f"Most of the evidence is {side} {name} ({found.leading:.0%}){place}{tail}"
        f"{ground_text(explanation, patch, side)}"
    )


def _share(part: float, found: Sides) -> str:
    return f"{part / (found.in_favour + found.against):.0%}"


def _place(found: Sides, *, picture: bool) -> str:
    if found.where is None:
        return ", spread over the entire picture"
    where = _PICTURE_WORDS[found.where] if picture else found.where
    return f", {found.gathered:.0%} of that in the {where}"


def _where(evidence: FloatArray) -> tuple[str | None, float]:
    total = evidence.sum()
    if total <= 0:
        return None, 0.0
    rows, columns = (side // 2 for side in evidence.shape)
    blocks = np.array(
        [
            [evidence[:rows, :columns].sum(), evidence[:rows, columns:].sum()],
            [evidence[rows:, :columns].sum(), evidence[rows:, columns:].sum()],
        ]
    )
    blocks = blocks / total
    quarters = {name: float(blocks[at]) for name, at in _QUARTERS.items()}
    halves = {
        name: float((blocks[row] if row is not None else blocks[:, column]).sum())
        for name, (row, column) in _HALVES.items()
    }
    quarter = max(quarters, key=lambda name: quarters[name])
    half = max(halves, key=lambda name: halves[name])
    if quarters[quarter] >= max(QUARTER, MOST_OF_HALF * halves[half]):
        return quarter, quarters[quarter]
    return (half, halves[half]) if halves[half] >= HALF else (None, 0.0)


def _groups(bands: BandEvidence | None) -> str:
    """Name the groups of bands that raise and lower the score most."""
    if bands is None or not bands.groups:
        return ""
    most = max(bands.groups, key=lambda group: bands.groups[group])
    least = min(bands.groups, key=lambda group: bands.groups[group])
    parts = []
    if bands.groups[most] >= MIN_GROUP_EFFECT:
        parts.append(f"the {most} bands raise its score (+{bands.groups[most]:.1f} logits)")
    if bands.groups[least] <= -MIN_GROUP_EFFECT:
        verb = "lower it" if parts else "lower its score"
        unit = "" if parts else " logits"
        parts.append(f"the {least} bands {verb} (−{-bands.groups[least]:.1f}{unit})")
    return f"; {', '.join(parts)}" if parts else "; no group of bands alone changes its score much"
