"""Answers that are asked for once within a block."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from landcover.core import once


def test_a_block_keeps_what_was_asked_first(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    with once.block():
        assert not once.is_file(path)
        path.write_text("{}")
        assert not once.is_file(path)
    assert once.is_file(path)
    with once.block():
        assert once.is_file(path)


def test_whoever_changes_files_in_a_block_forgets_what_was_asked(tmp_path: Path) -> None:
    once.forget()  # outside of a block there is nothing to forget
    with once.block():
        assert once.folders_with(tmp_path, "card.json") == ()
        (tmp_path / "one").mkdir()
        (tmp_path / "one/card.json").write_text("{}")
        assert once.folders_with(tmp_path, "card.json") == ()
        once.forget()
        assert once.folders_with(tmp_path, "card.json") == ("one",)


def test_without_a_block_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    assert once.folders_with(tmp_path, "card.json") == ()
    (tmp_path / "one/card.json").write_text("{}")
    assert once.folders_with(tmp_path, "card.json") == ("one",)
    assert once.facts(tmp_path / "one/card.json") is not None


def test_an_inner_block_starts_anew_and_the_outer_one_goes_on() -> None:
    values = iter(range(9))
    with once.block():
        assert once.asked("key", lambda: next(values)) == 0
        with once.block():
            assert once.asked("key", lambda: next(values)) == 1
        assert once.asked("key", lambda: next(values)) == 0


def test_an_error_is_not_kept() -> None:
    def fails() -> int:
        raise ValueError("oops")

    with once.block():
        with pytest.raises(ValueError, match="oops"):
            once.asked("key", fails)
        assert once.asked("key", lambda: 3) == 3


def test_another_thread_has_its_own_answers() -> None:
    found = []
    with once.block():
        once.asked("key", lambda: "here")
        thread = threading.Thread(target=lambda: found.append(once.asked("key", lambda: "there")))
        thread.start()
        thread.join()
    assert found == ["there"]


@pytest.mark.parametrize("name", ["no\0name", "x" * 300, "nowhere/file"])
def test_what_cannot_be_looked_at_is_no_file(tmp_path: Path, name: str) -> None:
    assert once.facts(tmp_path / name) is None
    assert not once.is_file(tmp_path / name)
