"""What a user wishes for, and the passes of the satellite that may fulfil it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from landcover.core.errors import BadInput
from landcover.core.raster import ByteArray
from landcover.core.window import Window
from landcover.io.names import FIRST_LIGHT
from landcover.stac.scene import Scene

__all__ = [
    "DEFAULT_DAYS",
    "MAX_CLOUD",
    "MAX_LATITUDE",
    "MIN_LATITUDE",
    "NEAR_DAYS",
    "Candidate",
    "Preview",
    "SceneQuery",
    "SearchResult",
]

MAX_LATITUDE: Final = 84.0
MIN_LATITUDE: Final = -80.0
"""Limits of UTM, in which Sentinel-2's pixels lie; beyond them it takes no picture of land."""
DEFAULT_DAYS: Final = 180
"""How far back a search looks when no dates are given."""
NEAR_DAYS: Final = 60
"""How far from a wished day a picture may be."""
MAX_CLOUD: Final = 0.10


@dataclass(frozen=True, kw_only=True)
class SceneQuery:
    """A place, the dates that would do, and how much cloud.

    Attributes:
        latitude, longitude: WGS 84 degrees.
        start, end: first and last day (UTC) that would do.
        near: the day that would do best; the last one where none is named.
        months: months of the year that would do (1 to 12); empty: all.
        max_cloud: share of the patch that may be cloud or shadow, 0 to 1.

    Raises:
        BadInput: Sentinel-2 takes no picture there, or the dates make no sense.
    """

    latitude: float
    longitude: float
    start: date
    end: date
    near: date | None = None
    months: frozenset[int] = frozenset()
    max_cloud: float = MAX_CLOUD

    def __post_init__(self) -> None:
        if not MIN_LATITUDE <= self.latitude <= MAX_LATITUDE or not -180 <= self.longitude <= 180:
            raise BadInput(
                f"Sentinel-2 takes no pictures at {self.latitude:.4f}, {self.longitude:.4f}: "
                f"choose a place between {-MIN_LATITUDE:.0f}° south and {MAX_LATITUDE:.0f}° north."
            )
        if self.start > self.end:
            raise BadInput(
                f"The dates run backwards, from {self.start} to {self.end}: exchange them."
            )
        if self.end < FIRST_LIGHT.date() or self.start > datetime.now(UTC).date():
            raise BadInput(
                f"No Sentinel-2 picture is from {self.start} to {self.end}: choose dates from "
                f"{FIRST_LIGHT:%Y-%m-%d} to today."
            )
        if not self.months <= frozenset(range(1, 13)):
            raise BadInput("Months are numbers from 1 to 12.")
        if not 0 <= self.max_cloud <= 1:
            raise BadInput("The most cloud that would do is a share from 0 to 1.")

    @classmethod
    def around(cls, latitude: float, longitude: float, day: date | None = None) -> SceneQuery:
        """A place near a day, or lately where none is given."""
        today = datetime.now(UTC).date()
        if day is None:
            start, end = today - timedelta(days=DEFAULT_DAYS), today
        else:
            start, end = (
                day - timedelta(days=NEAR_DAYS),
                min(today, day + timedelta(days=NEAR_DAYS)),
            )
        return cls(
            latitude=latitude, longitude=longitude, start=start, end=max(start, end), near=day
        )

    @property
    def best_day(self) -> date:
        """The day that would do best."""
        return self.near or self.end


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a scene classification says of the square itself, as shares from 0 to 1.

    Attributes:
        cloud: cloud of medium or high probability and cirrus.
        shadow: cloud shadow.
        snow: snow or ice.
        nodata: no data, saturated or defective.
        picture: RGBA ``(y, x, 4)`` of the square at 10 m, or None where none could be had.
    """

    cloud: float
    shadow: float
    snow: float
    nodata: float
    picture: ByteArray | None = field(default=None, repr=False, hash=False, compare=False)

    @property
    def hidden(self) -> float:
        """Share of the square that shows no ground."""
        return min(1.0, self.cloud + self.shadow + self.nodata)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One pass over the place: the granules that hold a part of the square, to be joined.

    Attributes:
        scenes: in the order in which their pixels are taken.
        target: the square to fetch, its corners on the lattice of 60 m.
        preview: what its classification shows, where that was read.
    """

    scenes: tuple[Scene, ...]
    target: Window
    preview: Preview | None = None

    @property
    def acquired(self) -> datetime:
        """Sensing time of the first granule, UTC."""
        return self.scenes[0].acquired

    @property
    def key(self) -> str:
        """Names these pixels among all others, for caches."""
        ids = "+".join(scene.id for scene in self.scenes)
        where = f"{self.target.crs}:{self.target.west:.0f}:{self.target.north:.0f}"
        return f"{self.scenes[0].catalogue}:{ids}:{where}"


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a search led to.

    Attributes:
        candidates: the newest first, each looked at or not.
        best: index of the one to take, or None where nothing was found.
        reason: why that one, or why none, and what to do, in one sentence.
        notes: what else the user should know, a sentence each.
    """

    candidates: tuple[Candidate, ...]
    best: int | None
    reason: str
    notes: tuple[str, ...] = ()
