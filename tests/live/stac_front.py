"""A proxy of a catalogue's STAC API: it forwards, records, replays and injects faults.

With a running API behind it, requests are forwarded, and the responses can be saved. Without one,
the same requests get the saved responses of the real server, in which only the addresses are
replaced. To record the responses again, run
``LANDCOVER_RECORD=1 .venv/bin/python -m pytest``.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientSession, ClientTimeout, web

from tests.live.granules import Style
from tests.live.loopback import LoopbackServer

RECORDED: Final = Path(__file__).parent / "recorded"
STAC: Final = "{stac}"
BASE: Final = "{base}"


class StacFront(LoopbackServer):
    """The address of one catalogue's API.

    Args:
        style: the catalogue.
        base: address of the assets' server; recordings contain ``{base}`` in its place.
        upstream: address of the API; None to replay.
    """

    def __init__(self, style: Style, base: str, upstream: str | None = None) -> None:
        super().__init__()
        self.style = style
        self.upstream = upstream
        self._base = base
        self._answers: dict[str, dict[str, Any]] = {} if upstream else load(style)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        status, body = await self._exchange(request)
        kind = "application/geo+json" if b'"FeatureCollection"' in body else "application/json"
        return web.Response(status=status, body=body, content_type=kind)

    async def whole(self, request: web.Request) -> bytes | None:
        _, body = await self._exchange(request)
        return body

    def save(self) -> None:
        """Add the responses to the recordings."""
        answers = load(self.style) | self._answers
        RECORDED.mkdir(exist_ok=True)
        (RECORDED / f"{self.style}.json.gz").write_bytes(_packed(answers))

    async def _exchange(self, request: web.Request) -> tuple[int, bytes]:
        sent = await request.read()
        key = _key(request, sent)
        if self.upstream is not None:
            self._answers[key] = await self._forward(request, sent)
        answer = self._answers.get(key)
        if answer is None:
            missing = f"{self.style} has no recorded answer to: {key}"
            return 404, json.dumps({"code": "NotFoundError", "description": missing}).encode()
        text = json.dumps(answer["body"]).replace(STAC, self.url).replace(BASE, self._base)
        return answer["status"], text.encode()

    async def _forward(self, request: web.Request, sent: bytes) -> dict[str, Any]:
        assert self.upstream is not None
        headers = {"Content-Type": request.headers["Content-Type"]} if sent else {}
        address = f"{self.upstream}{request.rel_url}"
        async with (
            ClientSession(timeout=ClientTimeout(total=60)) as session,
            session.request(
                request.method, address, data=sent or None, headers=headers
            ) as response,
        ):
            text = await response.text()
            text = text.replace(self.upstream, STAC).replace(self._base, BASE)
            return {"status": response.status, "body": json.loads(text)}


def _key(request: web.Request, sent: bytes) -> str:
    """Return a key for a request that does not depend on the order of its fields."""
    query = "&".join(sorted(f"{name}={value}" for name, value in request.query.items()))
    body = json.dumps(json.loads(sent), sort_keys=True) if sent else ""
    return " ".join(part for part in (request.method, request.path, query, body) if part)


def load(style: Style) -> dict[str, dict[str, Any]]:
    """Load the recorded responses of a catalogue's API, by request."""
    path = RECORDED / f"{style}.json.gz"
    if not path.is_file():
        return {}
    saved = json.loads(gzip.decompress(path.read_bytes()))
    answers: dict[str, dict[str, Any]] = saved["answers"]
    for answer in answers.values():
        body = answer["body"]
        if isinstance(body, dict) and "features" in body:
            body["features"] = [
                saved["items"][found] if isinstance(found, str) else found
                for found in body["features"]
            ]
    return answers


def _packed(answers: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return compressed JSON in which repeated items are stored once."""
    items: dict[str, Any] = {}
    packed = {}
    for key in sorted(answers):
        answer, body = answers[key], answers[key]["body"]
        if isinstance(body, dict) and "features" in body:
            features = [
                found["id"] if items.setdefault(found["id"], found) == found else found
                for found in body["features"]
            ]
            answer = {**answer, "body": {**body, "features": features}}
        packed[key] = answer
    text = json.dumps({"items": items, "answers": packed}, sort_keys=True, separators=(",", ":"))
    return gzip.compress(text.encode(), mtime=0)
