"""The real app, for clients that speak its protocol."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.app_server import serve


@pytest.fixture(scope="module")
def app() -> Iterator[str]:
    with serve() as address:
        yield address
