"""Test that the lock agrees with the requirements, is complete, and names no host."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from tools.lock import LOCK, OF_TORCH, TORCH_LOCK, entries

HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}(?: \\)?")


def requirements(text: str) -> list[Requirement]:
    """The requirements of a file, without comments and hashes."""
    lines = (line.split(" #", maxsplit=1)[0].rstrip("\\ ") for line in text.splitlines())
    return [Requirement(line) for line in lines if line and line[0] not in "# -"]


def locked() -> dict[str, str]:
    """Release of each locked package on this platform."""
    everything = requirements(LOCK.read_text("utf-8") + TORCH_LOCK.read_text("utf-8"))
    return {
        canonicalize_name(each.name): next(iter(each.specifier)).version
        for each in everything
        if each.marker is None or each.marker.evaluate()
    }


def needed(name: str, extras: frozenset[str], seen: set[str]) -> Iterator[str]:
    """Names of all packages that an installed package needs here."""
    if name in seen or OF_TORCH.match(f"{name}=="):
        return
    seen.add(name)
    yield name
    for text in importlib.metadata.requires(name) or ():
        each = Requirement(text)
        wanted = ({"extra": extra} for extra in (*extras, ""))
        if each.marker is None or any(each.marker.evaluate(choice) for choice in wanted):
            yield from needed(canonicalize_name(each.name), frozenset(each.extras), seen)


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-basemap.txt"])
def test_what_is_required_is_locked_at_the_same_release(file: str) -> None:
    asked = [
        each
        for each in requirements((ROOT / file).read_text("utf-8"))
        if each.marker is None or each.marker.evaluate()
    ]
    assert asked
    releases = locked()
    wrong = [str(e) for e in asked if releases.get(canonicalize_name(e.name)) not in e.specifier]
    assert wrong == [], "run `make lock`"


def test_all_that_the_installed_packages_need_is_locked() -> None:
    roots = requirements((ROOT / "requirements.txt").read_text("utf-8"))
    seen: set[str] = set()
    names = {
        name
        for root in roots
        if root.marker is None or root.marker.evaluate()
        for name in needed(canonicalize_name(root.name), frozenset(root.extras), seen)
    }
    assert len(names) > 50
    assert names - set(locked()) == set()


def test_every_entry_has_hashes_and_nothing_names_a_host() -> None:
    text = LOCK.read_text("utf-8")
    found = entries(text)
    assert len(found) > 100
    assert [entry for entry in found if not HASH.search(entry)] == []
    for line in text.splitlines():
        requirement_or_hash = re.sub(r" *#.*", "", line).strip()
        assert not re.search(r"://|^--(?!hash)|^-[a-z]", requirement_or_hash), line
    assert "://" not in text


def test_torch_is_locked_apart_because_its_builds_differ() -> None:
    assert [entry for entry in entries(LOCK.read_text("utf-8")) if OF_TORCH.match(entry)] == []
    assert [each.name for each in requirements(TORCH_LOCK.read_text("utf-8"))] == ["torch"]
