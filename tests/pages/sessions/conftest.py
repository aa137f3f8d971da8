"""The real app, for clients that speak its protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from landcover.io.samples import read_sample
from tests.browser.steps import write_stack
from tests.support.app_server import serve

SECRET = "canary-of-the-server"


@pytest.fixture(scope="session")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that the server could read, and that nobody asked it to publish."""
    path = tmp_path_factory.mktemp("server") / f"{SECRET}.tif"
    return write_stack(path, read_sample("ireland-fields"))


@pytest.fixture(scope="session")
def app(canary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app, started once: it takes longer to start than most of these tests."""
    home = tmp_path_factory.mktemp("home")
    with serve(environment={"LANDCOVER_HOME": str(home), "CANARY": str(canary)}) as address:
        yield address
