"""What if: the same patch with something changed, and how the answer moves.

Each change is a small value that says what it does to a patch, so that a page or a script
can put several together, show them in words and take them back. What comes out is a patch
like any other; its provenance says that it was changed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from landcover.core.bands import BAND_NAMES, PIXEL_M
from landcover.core.errors import BadInput
from landcover.core.raster import FloatArray, Raster
from landcover.datasets.patch_names import season
from landcover.models.card import Card
from landcover.models.model import Model, Prediction
from landcover.models.thresholds import DEFAULT_AIM
from landcover.trust.bench.synthetic import CLOUD, painted
from landcover.trust.shift_stability import Moved, Stability, moved, stability, whole_pixels

__all__ = [
    "BandsOff",
    "Brightness",
    "Change",
    "Cloud",
    "Moved",
    "Season",
    "Shift",
    "Stability",
    "WhatIf",
    "changed",
    "moved",
    "season_of",
    "stability",
    "what_if",
]

SEASONS: Final[dict[str, tuple[float, ...]]] = {
    "winter": (1.28, 1.16, 0.96, 1.22, 0.87, 0.78, 0.76, 0.80, 0.77, 0.77, 0.79, 0.84),
    "spring": (1.07, 0.85, 0.77, 0.84, 0.77, 0.79, 0.78, 0.82, 0.80, 0.81, 0.85, 0.86),
    "summer": (1.0,) * 12,
    "autumn": (0.62, 0.60, 0.69, 0.69, 0.72, 0.85, 0.86, 0.88, 0.87, 0.88, 0.83, 0.77),
}
"""Season → brightness of each band in parts of summer's, on the very same ground.

Median over the pixels of the Boadella scenes (Catalonia: forest, fields, a reservoir) of
2020-01-28, 2022-03-08 and 2020-09-14, against the median of three clear summer dates. One
place, one date a season: haze and the sun's height are in it as much as leaves.
"""
_EDGE: Final = 0.35
"""Part of a cloud's radius over which its edge fades."""
_GAINS: Final = (0.1, 10.0)


@dataclass(frozen=True, kw_only=True)
class BandsOff:
    """Bands replaced by the mean of the training data, so that they tell nothing.

    Attributes:
        bands: names of bands.

    Raises:
        BadInput: there is no such band.
    """

    bands: tuple[str, ...]

    def __post_init__(self) -> None:
        if unknown := [band for band in self.bands if band not in BAND_NAMES]:
            raise BadInput(
                f"There is no band '{unknown[0][:20]}' to switch off: the bands are "
                f"{', '.join(BAND_NAMES)}."
            )

    def apply(self, patch: Raster, card: Card) -> Raster:
        """The patch without them; bands that the model does not read stay as they are."""
        pixels = np.array(patch.data)
        for band, mean in zip(card.bands, card.mean, strict=True):
            if band in self.bands and band in patch.bands:
                pixels[patch.bands.index(band)] = mean
        return replace(patch, data=pixels)

    @property
    def description(self) -> str:
        """In words."""
        return f"{', '.join(self.bands) or 'no band'} at the mean of the training data"


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """An elliptic cloud with a soft edge and the spectrum of a real one.

    The spectrum is :data:`landcover.trust.bench.synthetic.CLOUD`.

    Attributes:
        opacity: 0 (not there) to 1 (nothing shines through in its middle).
        size: width from west to east, in parts of the patch's side, above 0.
        flatness: height in parts of its width, above 0.
        across, down: of its middle, in parts of the patch's sides, from the upper left.

    Raises:
        BadInput: a value lies outside its range.
    """

    opacity: float = 1.0
    size: float = 0.5
    flatness: float = 0.7
    across: float = 0.5
    down: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 <= self.opacity <= 1.0:
            raise BadInput(f"A cloud's opacity lies between 0 and 1, not {self.opacity:g}.")
        if not (0.0 < self.size <= 4.0 and 0.0 < self.flatness <= 4.0):
            raise BadInput("A cloud's size and flatness lie above 0 and up to 4: choose others.")
        if not (math.isfinite(self.across) and math.isfinite(self.down)):
            raise BadInput("A cloud's middle lies in parts of the patch's sides: give numbers.")

    def opacity_map(self, height: int, width: int) -> FloatArray:
        """Its opacity on a grid of pixels, float32 ``(y, x)``."""
        y = ((np.arange(height) + 0.5) / height - self.down) / (self.size * self.flatness / 2)
        x = ((np.arange(width) + 0.5) / width - self.across) / (self.size / 2)
        inside = np.clip((1.0 - np.hypot(y[:, None], x[None])) / _EDGE, 0.0, 1.0)
        # A smooth step: no ring where the edge begins, which a net could see.
        cover: FloatArray = (self.opacity * inside**2 * (3 - 2 * inside)).astype(np.float32)
        return cover

    def apply(self, patch: Raster, card: Card) -> Raster:
        """The patch under it; pixels without data stay without."""
        del card
        cover = self.opacity_map(patch.height, patch.width) * patch.valid
        spectrum = [CLOUD[BAND_NAMES.index(band)] for band in patch.bands]
        return painted(patch, spectrum, cover)

    @property
    def description(self) -> str:
        """In words."""
        return f"a painted cloud {self.size:.0%} as wide as the patch, {self.opacity:.0%} opaque"


@dataclass(frozen=True, kw_only=True)
class Season:
    """The brightness of another season; the picture stays what it is.

    Attributes:
        to: a key of :data:`SEASONS`.
        strength: 0 (nothing) to 1 (all of the measured factors).

    Raises:
        BadInput: there is no such season, or the strength lies outside its range.
    """

    to: str
    strength: float = 1.0

    def __post_init__(self) -> None:
        if self.to not in SEASONS:
            raise BadInput(f"'{self.to[:20]}' is no season: choose from {', '.join(SEASONS)}.")
        if not 0.0 <= self.strength <= 1.0:
            raise BadInput(f"A season's strength lies between 0 and 1, not {self.strength:g}.")

    def apply(self, patch: Raster, card: Card) -> Raster:
        """The patch with each band as much brighter or darker as the seasons differ.

        A patch without a date counts as one of summer.
        """
        del card
        now = np.array(SEASONS[season_of(patch) or "summer"])
        factor = (np.array(SEASONS[self.to]) / now) ** self.strength
        own = factor[[BAND_NAMES.index(band) for band in patch.bands]].astype(np.float32)
        return replace(patch, data=patch.data * own[:, None, None])

    @property
    def description(self) -> str:
        """In words."""
        part = "" if self.strength == 1 else f", {self.strength:.0%} of the way"
        return f"as bright as in {self.to}{part}"


@dataclass(frozen=True, kw_only=True)
class Brightness:
    """All bands brighter or darker by one factor, as on a slope or under thin haze.

    Attributes:
        gain: 1 changes nothing; 0.1 to 10.

    Raises:
        BadInput: it lies outside its range.
    """

    gain: float

    def __post_init__(self) -> None:
        if not _GAINS[0] <= self.gain <= _GAINS[1]:
            raise BadInput(f"A gain lies between 0.1 and 10, not {self.gain:g}.")

    def apply(self, patch: Raster, card: Card) -> Raster:
        """The patch times the gain."""
        del card
        return replace(patch, data=patch.data * np.float32(self.gain))

    @property
    def description(self) -> str:
        """In words."""
        return f"{self.gain:.2g} times as bright"


@dataclass(frozen=True, kw_only=True)
class Shift:
    """The window moved, in steps of whole pixels of 10 m.

    A step that is no multiple of 60 m cuts through the pixels of the coarser bands, as
    windows of other programs do.

    Attributes:
        east_m, north_m: metres, below 0 for west and south.

    Raises:
        BadInput: a way is no number, or infinite.
    """

    east_m: float = 0.0
    north_m: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.east_m) and math.isfinite(self.north_m)):
            raise BadInput("A window moves by metres east and north: give two finite numbers.")

    @property
    def pixels(self) -> tuple[int, int]:
        """Rows down and columns to the right."""
        return -whole_pixels(self.north_m), whole_pixels(self.east_m)

    @property
    def description(self) -> str:
        """In words: how far it moves, which for 14 m is one pixel."""
        down, right = self.pixels
        ways = [
            f"{abs(steps) * PIXEL_M:.0f} m {towards[steps < 0]}"
            for steps, towards in ((-down, ("north", "south")), (right, ("east", "west")))
            if steps
        ]
        return f"the window moved {' and '.join(ways) or 'nowhere'}"


Change = BandsOff | Cloud | Season | Brightness | Shift


@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """An answer beside the one to the changed patch.

    Attributes:
        before, after: what the model says.
        patch: the changed one.
        said: one phrase a change.
        mirrored: share of pixels that were mirrored because the window moved, 0 to 1.
    """

    before: Prediction
    after: Prediction
    patch: Raster
    descriptions: tuple[str, ...]
    mirrored: float

    @property
    def difference(self) -> dict[str, float]:
        """Class → by how much its probability rose."""
        pairs = zip(self.before.labels, self.after.labels, strict=True)
        return {one.label: other.probability - one.probability for one, other in pairs}

    @property
    def flipped(self) -> tuple[str, ...]:
        """The classes that are called only before or only after."""
        pairs = zip(self.before.labels, self.after.labels, strict=True)
        return tuple(one.label for one, other in pairs if one.predicted != other.predicted)


def what_if(
    model: Model,
    patch: Raster,
    changes: Sequence[Change],
    *,
    scene: Raster | None = None,
    aim: str = DEFAULT_AIM,
) -> WhatIf:
    """What a model says of a patch, and of the patch with changes.

    Args:
        model: whom to ask.
        patch: what it looks at.
        changes: in their order; the window moves first, wherever that stands.
        scene: the larger area that the patch was cut from, where it is at hand.
        aim: what the thresholds serve, as :func:`landcover.models.thresholds.parse_aim` reads it.

    Raises:
        ModelMismatch: the patch is not what the model was made for.
        BadInput: the scene does not hold the patch, or the window moves by its side or more.
    """
    moved = changed(patch, changes, model.card, scene=scene)
    before, after = model.predict_many([patch, moved.patch], aim)
    return WhatIf(
        before=before,
        after=after,
        patch=moved.patch,
        descriptions=tuple(change.description for change in changes),
        mirrored=moved.mirrored,
    )


def changed(
    patch: Raster, changes: Sequence[Change], card: Card, *, scene: Raster | None = None
) -> Moved:
    """A patch with changes, which its provenance names.

    Args:
        patch: what to change.
        changes: in their order; the window moves first, wherever that stands.
        card: of the model that will look.
        scene: the larger area that the patch was cut from, where it is at hand.

    Raises:
        BadInput: the scene does not hold the patch, or the window moves by its side or more.
    """
    steps = [change.pixels for change in changes if isinstance(change, Shift)]
    down, right = (sum(step[axis] for step in steps) for axis in (0, 1))
    found = moved(patch, down, right, scene=scene)
    out = found.patch
    for change in changes:
        if not isinstance(change, Shift):
            out = change.apply(out, card)
    notes = tuple(f"what if: {change.description}" for change in changes)
    provenance = replace(patch.provenance, notes=(*patch.provenance.notes, *notes))
    return Moved(patch=replace(out, provenance=provenance), mirrored=found.mirrored)


def season_of(patch: Raster) -> str:
    """The season of a patch where it lies, a key of :data:`SEASONS`; empty without a date."""
    if patch.acquired is None:
        return ""
    return season(patch.acquired.month + (6 if patch.centre[0] < 0 else 0))
