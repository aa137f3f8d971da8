"""Only regular files are read, and none outside their folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from landcover.core.regular_file import open_regular, read_regular


def test_a_file_is_read_within_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert read_regular(path, 3) == b"abc"
    with pytest.raises(ValueError, match="more than 2 bytes"):
        read_regular(path, 2)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "y", 3)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "linked-pipe"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"not a regular file|directory"):
        open_regular(path)


def test_a_link_may_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"abc")
    (folder / "own").write_bytes(b"abc")
    (folder / "out").symlink_to("../secret")
    (folder / "in").symlink_to("own")
    (folder / "circle").symlink_to("circle")
    assert read_regular(folder / "in", 9, inside=folder) == b"abc"
    assert read_regular(folder / "out", 9) == b"abc"
    with pytest.raises(OSError, match="out of its folder"):
        read_regular(folder / "out", 9, inside=folder)
    with pytest.raises(OSError, match=r"circle|symbolic"):
        read_regular(folder / "circle", 9, inside=folder)
    (tmp_path / "link").symlink_to(folder)
    assert read_regular(tmp_path / "link" / "own", 9, inside=tmp_path / "link") == b"abc"


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="a file of Linux")
def test_nothing_is_read_from_a_file_of_the_kernel(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.symlink_to("/proc/self/cmdline")
    assert path.read_bytes()
    assert read_regular(path, 9) == b""
    with open_regular(path) as file:
        assert file.read() == b""
