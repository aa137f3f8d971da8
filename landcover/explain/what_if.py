"""What-if analysis: change a patch and compare the predictions before and after.

Each change is a small immutable object with a description in words; a page or a script can
combine several and remove them again. The result is an ordinary patch, and its provenance lists
the changes.
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
from landcover.trust.bench.synthetic import CLOUD, paint
from landcover.trust.shift_stability import (
    MovedWindow,
    Stability,
    move_window,
    stability,
    whole_pixels,
)

__all__ = [
    "BandsOff",
    "Brightness",
    "Change",
    "Cloud",
    "MovedWindow",
    "Season",
    "Shift",
    "Stability",
    "WhatIf",
    "changed",
    "move_window",
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
"""Season → brightness of each band relative to summer, for the same ground.

Median over the pixels of the Boadella scenes (Catalonia: forest, fields, a reservoir) of
2020-01-28, 2022-03-08 and 2020-09-14, relative to the median of three clear summer dates. With
one place and one date per season, the factors also contain haze and the elevation of the sun.
"""
_EDGE: Final = 0.35
"""Share of a cloud's radius over which its edge fades."""
_GAINS: Final = (0.1, 10.0)


@dataclass(frozen=True, kw_only=True)
class BandsOff:
    """Bands replaced by the mean of the training data, which removes their information.

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
        """Replace the bands; those that the model does not use stay unchanged."""
        pixels = np.array(patch.data)
        for band, mean in zip(card.bands, card.mean, strict=True):
            if band in self.bands and band in patch.bands:
                pixels[patch.bands.index(band)] = mean
        return replace(patch, data=pixels)

    @property
    def description(self) -> str:
        """The change in words."""
        return f"{', '.join(self.bands) or 'no band'} at the mean of the training data"


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """An elliptical cloud with a soft edge and the spectrum of a real cloud.

    The spectrum is :data:`landcover.trust.bench.synthetic.CLOUD`.

    Attributes:
        opacity: 0 (invisible) to 1 (opaque at the centre).
        size: width from west to east relative to the patch's side, above 0 and up to 4.
        flatness: height relative to the width, above 0 and up to 4.
        across, down: position of the centre relative to the patch's sides, from the upper left.

    Raises:
        BadInput: a value is outside its range.
    """

    opacity: float = 1.0
    size: float = 0.5
    flatness: float = 0.7
    across: float = 0.5
    down: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 <= self.opacity <= 1.0:
            raise BadInput(f"A cloud's opacity must be between 0 and 1, not {self.opacity:g}.")
        if not (0.0 < self.size <= 4.0 and 0.0 < self.flatness <= 4.0):
            raise BadInput("A cloud's size and flatness must be above 0 and at most 4.")
        if not (math.isfinite(self.across) and math.isfinite(self.down)):
            raise BadInput("The position of a cloud's centre must be two finite numbers.")

    def opacity_map(self, height: int, width: int) -> FloatArray:
        """Compute the opacity on a grid of pixels, float32 ``(y, x)``, 0 to 1."""
        y = ((np.arange(height) + 0.5) / height - self.down) / (self.size * self.flatness / 2)
        x = ((np.arange(width) + 0.5) / width - self.across) / (self.size / 2)
        inside = np.clip((1.0 - np.hypot(y[:, None], x[None])) / _EDGE, 0.0, 1.0)
        # A smooth step, to avoid a visible ring where the edge begins.
        opacity: FloatArray = (self.opacity * inside**2 * (3 - 2 * inside)).astype(np.float32)
        return opacity

    def apply(self, patch: Raster, card: Card) -> Raster:
        """Draw the cloud over the patch; pixels without data stay without."""
        del card
        opacity = self.opacity_map(patch.height, patch.width) * patch.valid
        spectrum = [CLOUD[BAND_NAMES.index(band)] for band in patch.bands]
        return paint(patch, spectrum, opacity)

    @property
    def description(self) -> str:
        """The change in words."""
        return f"a painted cloud {self.size:.0%} as wide as the patch, {self.opacity:.0%} opaque"


@dataclass(frozen=True, kw_only=True)
class Season:
    """The brightness of another season; the content of the patch stays the same.

    Attributes:
        to: a key of :data:`SEASONS`.
        strength: 0 (no change) to 1 (the measured factors).

    Raises:
        BadInput: there is no such season, or the strength is outside its range.
    """

    to: str
    strength: float = 1.0

    def __post_init__(self) -> None:
        if self.to not in SEASONS:
            raise BadInput(f"Unknown season '{self.to[:20]}': choose from {', '.join(SEASONS)}.")
        if not 0.0 <= self.strength <= 1.0:
            raise BadInput(f"A season's strength must be between 0 and 1, not {self.strength:g}.")

    def apply(self, patch: Raster, card: Card) -> Raster:
        """Make each band brighter or darker by the difference between the seasons.

        A patch without a date is treated as a summer patch.
        """
        del card
        now = np.array(SEASONS[season_of(patch) or "summer"])
        factor = (np.array(SEASONS[self.to]) / now) ** self.strength
        own = factor[[BAND_NAMES.index(band) for band in patch.bands]].astype(np.float32)
        return replace(patch, data=patch.data * own[:, None, None])

    @property
    def description(self) -> str:
        """The change in words."""
        part = "" if self.strength == 1 else f", at a strength of {self.strength:.0%}"
        return f"as bright as in {self.to}{part}"


@dataclass(frozen=True, kw_only=True)
class Brightness:
    """All bands brighter or darker by one factor, as on a slope or under thin haze.

    Attributes:
        gain: 0.1 to 10; 1 changes nothing.

    Raises:
        BadInput: the gain is outside its range.
    """

    gain: float

    def __post_init__(self) -> None:
        if not _GAINS[0] <= self.gain <= _GAINS[1]:
            raise BadInput(f"A gain must be between 0.1 and 10, not {self.gain:g}.")

    def apply(self, patch: Raster, card: Card) -> Raster:
        """Multiply the patch by the gain."""
        del card
        return replace(patch, data=patch.data * np.float32(self.gain))

    @property
    def description(self) -> str:
        """The change in words."""
        return f"{self.gain:.2g} times as bright"


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A shift of the window by whole pixels of 10 m.

    Shifts that are not multiples of 60 m cut through the pixels of the coarser bands, as windows
    from other programs do.

    Attributes:
        east_m, north_m: metres, below 0 for west and south.

    Raises:
        BadInput: a distance is not a finite number.
    """

    east_m: float = 0.0
    north_m: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.east_m) and math.isfinite(self.north_m)):
            raise BadInput("A shift needs two finite numbers: metres to the east and the north.")

    @property
    def pixels(self) -> tuple[int, int]:
        """Number of rows down and of columns to the right."""
        return -whole_pixels(self.north_m), whole_pixels(self.east_m)

    @property
    def description(self) -> str:
        """The shift in words, in whole pixels: 14 m are one pixel."""
        down, right = self.pixels
        parts = [
            f"{abs(steps) * PIXEL_M:.0f} m {towards[steps < 0]}"
            for steps, towards in ((-down, ("north", "south")), (right, ("east", "west")))
            if steps
        ]
        return f"the window moved {' and '.join(parts) or '0 m'}"


Change = BandsOff | Cloud | Season | Brightness | Shift


@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """The predictions for a patch and for the changed patch.

    Attributes:
        before, after: the predictions.
        patch: the changed patch.
        descriptions: a phrase for each change.
        mirrored: share of pixels that were mirrored because the window moved, 0 to 1.
    """

    before: Prediction
    after: Prediction
    patch: Raster
    descriptions: tuple[str, ...]
    mirrored: float

    @property
    def difference(self) -> dict[str, float]:
        """Class → change of its probability."""
        pairs = zip(self.before.labels, self.after.labels, strict=True)
        return {one.label: other.probability - one.probability for one, other in pairs}

    @property
    def flipped(self) -> tuple[str, ...]:
        """The classes that are predicted only before or only after the change."""
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
    """Predict a patch before and after changes.

    Args:
        model: the model to use.
        patch: its input.
        changes: applied in this order, but shifts of the window always come first.
        scene: the larger area that the patch was cut from, if available.
        aim: the aim of the thresholds, as read by :func:`landcover.models.thresholds.parse_aim`.

    Raises:
        ModelMismatch: the model was not made for this kind of patch.
        BadInput: the scene does not contain the patch, or the shift is as large as its side.
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
) -> MovedWindow:
    """Change a patch and list the changes in its provenance.

    Args:
        patch: the patch to change.
        changes: applied in this order, but shifts of the window always come first.
        card: of the model that the patch is for.
        scene: the larger area that the patch was cut from, if available.

    Raises:
        BadInput: the scene does not contain the patch, or the shift is as large as its side.
    """
    steps = [change.pixels for change in changes if isinstance(change, Shift)]
    down, right = (sum(step[axis] for step in steps) for axis in (0, 1))
    found = move_window(patch, down, right, scene=scene)
    out = found.patch
    for change in changes:
        if not isinstance(change, Shift):
            out = change.apply(out, card)
    notes = tuple(f"what if: {change.description}" for change in changes)
    provenance = replace(patch.provenance, notes=(*patch.provenance.notes, *notes))
    return MovedWindow(patch=replace(out, provenance=provenance), mirrored=found.mirrored)


def season_of(patch: Raster) -> str:
    """Find the local season of a patch, a key of :data:`SEASONS`; empty without a date.

    Without a place, the northern hemisphere is assumed.
    """
    if patch.acquired is None:
        return ""
    southern = patch.has_place and patch.centre[0] < 0
    return season(patch.acquired.month + (6 if southern else 0))
