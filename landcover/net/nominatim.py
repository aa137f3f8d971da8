"""Search for places by name over the network: OpenStreetMap's Nominatim.

Its usage policy allows light use if an application identifies itself, sends at most one request
a second and none while the user is typing, keeps the answers, and shows the attribution.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from threading import Event
from typing import Any, Final
from urllib.parse import urlencode

from landcover.core.errors import FetchError
from landcover.core.text import plain
from landcover.net.answers import AnswerFault, Service, decoded
from landcover.net.cache import Cache
from landcover.net.waiting import run

__all__ = ["ADDRESS", "ATTRIBUTION", "DEADLINE_S", "FoundPlace", "search"]

ADDRESS: Final = "https://nominatim.openstreetmap.org/search"
ATTRIBUTION: Final = "© OpenStreetMap contributors (ODbL)"
USER_AGENT: Final = "landcover (land cover of Sentinel-2 patches; places are searched by hand)"
DEADLINE_S: Final = 10.0
FRESH_S: Final = 30 * 86_400.0
"""Time for which a cached answer is used; places hardly move."""
PAUSE_S: Final = 1.0
"""Least time between two requests, as the policy demands."""
MAX_LETTERS: Final = 200
LIMIT: Final = 5

_turn: Final = threading.Lock()
_last: list[float] = []


@dataclass(frozen=True, kw_only=True)
class FoundPlace:
    """A place that was found.

    Attributes:
        name: its full name, such as "Marchtrenk, Upper Austria, Austria".
        latitude, longitude: WGS 84 degrees.
    """

    name: str
    latitude: float
    longitude: float


def search(
    text: str,
    *,
    cache: Cache | None = None,
    cancel: Event | None = None,
    address: str = ADDRESS,
    deadline_s: float = DEADLINE_S,
) -> tuple[FoundPlace, ...]:
    """Search for a place with one request; the answer is kept for a month.

    Args:
        text: what the user typed.
        cache: for answers, or None.
        cancel: set to stop.
        address: of the service; no other host is contacted.
        deadline_s: time limit in seconds.

    Returns:
        Places, the most likely first; empty if there is none.

    Raises:
        FetchError: the service cannot be reached or its answer is not valid.
        Cancelled: the user stopped it.
    """
    query = urlencode(
        {
            "q": text.strip()[:MAX_LETTERS],
            "format": "jsonv2",
            "limit": LIMIT,
            "accept-language": "en",
        }
    )
    url = f"{address}?{query}"
    kept = cache.get(url, max_age=FRESH_S) if cache is not None else None
    if kept is not None:
        return _places(kept)
    body = run(lambda: _fetch(url, deadline_s, cancel))
    places = _places(body)
    if cache is not None:
        cache.put(url, body)
    return places


async def _fetch(url: str, deadline_s: float, cancel: Event | None) -> bytes:
    """Fetch the answer until the deadline, or until the user stops it."""
    until = time.monotonic() + deadline_s
    try:
        async with Service(
            url, until=until, cancel=cancel, attempts=1, agent=USER_AGENT
        ) as service:
            return await service.ask(url, after_s=_pause())
    except AnswerFault as fault:
        raise _refused(fault, deadline_s) from None


def _refused(fault: AnswerFault, deadline_s: float) -> FetchError:
    if fault.why == "late":
        return FetchError(
            f"The place search did not answer within {deadline_s:g} s: try again later, or enter "
            "latitude and longitude."
        )
    if fault.why in {"size", "damaged"}:
        return _invalid()
    if fault.why == "unreachable":
        return FetchError(
            "The place search cannot be reached: without internet, enter the name of a town or "
            "latitude and longitude."
        )
    return FetchError(
        f"The place search {fault.what}: try again later, or enter latitude and longitude."
    )


def _pause() -> float:
    """Seconds to wait so that requests of all users of this app are a second apart."""
    with _turn:
        now = time.monotonic()
        at = max(now, _last[0] + PAUSE_S) if _last else now
        _last[:] = [at]
        return at - now


def _places(body: bytes) -> tuple[FoundPlace, ...]:
    try:
        return tuple(_place(item) for item in decoded(body)[:LIMIT])
    except (ValueError, TypeError, KeyError, OverflowError):
        raise _invalid() from None


def _place(item: Any) -> FoundPlace:  # noqa: ANN401 - decoded JSON
    latitude, longitude = float(item["lat"]), float(item["lon"])
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise ValueError
    return FoundPlace(name=plain(str(item["display_name"])), latitude=latitude, longitude=longitude)


def _invalid() -> FetchError:
    return FetchError(
        "The answer of the place search is not valid: try again later, or enter latitude and "
        "longitude."
    )
