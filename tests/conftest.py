"""What all tests share: where the real data is, when it is there."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import settings

from landcover.core.threads import wait_politely

wait_politely()

# How long an example takes says more of the machine's other work than of the code.
settings.register_profile("landcover", deadline=None)
settings.load_profile("landcover")

pytest_plugins = ["tests.live.fixtures"]

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real imagery with labels, which is not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the real data in {SHARED_DATA}")
    return SHARED_DATA


def pytest_configure() -> None:
    """Let Ctrl-C interrupt, also where the suite runs as a shell's background job.

    Such a job starts with SIGINT ignored, and the tests of interrupts would wait for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: Playwright leaves a loop running in the thread, and others need none."""
    items.sort(key=lambda item: "tests/browser/" in item.path.as_posix())
