"""The map of an area at one date, and what it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from landcover.areas.block import decoded
from landcover.areas.hectares import CELL_HA
from landcover.areas.layout import COVER_EXTRA, NODATA
from landcover.areas.sky import CLOUD, NO_ANSWER, SHADE, SNOW, UNLIKE
from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray, ByteArray, FloatArray
from landcover.core.window import Window

__all__ = ["HAZY", "REASONS", "DateMap", "Facts", "check_cells"]

REASONS: Final[dict[int, str]] = {
    CLOUD: "cloud or haze",
    SHADE: "shade",
    SNOW: "snow",
    NO_ANSWER: "no data",
}
"""Words for the flags that can hide the ground."""
HAZY: Final = 0.2
"""Share of the land that is hazy from which there is a warning: at Boadella 0.26 of the land of a
date on which the map is wrong, and at most 0.02 of clear dates."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a map comes from, as far as it is known.

    Attributes:
        source: name of the file, scene or catalogue item; never a full path.
        acquired: sensing time in UTC; None if the source does not state it.
        level: product level of the pixels, such as "L2A".
        baseline: ESA's processing baseline, such as "04.00".
        scaling: how digital numbers became reflectance.
        model: name of the model.
        card: hash of the model's card.
    """

    source: str
    acquired: datetime | None
    level: str
    model: str
    card: str
    baseline: str | None = None
    scaling: str = ""

    @property
    def day(self) -> str:
        """The day, such as ``2021-06-26``, or the name of the source if it states none."""
        return f"{self.acquired:%Y-%m-%d}" if self.acquired else self.source


@dataclass(frozen=True, kw_only=True)
class DateMap:
    """The cover and presence of an area at one date.

    Attributes:
        facts: what it comes from.
        grid: cells of 80 m.
        covers: names of the cover classes.
        cover: uint8 ``(cover + 3, row, column)``, as
            :class:`landcover.areas.block.BlockMap` has it.
        classes: names of the classes of the presence; empty without it.
        presence: uint8 ``(class + 4, row, column)``; None if it was not read.
        haze: share of the land that is hazy, 0 to 1; 0 if it is not known.
        index_water: hectares of water in the seen cells by its index; None if it is not known.
        dark: reflectance of the darkest ground in its darkest band; None if it is not known.
    """

    facts: Facts
    grid: Window
    covers: tuple[str, ...]
    cover: ByteArray
    classes: tuple[str, ...] = ()
    presence: ByteArray | None = None
    haze: float = 0.0
    index_water: float | None = None
    dark: float | None = None

    @property
    def chances(self) -> FloatArray:
        """Probability of each cover, float32 ``(cover, row, column)``; NaN where there is none."""
        return decoded(self.cover[: len(self.covers)])

    @property
    def mask(self) -> ByteArray:
        """What hides each cell, :data:`landcover.areas.sky.FLAGS`."""
        mask: ByteArray = self.cover[len(self.covers) + COVER_EXTRA.index("mask")]
        return mask

    @property
    def inside(self) -> BoolArray:
        """Which cells belong to the area."""
        inside: BoolArray = self.cover[len(self.covers) + COVER_EXTRA.index("validity")] != NODATA
        return inside

    @property
    def seen(self) -> BoolArray:
        """Which cells of the area are in clear view."""
        seen: BoolArray = self.inside & ~np.isin(self.mask, tuple(REASONS))
        return seen

    @property
    def hidden(self) -> dict[str, float]:
        """Share of the area's cells that something hides, by reason, largest first."""
        flags = self.mask[self.inside]
        counts = {words: int((flags == flag).sum()) for flag, words in REASONS.items()}
        found = {words: count / flags.size for words, count in counts.items() if count}
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    @property
    def hidden_share(self) -> float:
        """Share of the area's cells that are not in clear view; 1 if it has none."""
        inside = self.inside
        return float(1 - self.seen.sum() / inside.sum()) if inside.any() else 1.0

    @property
    def hidden_text(self) -> str:
        """Such as ``71% of the area is hidden (45% cloud, 22% shade)``; empty if nothing is."""
        parts = ", ".join(f"{share:.0%} {words}" for words, share in self.hidden.items())
        return f"{self.hidden_share:.0%} of the area is hidden ({parts})" if parts else ""

    @property
    def unlike_share(self) -> float:
        """Share of the windows with an answer that are unlike anything learnt, 0 to 1."""
        if self.presence is None:
            return 0.0
        flags = self.presence[len(self.classes) + 2]
        answered = self.presence[0] != NODATA
        return float((flags[answered] == UNLIKE).mean()) if answered.any() else 0.0

    @property
    def mean_presence(self) -> dict[str, float]:
        """Mean probability of each class over the windows with an answer; empty without any."""
        if self.presence is None:
            return {}
        chances = decoded(self.presence[: len(self.classes)]).reshape(len(self.classes), -1)
        answered = np.isfinite(chances).all(axis=0)
        if not answered.any():
            return {}
        means = chances[:, answered].mean(axis=1, dtype=np.float64)
        return {name: float(mean) for name, mean in zip(self.classes, means, strict=True)}


def check_cells(grid: Window) -> None:
    """Check that the cells of two dates fit into memory together.

    Raises:
        BadInput: there are too many.
    """
    cells, most = grid.width * grid.height, limits.current().compared_cells
    if cells > most:
        raise BadInput(
            f"The area has {cells * CELL_HA / 100:,.0f} km², and dates are compared of "
            f"{most * CELL_HA / 100:,.0f} km² at once: give parts of it with --area."
        )
