"""The folder for the program's own files, and the messages if it cannot be used."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from landcover.core import home
from landcover.core.errors import BadInput

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")


def test_the_variable_sets_the_folder_and_it_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(home.VARIABLE, str(tmp_path / "a" / "b"))
    assert home.folder() == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()
    assert home.folder() == tmp_path / "a" / "b", "an existing folder is fine"


@posix
def test_only_its_user_may_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(home.VARIABLE, str(tmp_path / "mine"))
    assert stat.S_IMODE(home.folder().stat().st_mode) == 0o700


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the rule of Linux desktops")
@pytest.mark.parametrize("named", ["", "  "])
def test_without_the_variable_it_is_the_users_cache_folder(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(home.VARIABLE, named)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert home.folder() == tmp_path / "xdg" / "landcover"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "somebody"))
    assert home.folder() == tmp_path / "somebody" / ".cache" / "landcover"


@posix
def test_a_tilde_and_a_relative_path_become_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "somebody"))
    monkeypatch.setenv(home.VARIABLE, "~/kept")
    assert home.folder() == tmp_path / "somebody" / "kept"
    monkeypatch.setenv(home.VARIABLE, "here")
    assert home.folder() == tmp_path / "here"
    monkeypatch.setenv(home.VARIABLE, "~no-such-user-at-all/x")
    assert home.folder() == tmp_path / "~no-such-user-at-all" / "x"


def error_message() -> str:
    with pytest.raises(BadInput) as caught:
        home.folder()
    text = str(caught.value)
    assert text.endswith("set LANDCOVER_HOME to a folder that you can write to.")
    assert "\n" not in text
    return text


def test_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv(home.VARIABLE, str(tmp_path / "file"))
    assert "is a file, not a folder" in error_message()
    monkeypatch.setenv(home.VARIABLE, str(tmp_path / "file" / "below"))
    assert "cannot be created" in error_message()
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the rule of Linux desktops")
def test_the_message_says_what_to_do_if_the_default_cannot_be_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv(home.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert error_message().startswith("Files are kept in ")


def test_a_name_that_is_too_long_for_a_file_system_is_refused_and_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(home.VARIABLE, str(tmp_path / ("x" * 5000)))
    assert len(error_message()) < 300


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_cannot_be_written_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.setenv(home.VARIABLE, str(tmp_path))
    assert "cannot be written to" in error_message()


def test_a_read_only_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(home.VARIABLE, str(tmp_path))
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)
    assert "cannot be written to" in error_message()
