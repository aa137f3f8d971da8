"""Layers of the files of a map: their grids, bands, units and values for no data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from landcover.areas.plan import Plan
from landcover.core.window import Window

__all__ = [
    "COVER",
    "COVER_EXTRA",
    "DECISION",
    "FLAGS",
    "NODATA",
    "NO_DECISION",
    "PRESENCE",
    "PRESENCE_EXTRA",
    "UNIT",
    "Kind",
    "Layer",
    "LayerBand",
    "layers_of",
]

Kind = Literal["class", "share", "number", "flag"]
"""What a band holds: the probability of a class, another share, numbers of classes, or flags."""

PRESENCE: Final = "presence"
COVER: Final = "cover"
DECISION: Final = "decision"
UNIT: Final = 0.004
"""Value of one step of a byte: probabilities and shares are 0 to 250."""
NODATA: Final = 255
NO_DECISION: Final = 0
"""Value of the decision layer where nothing is decided."""
FLAGS: Final = ("clear", "cloud or haze", "shade", "snow", "unlike anything learnt")
"""Meaning of the values of a mask, from 0."""
PRESENCE_EXTRA: Final = ("decision", "uncertainty", "mask", "validity")
"""Bands of the presence after those of the classes."""
COVER_EXTRA: Final = ("uncertainty", "mask", "validity")
"""Bands of the cover after those of the classes."""
_KINDS: Final[dict[str, Kind]] = {
    "decision": "number",
    "uncertainty": "share",
    "mask": "flag",
    "validity": "share",
}
_ABOUT: Final = {
    "decision": "number of the most probable class that is predicted, 0 if none is",
    "uncertainty": "probability that the decision is wrong, in the presence for any class",
    "mask": "what hides the ground: " + ", ".join(f"{n} {flag}" for n, flag in enumerate(FLAGS)),
    "validity": "share of the pixels that have data",
}


@dataclass(frozen=True, kw_only=True)
class LayerBand:
    """One band of a layer.

    Attributes:
        name: of a class, or of :data:`PRESENCE_EXTRA` or :data:`COVER_EXTRA`.
        kind: what it holds.
        about: what its values mean, as part of a sentence.
    """

    name: str
    kind: Kind
    about: str

    @property
    def is_share(self) -> bool:
        """Whether it holds steps of :data:`UNIT`, not numbers of classes or flags."""
        return self.kind in ("class", "share")


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One raster file of a map.

    Attributes:
        name: :data:`PRESENCE`, :data:`COVER` or :data:`DECISION`.
        title: what it shows, as a sentence.
        grid: its pixels on the ground.
        bands: in the order of the file.
        classes: names of the classes, in the order of their numbers from 1.
        nodata: value without data.
        nothing: name of the number 0.
    """

    name: str
    title: str
    grid: Window
    bands: tuple[LayerBand, ...]
    classes: tuple[str, ...]
    nodata: int = NODATA
    nothing: str = "no decision"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, rows and columns."""
        return len(self.bands), self.grid.height, self.grid.width


def layers_of(plan: Plan, classes: Sequence[str], covers: Sequence[str]) -> tuple[Layer, ...]:
    """The layers of a map: the presence, and with a cover head the cover and its decision.

    Args:
        plan: the grids.
        classes: of the presence.
        covers: classes of the cover; empty without a cover head.
    """
    presence = Layer(
        name=PRESENCE,
        title="Presence: the probability that a class occurs in the window of 1200 m around a "
        "pixel. It is not the share of the ground that the class covers.",
        grid=plan.presence,
        bands=(
            *_class_bands(classes, "probability that it occurs within the window of 1200 m"),
            *map(_extra, PRESENCE_EXTRA),
        ),
        classes=tuple(classes),
    )
    if not covers:
        return (presence,)
    cover = Layer(
        name=COVER,
        title="Cover: the probability that a cell of 80 m is of a class; exactly one is true.",
        grid=plan.cover,
        bands=(
            *_class_bands(covers, "probability that the cell of 80 m is of this class"),
            *map(_extra, COVER_EXTRA),
        ),
        classes=tuple(covers),
    )
    decision = Layer(
        name=DECISION,
        title="Decision: the most probable cover of each cell of 80 m.",
        grid=plan.cover,
        bands=(
            LayerBand(
                name=DECISION,
                kind="number",
                about="number of the most probable cover, 0 where nothing is decided",
            ),
        ),
        classes=tuple(covers),
        nodata=NO_DECISION,
    )
    return presence, cover, decision


def _class_bands(names: Sequence[str], about: str) -> tuple[LayerBand, ...]:
    return tuple(LayerBand(name=name, kind="class", about=about) for name in names)


def _extra(name: str) -> LayerBand:
    return LayerBand(name=name, kind=_KINDS[name], about=_ABOUT[name])
