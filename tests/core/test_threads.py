"""One thread on few cores, unless the user sets another number or a model is trained."""

from __future__ import annotations

import os

import pytest

from landcover.core import threads


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "LANDCOVER_CORES"):
        # Set first, so that monkeypatch restores what a test changes.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def cores(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(count)), raising=False)


def environ(name: str) -> str | None:
    return os.environ.get(name)


def test_on_two_cores_torch_uses_one_thread_and_both_cores_stay_available(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cores(monkeypatch, 2)
    threads.configure_threads()
    assert (environ("OMP_NUM_THREADS"), environ("OMP_WAIT_POLICY")) == ("1", "PASSIVE")
    assert threads.allowed_cores() == 2
    threads.configure_threads()
    assert threads.allowed_cores() == 2


@pytest.mark.parametrize(("count", "training"), [(4, False), (2, True)])
def test_with_many_cores_or_in_training_torch_uses_all_threads(
    count: int, *, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores(monkeypatch, count)
    threads.configure_threads(training=training)
    assert environ("OMP_NUM_THREADS") is None
    assert threads.allowed_cores() == count


@pytest.mark.parametrize(("asked", "found"), [("1", 1), ("3", 3), ("64", 8), ("0", 1), ("4,2", 8)])
def test_the_users_settings_are_kept(
    asked: str, found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores(monkeypatch, 8)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    threads.configure_threads()
    assert (environ("OMP_NUM_THREADS"), environ("OMP_WAIT_POLICY")) == (asked, "ACTIVE")
    assert threads.allowed_cores() == found


def test_at_least_one_core_is_usable() -> None:
    assert threads.usable_cores() >= 1
