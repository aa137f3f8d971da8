"""Searching an archive for scenes of a place, with a deadline and a cache."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as day_time
from pathlib import Path
from threading import Event
from typing import Any, Final

from landcover.core import limits
from landcover.core.errors import FetchError, LandcoverError
from landcover.net.answers import AnswerFault, Service
from landcover.net.cache import Cache
from landcover.net.waiting import run
from landcover.stac.archives import Catalogue
from landcover.stac.candidates import SceneQuery
from landcover.stac.result_pages import Pages
from landcover.stac.scene import EXTRAS, Scene, local_scene, scene_of

__all__ = [
    "FRESH_S",
    "MAX_ITEMS",
    "PAGE",
    "SILENCE_S",
    "SceneList",
    "search_archive",
    "search_local",
]

SILENCE_S: Final = 15.0
"""A connection on which nothing arrives for this long has failed."""
PAGE: Final = 50
MAX_ITEMS: Final = 150
FRESH_S: Final = 3600.0
"""Time for which a cached answer is used; an archive gets new scenes a few times a day."""


@dataclass(frozen=True, kw_only=True)
class SceneList:
    """The scenes that a search found.

    Attributes:
        scenes: usable scenes of any level.
        unusable: why other scenes cannot be used, a sentence each.
        moved: number of scenes in the user's own catalogue whose files are not where it says.
        asked: time of the search if the archive cannot be reached and the answer is cached.
    """

    scenes: tuple[Scene, ...]
    unusable: tuple[str, ...] = ()
    moved: int = 0
    asked: datetime | None = None


def search_archive(
    row: Catalogue,
    area: Mapping[str, Any],
    query: SceneQuery,
    *,
    most: int = MAX_ITEMS,
    cache: Cache | None = None,
    cancel: Event | None = None,
) -> SceneList:
    """Find the scenes of an archive that overlap an area.

    An answer of the last hour is used again. If the archive cannot be reached, an older answer
    for the same place is used.

    Args:
        row: the archive.
        area: GeoJSON geometry in WGS 84 degrees.
        query: its dates and months are used.
        most: the most scenes to ask for, the newest.
        cache: for answers, or None.
        cancel: set to stop.

    Raises:
        FetchError: the archive gives no usable answer and none is cached.
        Cancelled: the user stopped it.
    """
    place = json.dumps([row.endpoint, row.collection, area])
    key = json.dumps([place, str(query.start), str(query.end), most])
    kept = _kept(cache, key, FRESH_S)
    if kept is not None:
        return _answer(row, kept[1], query)
    try:
        items = run(lambda: _ask(row, area, query, most, cancel))
    except FetchError:
        kept = _kept(cache, key, None) or _kept(cache, f"any {place}", None)
        if kept is None:
            raise
        answer = _answer(row, kept[1], query)
        if not answer.scenes:
            raise
        return SceneList(scenes=answer.scenes, unusable=answer.unusable, asked=kept[0])
    answer = _answer(row, items, query)
    if cache is not None:
        value = json.dumps([time.time(), items]).encode()
        cache.put(key, value)
        if items:
            cache.put(f"any {place}", value)
    return answer


def search_local(path: Path, area: Mapping[str, Any], query: SceneQuery) -> SceneList:
    """Find the scenes of the user's own catalogue that overlap an area.

    Raises:
        BadInput: the file is not a catalogue.
    """
    from landcover.stac.local_catalog import MISSING, LocalCatalogue  # noqa: PLC0415 - loads slowly

    start, end = _span(query.start, query.end)
    items = LocalCatalogue.open(path).search(area, start, end, MAX_ITEMS)
    there = [item for item in items if EXTRAS.issuperset(item["properties"].get(MISSING, ()))]
    scenes, unusable = _scenes(there, lambda item: local_scene(item, str(path)))
    wanted = _wanted(scenes, query)
    return SceneList(scenes=wanted, unusable=unusable, moved=len(items) - len(there))


def _span(start: date, end: date) -> tuple[datetime, datetime]:
    return (
        datetime.combine(start, day_time.min, UTC),
        datetime.combine(end, day_time(23, 59, 59), UTC),
    )


def _answer(row: Catalogue, items: list[Any], query: SceneQuery) -> SceneList:
    scenes, unusable = _scenes(items, lambda item: scene_of(item, row))
    if items and not scenes:
        raise FetchError(unusable[0])
    return SceneList(scenes=_wanted(scenes, query), unusable=unusable)


def _scenes(items: list[Any], read: Callable[[Any], Scene]) -> tuple[list[Scene], tuple[str, ...]]:
    scenes, unusable = [], []
    for item in items:
        try:
            scenes.append(read(item))
        except LandcoverError as fault:
            unusable.append(str(fault))
    return scenes, tuple(unusable)


def _wanted(scenes: list[Scene], query: SceneQuery) -> tuple[Scene, ...]:
    """Scenes of the requested days and months; a server may ignore a part of the request."""
    return tuple(
        scene
        for scene in scenes
        if query.start <= scene.acquired.date() <= query.end
        and (not query.months or scene.acquired.month in query.months)
    )


def _kept(
    cache: Cache | None, key: str, max_age: float | None
) -> tuple[datetime, list[Any]] | None:
    raw = cache.get(key, max_age=max_age) if cache is not None else None
    if raw is None:
        return None
    try:
        asked, items = json.loads(raw)
        return datetime.fromtimestamp(asked, UTC), list(items)
    except (ValueError, TypeError, OverflowError):  # perhaps of another version
        return None


async def _ask(
    row: Catalogue, area: Mapping[str, Any], query: SceneQuery, most: int, cancel: Event | None
) -> list[Any]:
    """Fetch the items as decoded JSON, not validated."""
    most_s = limits.current().search_seconds
    silence_s = min(SILENCE_S, most_s)
    try:
        async with Service(
            row.endpoint, until=time.monotonic() + most_s, cancel=cancel, silence_s=silence_s
        ) as service:
            pages = Pages(service, asyncio.get_running_loop())
            # pystac-client waits for each page, so it works in a thread of its own. It ends with
            # the request that it waits for.
            return await asyncio.to_thread(_items, row, area, query, most, pages)
    except AnswerFault as fault:
        if fault.why == "late":
            raise FetchError(
                f"{row.title} did not answer within {most_s:g} s: try again later, or another "
                "catalogue."
            ) from None
        raise _failed(row, fault.what) from None


def _items(
    row: Catalogue, area: Mapping[str, Any], query: SceneQuery, most: int, pages: Pages
) -> list[Any]:
    from pystac_client import ItemSearch  # noqa: PLC0415 - loading it takes 0.3 s

    first, last = _span(query.start, query.end)
    search = ItemSearch(
        f"{row.endpoint}/search",
        method="POST",
        collections=[row.collection],
        intersects=dict(area),
        datetime=[first, last],
        sortby=[{"field": "properties.datetime", "direction": "desc"}],
        limit=PAGE,
        max_items=most,
        stac_io=pages.reader(),
    )
    try:
        return list(search.items_as_dicts())
    except (LandcoverError, AnswerFault):
        raise
    except Exception:  # noqa: BLE001 - an invalid answer can raise anything in pystac-client
        raise _failed(row, "answers with something that is not STAC") from None


def _failed(row: Catalogue, what: str) -> FetchError:
    return FetchError(
        f"{row.title} {what}: check the network, try again later, choose another catalogue, a "
        "sample, or a file of your own."
    )
