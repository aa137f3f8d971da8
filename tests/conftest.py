"""What all tests share: where the real data is, when it is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from landcover.threads import wait_politely

wait_politely()

pytest_plugins = ["tests.live.fixtures"]

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real imagery with labels, which is not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the real data in {SHARED_DATA}")
    return SHARED_DATA


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: Playwright leaves a loop running in the thread, and others need none."""
    items.sort(key=lambda item: "tests/browser/" in item.path.as_posix())
