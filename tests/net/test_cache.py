"""The program's cache: on disk if that can be written, in memory otherwise."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from landcover.core import home, limits
from landcover.core.errors import BadInput
from landcover.net import cache as cache_module
from landcover.net.cache import DEFAULT_MB, SafeCache, default
from landcover.net.disk_cache import DiskCache
from landcover.net.memory_cache import MemoryCache
from tests.support.disks import needs_mounts, on_disk

MB = 10**6


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(home.VARIABLE, str(tmp_path))
    monkeypatch.delenv(cache_module.VARIABLE, raising=False)
    return tmp_path


@pytest.mark.usefixtures("at_home")
@pytest.mark.parametrize(
    ("text", "limit"),
    [("", DEFAULT_MB * MB), (" ", 2000 * MB), ("0", 0), ("1", MB), (" 500 ", 500 * MB)],
)
def test_the_default_limit(text: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default().disk.limit_bytes == 2 * 10**9
    monkeypatch.setenv(cache_module.VARIABLE, text)
    assert default().disk.limit_bytes == limit


@pytest.mark.usefixtures("at_home")
@pytest.mark.parametrize("text", ["lots", "-1", "1.5", "1e3", "1_000", "٣", "2 GB", "9" * 5000])
def test_an_invalid_limit_gives_a_sentence(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache_module.VARIABLE, text)
    with pytest.raises(BadInput, match=r"no whole number of megabytes: give one such as 2000"):
        default()


def test_the_default_is_in_the_home_folder_and_shared(at_home: Path) -> None:
    assert default().disk.folder == at_home / "cache"
    assert default() is default()
    assert default().put("a", b"v")
    assert DiskCache(at_home / "cache", MB).get("a") == b"v"
    assert default().note() is None


def test_without_a_folder_it_is_in_memory_and_says_so_once(
    at_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (at_home / "file").touch()
    monkeypatch.setenv(home.VARIABLE, str(at_home / "file"))
    assert default().note() is None, "nothing has failed yet"
    assert default().put("a", b"1")
    assert default().put("a", b"2")
    assert default().get("a") == b"2"
    note = default().note()
    assert note is not None
    assert "kept in memory until the program ends: set LANDCOVER_HOME" in note
    assert "\n" not in note
    assert default().note() is None


def attempt(folder: Path) -> str:
    cache = SafeCache(folder / "cache", 10 * MB)
    stored = [cache.put(key, os.urandom(900_000)) for key in "abc"]
    there = [len(cache.get(key) or b"") for key in "abc"]
    return f"{all(stored)} {there} {cache.note()}"


@needs_mounts
@pytest.mark.parametrize(
    ("options", "why"), [("ro", "the disk is read-only"), ("size=1m", "the disk is full")]
)
def test_a_disk_that_cannot_store_costs_nothing_but_the_next_start(options: str, why: str) -> None:
    said = on_disk(options, attempt)
    assert said.startswith("True [900000, 900000, 900000] The folder of the program's files cannot")
    assert f"({why})" in said


def test_once_the_disk_works_the_values_are_there(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    cache = SafeCache(tmp_path / "home" / "cache", MB)
    assert cache.put("a", b"1")
    (tmp_path / "home").unlink()
    assert cache.put("a", b"2")
    assert cache.get("a") == DiskCache(tmp_path / "home" / "cache", MB).get("a") == b"2"
    assert cache.note() is None


@pytest.mark.parametrize("size", [0, 100])
def test_a_user_who_wants_nothing_kept_has_nothing_in_memory(tmp_path: Path, size: int) -> None:
    cache = SafeCache(tmp_path, size)
    assert not cache.put("a", bytes(100))
    assert cache.get("a") is None


def test_memory_is_limited_and_the_oldest_values_go() -> None:
    cache = MemoryCache()
    with limits.changed(memory_cache_bytes=1000):
        assert not cache.put("large", bytes(1000))
        for key in "abc":
            assert cache.put(key, bytes(299))
        assert cache.get("a") is not None
        assert cache.put("d", bytearray(299))
        assert [key for key in "abcd" if cache.get(key) is not None] == ["a", "c", "d"]


def test_the_age_in_memory_does_not_follow_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = MemoryCache()
    cache.put("a", b"v")
    monkeypatch.setattr("time.time", lambda: 4e9)
    monkeypatch.setattr("time.time_ns", lambda: 4 * 10**18)
    assert cache.get("a", max_age=60.0) == b"v"
    assert cache.get("a", max_age=-1.0) is None
