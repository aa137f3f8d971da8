"""A server on loopback in place of huggingface.co, for the hub's own library to download from.

As there, a large file is a redirect to a store: the first answer names its size, its hash and the
commit. What does not exist is answered with the hub's codes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Final

import pytest
from aiohttp import web
from safetensors.torch import save
from torch import Tensor

from tests.live.loopback import LoopbackServer

needs_hub = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("huggingface_hub", "timm")),
    reason="the extra landcover[hub] is not installed",
)
COMMIT: Final = "a1" * 20
WEIGHTS: Final = "model.safetensors"


class HubServer(LoopbackServer):
    """Serves repositories of models.

    Attributes:
        repositories: name → name of a file → bytes.
        sizes: size to state for a file of that name in place of the correct one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.sizes: dict[str, int] = {}

    def publish(self, repository: str, state: dict[str, Tensor], config: object) -> None:
        """Add a repository as it is published: weights, configuration and a page about them."""
        weights = save(
            {name: value.contiguous() for name, value in state.items()}, {"format": "pt"}
        )
        self.repositories[repository] = {
            WEIGHTS: weights,
            "config.json": json.dumps(config).encode(),
            "README.md": b"---\nlicense: mit\n---\n",
        }

    def use(self, patch: pytest.MonkeyPatch, cache: Path) -> None:
        """Let the hub's library ask this server, as ``HF_ENDPOINT`` and ``HF_HUB_CACHE`` do."""
        constants = importlib.import_module("huggingface_hub.constants")
        patch.setattr(constants, "ENDPOINT", self.url)
        template = f"{self.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        patch.setattr(constants, "HF_XET_CACHE", str(cache / "xet"), raising=False)
        patch.setattr(constants, "HF_TOKEN_PATH", str(cache / "token"))
        patch.delenv("HF_TOKEN", raising=False)

    async def whole(self, request: web.Request) -> bytes | None:
        if request.path.startswith("/store/"):
            return next((data for data in self._files() if _sum(data) in request.path), None)
        return None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        stored = await self.whole(request)
        if stored is not None:
            start = request.http_range.start or 0
            headers = {"ETag": f'"{_sum(stored)}"'}
            if "Range" not in request.headers:
                return web.Response(body=stored, headers=headers)
            headers["Content-Range"] = f"bytes {start}-{len(stored) - 1}/{len(stored)}"
            return web.Response(body=stored[start:], status=206, headers=headers)
        repository, found, rest = request.path.strip("/").partition("/resolve/")
        if not found or repository not in self.repositories:
            return web.Response(status=401, headers={"X-Error-Code": "RepoNotFound"})
        name = rest.partition("/")[2]
        data = self.repositories[repository].get(name)
        if data is None:
            return web.Response(status=404, headers={"X-Error-Code": "EntryNotFound"})
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{_sum(data)[:40]}"'}
        if name != WEIGHTS:
            return web.Response(body=data, headers=headers)
        headers |= {
            "X-Linked-Size": str(self.sizes.get(name, len(data))),
            "X-Linked-Etag": f'"{_sum(data)}"',
            # Another host, as there: the library takes the size from the first answer.
            "Location": f"{self.url.replace('127.0.0.1', 'localhost')}/store/{_sum(data)}",
        }
        return web.Response(status=302, headers=headers)

    def _files(self) -> list[bytes]:
        return [data for files in self.repositories.values() for data in files.values()]


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
