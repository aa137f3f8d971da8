"""One thread on few cores, unless the user or the work asks for more."""

from __future__ import annotations

import os

import pytest

from landcover.core import threads


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "LANDCOVER_CORES"):
        # Set first, so that what a test leaves is taken back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def cores(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: count)


def environ(name: str) -> str | None:
    return os.environ.get(name)


def test_on_two_cores_torch_gets_one_and_the_other_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cores(monkeypatch, 2)
    threads.configure_threads()
    assert (environ("OMP_NUM_THREADS"), environ("OMP_WAIT_POLICY")) == ("1", "PASSIVE")
    assert threads.allowed_cores() == 2
    threads.configure_threads()
    assert threads.allowed_cores() == 2


@pytest.mark.parametrize(("count", "training"), [(4, False), (2, True)])
def test_many_cores_and_training_share_each_operation(
    count: int, *, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores(monkeypatch, count)
    threads.configure_threads(training=training)
    assert environ("OMP_NUM_THREADS") is None
    assert threads.allowed_cores() == count


@pytest.mark.parametrize(("asked", "found"), [("1", 1), ("3", 3), ("64", 8), ("0", 1), ("4,2", 8)])
def test_what_the_user_asked_for_bounds_both(
    asked: str, found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores(monkeypatch, 8)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    threads.configure_threads()
    assert (environ("OMP_NUM_THREADS"), environ("OMP_WAIT_POLICY")) == (asked, "ACTIVE")
    assert threads.allowed_cores() == found


def test_some_core_is_usable() -> None:
    assert threads.usable_cores() >= 1
