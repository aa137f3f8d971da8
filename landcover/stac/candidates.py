"""A search for imagery of a place, and the satellite passes that it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from landcover.core.errors import BadInput
from landcover.core.place import wrap_longitude
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
"""Limits of UTM, the projection of Sentinel-2's tiles; there is no imagery of land beyond."""
DEFAULT_DAYS: Final = 180
"""Days that a search covers if no dates are given."""
NEAR_DAYS: Final = 60
"""Days before and after a requested day that a search covers."""
MAX_CLOUD: Final = 0.10


@dataclass(frozen=True, kw_only=True)
class SceneQuery:
    """A place, acceptable dates and the maximum cloud.

    Attributes:
        latitude, longitude: WGS 84 degrees.
        start, end: first and last acceptable day (UTC).
        near: preferred day; None for the last one.
        months: acceptable months of the year, 1 to 12; empty for all.
        max_cloud: maximum fraction of the patch under cloud or shadow, 0 to 1.

    Raises:
        BadInput: Sentinel-2 takes no images of the place, or the dates are not valid.
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
            raise BadInput("The maximum cloud must be a fraction from 0 to 1.")

    @classmethod
    def around(cls, latitude: float, longitude: float, day: date | None = None) -> SceneQuery:
        """Query for a place near a day, or for the latest imagery if no day is given.

        The longitude is :func:`~landcover.core.place.wrap_longitude`.
        """
        today = datetime.now(UTC).date()
        if day is None:
            start, end = today - timedelta(days=DEFAULT_DAYS), today
        else:
            start, end = (
                day - timedelta(days=NEAR_DAYS),
                min(today, day + timedelta(days=NEAR_DAYS)),
            )
        return cls(
            latitude=latitude,
            longitude=wrap_longitude(longitude),
            start=start,
            end=max(start, end),
            near=day,
        )

    @classmethod
    def anytime(cls, latitude: float, longitude: float) -> SceneQuery:
        """Query for a place on any day since the launch of Sentinel-2A, the newest preferred."""
        today = datetime.now(UTC).date()
        return cls(latitude=latitude, longitude=longitude, start=FIRST_LIGHT.date(), end=today)

    @property
    def any_day(self) -> bool:
        """Whether all days up to the last one are acceptable."""
        return self.start <= FIRST_LIGHT.date() and not self.months

    @property
    def best_day(self) -> date:
        """The preferred day."""
        return self.near or self.end


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What the scene classification shows in the square, as fractions from 0 to 1.

    Attributes:
        cloud: cloud of medium or high probability and cirrus.
        shadow: cloud shadow.
        snow: snow or ice.
        nodata: no data, saturated or defective.
        picture: RGBA ``(y, x, 4)`` of the square at 10 m, None if there is none.
    """

    cloud: float
    shadow: float
    snow: float
    nodata: float
    picture: ByteArray | None = field(default=None, repr=False, hash=False, compare=False)

    @property
    def hidden(self) -> float:
        """Fraction of the square in which the ground is not visible."""
        return min(1.0, self.cloud + self.shadow + self.nodata)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A satellite pass over the place: the granules that cover parts of the square.

    Attributes:
        scenes: the granules; where they overlap, the first one's pixels are used.
        target: the square to fetch, with its corners on the 60 m lattice.
        preview: what the classification shows, None if it was not read.
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
        """Unique key of these pixels, for caches."""
        ids = "+".join(scene.id for scene in self.scenes)
        where = f"{self.target.crs}:{self.target.west:.0f}:{self.target.north:.0f}"
        return f"{self.scenes[0].catalogue}:{ids}:{where}"


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The result of a search.

    Attributes:
        candidates: newest first, with or without preview.
        best: index of the preferred one, None if nothing was found.
        reason: why that one, or why none and what to do, in one sentence.
        notes: further information for the user, a sentence each.
    """

    candidates: tuple[Candidate, ...]
    best: int | None
    reason: str
    notes: tuple[str, ...] = ()
