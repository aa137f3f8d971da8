"""What all tests share: where the real data is, when it is there."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from landcover.core.threads import configure_threads
from tests.support.examples import register_profiles

configure_threads()

register_profiles()

pytest_plugins = ["tests.live.fixtures"]

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real imagery with labels, which is not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the real data in {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(autouse=True, scope="session")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A new folder for the program's own files, so that no test sees the developer's models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANDCOVER_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def no_unknown_fault_of_a_reader(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which a reader raised an error that it should have foreseen."""
    yield
    name = "landcover.io.gate.pool"
    found = [r for r in caplog.get_records("call") if r.name == name and r.levelname == "ERROR"]
    assert not found, found[0].getMessage()


def pytest_configure() -> None:
    """Let Ctrl-C interrupt, also where the suite runs as a shell's background job.

    Such a job starts with SIGINT ignored, and the tests of interrupts would wait for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring tests that need live imagery together, first, and browser tests last.

    Live imagery has servers of its own, which then run beside one worker alone, and an archive
    that is long in the making. Playwright leaves a loop running in its thread.
    """

    def turn(item: pytest.Item) -> int:
        if "tests/browser/" in item.path.as_posix():
            return 2
        return 0 if "archive" in getattr(item, "fixturenames", ()) else 1

    items.sort(key=turn)
