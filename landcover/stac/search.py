"""Searching an archive for scenes of a place, with a deadline and a cache."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as day_time
from pathlib import Path
from threading import Event
from typing import Any, Final, TypeVar

from landcover.core.errors import FetchError, LandcoverError
from landcover.core.progress import check
from landcover.net.disk_cache import DiskCache
from landcover.net.hosts import allowed
from landcover.net.http import redirect_target
from landcover.stac.archives import Catalogue
from landcover.stac.candidates import SceneQuery
from landcover.stac.scene import EXTRAS, Scene, local_scene, scene_of

__all__ = [
    "DEADLINE_S",
    "FRESH_S",
    "MAX_ITEMS",
    "PAGE",
    "POLL_S",
    "TIMEOUT_S",
    "SceneList",
    "T",
    "search_archive",
    "search_local",
]

TIMEOUT_S: Final = (6.0, 15.0)
"""Time limits for connecting and for each read, in seconds."""
DEADLINE_S: Final = 40.0
PAGE: Final = 50
MAX_ITEMS: Final = 150
FRESH_S: Final = 3600.0
"""Time for which a cached answer is used; an archive gets new scenes a few times a day."""
POLL_S: Final = 0.1

T = TypeVar("T")


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
    cache: DiskCache | None = None,
    cancel: Event | None = None,
) -> SceneList:
    """Find the scenes of an archive that overlap an area.

    An answer of the last hour is used again. If the archive cannot be reached, an older answer
    for the same place is used.

    Args:
        row: the archive.
        area: GeoJSON geometry in WGS 84 degrees.
        query: its dates and months are used.
        cache: for answers, or None.
        cancel: set to stop.

    Raises:
        FetchError: the archive gives no usable answer and none is cached.
        Cancelled: the user stopped it.
    """
    place = json.dumps([row.endpoint, row.collection, area])
    key = json.dumps([place, str(query.start), str(query.end)])
    kept = _kept(cache, key, FRESH_S)
    if kept is not None:
        return _answer(row, kept[1], query)
    try:
        items = _in_time(lambda: _ask(row, area, query.start, query.end), row.title, cancel)
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
    cache: DiskCache | None, key: str, max_age: float | None
) -> tuple[datetime, list[Any]] | None:
    raw = cache.get(key, max_age=max_age) if cache is not None else None
    if raw is None:
        return None
    try:
        asked, items = json.loads(raw)
        return datetime.fromtimestamp(asked, UTC), list(items)
    except (ValueError, TypeError, OverflowError):  # perhaps of another version
        return None


def _ask(row: Catalogue, area: Mapping[str, Any], start: date, end: date) -> list[Any]:
    """Fetch the items as decoded JSON, not validated; it may hang, so it runs in a thread."""
    import requests  # noqa: PLC0415 - loading it and pystac-client takes 0.3 s
    from pystac_client import ItemSearch  # noqa: PLC0415
    from pystac_client.exceptions import APIError  # noqa: PLC0415
    from pystac_client.stac_api_io import StacApiIO  # noqa: PLC0415
    from urllib3.util.retry import Retry  # noqa: PLC0415

    hosts = (row.endpoint_host,)

    def guard(request: requests.Request) -> requests.Request:
        if not allowed(str(request.url), hosts):
            raise _elsewhere(row)
        return request

    def follow(answer: requests.Response, *_: object, **__: object) -> None:
        if answer.is_redirect and not allowed(
            redirect_target(answer.url, answer.headers["location"]), hosts
        ):
            answer.close()
            raise _elsewhere(row)

    retry = Retry(
        total=3,
        backoff_factor=0.3,
        status_forcelist=(408, 425, 429, 500, 502, 503, 504),
        allowed_methods=None,
        # A server may ask for hours, beyond the deadline.
        respect_retry_after_header=False,
    )
    reader = StacApiIO(timeout=TIMEOUT_S, max_retries=retry, request_modifier=guard)
    reader.session.hooks["response"].append(follow)
    reader.session.max_redirects = 3
    first, last = _span(start, end)
    search = ItemSearch(
        f"{row.endpoint}/search",
        method="POST",
        collections=[row.collection],
        intersects=dict(area),
        datetime=[first, last],
        sortby=[{"field": "properties.datetime", "direction": "desc"}],
        limit=PAGE,
        max_items=MAX_ITEMS,
        stac_io=reader,
    )
    try:
        return list(search.items_as_dicts())
    except LandcoverError:
        raise
    except APIError as fault:
        # pystac-client wraps exceptions of its hooks.
        if isinstance(fault.__context__, LandcoverError):
            raise fault.__context__ from None
        status = getattr(fault, "status_code", None)
        what = f"answers with status {status}" if status else "cannot be reached"
        raise _failed(row, what) from None
    except requests.RequestException:
        raise _failed(row, "cannot be reached") from None
    except Exception:  # noqa: BLE001 - an invalid answer can raise anything in pystac-client
        raise _failed(row, "answers with something that is not STAC") from None
    finally:
        reader.session.close()


def _failed(row: Catalogue, what: str) -> FetchError:
    return FetchError(
        f"{row.title} {what}: check the network, try again later, choose another catalogue, a "
        "sample, or a file of your own."
    )


def _elsewhere(row: Catalogue) -> FetchError:
    return _failed(row, "redirects to a host that is not its own")


def _in_time(work: Callable[[], T], title: str, cancel: Event | None) -> T:
    """Run work in a thread that is abandoned at the deadline or when the user stops it."""
    outcome: list[T] = []
    fault: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
            fault.append(error)

    thread = threading.Thread(target=run, daemon=True, name="landcover-search")
    thread.start()
    deadline = time.monotonic() + DEADLINE_S
    while thread.is_alive():
        check(cancel)
        if time.monotonic() > deadline:
            raise FetchError(
                f"{title} did not answer within {DEADLINE_S:g} s: try again later, or another "
                "catalogue."
            )
        thread.join(POLL_S)
    if fault:
        raise fault[0]
    return outcome[0]
