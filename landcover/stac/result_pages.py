"""The pages of results of a STAC API: requested by pystac-client, received by us.

pystac-client knows how a search is written and how pages are linked. Its own requests would
receive an answer of any size, for any time, and would follow a link to any host.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Final

from landcover.core import limits
from landcover.net.answers import AnswerFault, Service, decoded

if TYPE_CHECKING:
    from pystac_client.stac_api_io import StacApiIO

__all__ = ["GRACE_S", "MAX_QUERY_BYTES", "Pages"]

MAX_QUERY_BYTES: Final = 100_000
"""A page's link to the next one can contain a query, which is not sent if it is longer."""

GRACE_S: Final = 5.0
"""How long after its deadline a page is no longer waited for."""


class Pages:
    """Receives pages for pystac-client, which runs in a thread beside the service's loop.

    Args:
        service: the API.
        loop: the loop in which the service receives.
    """

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._loop = loop
        self._received = 0

    def page(self, address: str, method: str, query: Any) -> str:  # noqa: ANN401 - as JSON
        """Receive a page.

        Headers that a link asks for are not sent; none of the archives asks for any.

        Raises:
            AnswerFault: there is no usable answer.
            Cancelled: the user stopped it.
        """
        self._received += 1
        if self._received > limits.current().search_pages:
            raise AnswerFault("size", f"sends more than {self._received - 1} pages")
        body = json.dumps(query).encode() if method == "POST" else None
        if method not in {"GET", "POST"} or (body is not None and len(body) > MAX_QUERY_BYTES):
            raise AnswerFault("damaged", "links to a next page that cannot be requested")
        waiting = asyncio.run_coroutine_threadsafe(
            self._service.ask(
                address,
                method="GET" if body is None else "POST",
                headers={"Accept": "application/geo+json, application/json"}
                | ({"Content-Type": "application/json"} if body else {}),
                body=body,
            ),
            self._loop,
        )
        # If the loop has just ended, nobody answers; so this thread ends too, a little later.
        most_s = self._service.until - time.monotonic() + GRACE_S
        return waiting.result(most_s).decode("utf-8")

    def reader(self) -> StacApiIO:
        """What pystac-client calls to read a page."""
        from pystac_client.stac_api_io import StacApiIO  # noqa: PLC0415 - loads slowly

        pages = self

        class Reader(StacApiIO):
            def request(
                self,
                href: str,
                method: str | None = None,
                headers: dict[str, str] | None = None,
                parameters: dict[str, Any] | None = None,
            ) -> str:
                del headers
                return pages.page(href, (method or "GET").upper(), parameters)

            def json_loads(self, txt: str, *_: Any, **__: Any) -> Any:  # noqa: ANN401
                return decoded(txt)

        return Reader()
