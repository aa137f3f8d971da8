"""Writing files and folders: whole or not at all, locked, and nothing left after a kill."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from os import _exit as leave
from pathlib import Path

import pytest

from landcover.core import files
from landcover.core.errors import BadInput
from tests.support.disks import needs_mounts, on_disk

posix = pytest.mark.skipif(os.name != "posix", reason="needs locks of POSIX")


def started(code: str, *words: object) -> subprocess.Popen[str]:
    """Start a program and wait until it prints a line."""
    command = [sys.executable, "-c", f"import sys, time, pathlib\n{code}", *map(str, words)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def killed(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.wait()
    assert child.stdout is not None
    child.stdout.close()


HALF = """
from landcover.core import files
with files.replacing(pathlib.Path(sys.argv[1])) as part:
    part.write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""
SCRATCH = """
from landcover.core import files
with files.scratch() as folder:
    (folder / "much").write_text("x")
    print("ready", flush=True)
    time.sleep(60)
"""
LOCKED = """
from landcover.core import files
with files.lock(pathlib.Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_file_has_the_usual_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_text(tmp_path / "a.txt", "é\n")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").read_bytes() == "é\n".encode()
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for content in (b"old", b"new"):
        files.write_bytes(path, content)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("a.txt", b"new")]


@pytest.mark.parametrize("error", [OSError(28, "No space"), ValueError("bug"), KeyboardInterrupt])
def test_an_older_file_stays_if_the_writing_fails(
    error: BaseException | type[BaseException], tmp_path: Path
) -> None:
    path = tmp_path / "good.png"
    path.write_bytes(b"good")

    def write() -> None:
        with files.replacing(path) as part:
            assert part.name == "good.png", "writers choose the format by the extension"
            part.write_bytes(b"half")
            raise error

    with pytest.raises((BadInput, ValueError, KeyboardInterrupt)):
        write()
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [
        ("good.png", b"good")
    ]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "other")
    files.write_text(tmp_path / "link", "new")
    assert (tmp_path / "other").read_text() == "mine"
    assert (tmp_path / "link").read_text() == "new"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("folder", "it is a folder; name a file"),
        ("none/a.txt", "its folder does not exist; make the folder"),
        ("file/a.txt", "a part of its path is a file"),
        ("x" * 300, "the name is too long; give a shorter name"),
        ("a\0b", "not a valid name"),
        ("pipe", "a device, not a file"),
        ("/dev/null", "a device, not a file"),
        ("/dev/stdout", "a device, not a file"),
    ],
)
@posix
def test_names_that_cannot_be_written_are_one_sentence(name: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput, match=why) as found:
        files.write_text(tmp_path / name, "x")
    assert str(found.value).count("\n") == 0
    assert str(found.value).endswith(".")


def fill(folder: Path) -> None:
    files.write_bytes(folder / "big", b"x" * 3_000_000)


def fill_a_folder(folder: Path) -> None:
    with files.aside(folder, "big") as part:
        (part / "x").write_bytes(b"x" * 3_000_000)
        files.settle(part, folder / "big")


def locked(folder: Path) -> None:
    with files.lock(folder / "out"):
        fill(folder / "out")


@needs_mounts
@pytest.mark.parametrize("write", [fill, fill_a_folder, locked])
@pytest.mark.parametrize(
    ("options", "why"), [("size=1m", "the disk is full"), ("ro", "the disk is read-only")]
)
def test_a_full_or_read_only_disk_is_one_sentence(
    options: str, why: str, write: Callable[[Path], None]
) -> None:
    def attempt(disk: Path) -> str:
        with pytest.raises(BadInput) as found:
            write(disk)
        assert [path.name for path in disk.iterdir()] == []
        return str(found.value)

    message = on_disk(options, attempt)
    assert "cannot be written" in message
    assert why in message


DISTANT = pytest.mark.parametrize("moment", [0, 4_000_000_000], ids=["in 1970", "in 2096"])
"""Times of files after jumps of the clock."""


@posix
@DISTANT
def test_what_a_killed_program_left_is_removed_and_the_old_file_stays(
    moment: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("good")
    killed(started(HALF, path))
    (left,) = tmp_path.glob(".*.part")
    os.utime(left, (moment, moment))
    assert files.remove_abandoned(tmp_path) == 1
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("a.txt", "good")]


@posix
@DISTANT
def test_files_of_a_living_program_are_never_removed(moment: int, tmp_path: Path) -> None:
    child = started(HALF, tmp_path / "a.txt")
    try:
        (part,) = tmp_path.glob(".*.part")
        os.utime(part, (moment, moment))
        assert files.remove_abandoned(tmp_path) == 0
        files.write_text(tmp_path / "b.txt", "b")
        assert len(list(tmp_path.glob(".*.part/a.txt"))) == 1
    finally:
        killed(child)


@posix
def test_similar_names_of_the_user_are_never_removed(tmp_path: Path) -> None:
    mine = {".a.part", ".a.landcover-1.part", "a.landcover-0123456789ab.part"}
    for name in mine:
        (tmp_path / name).mkdir()
    (tmp_path / ".a.landcover-0123456789ab.part").touch()  # a file
    (tmp_path / ".b.landcover-0123456789ab.part").symlink_to(tmp_path)
    assert files.remove_abandoned(tmp_path) == 0
    assert len(list(tmp_path.iterdir())) == 5


@posix
def test_scratch_folders_of_killed_programs_are_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    killed(started(SCRATCH))
    alive = started(SCRATCH)
    try:
        with files.scratch() as folder:
            assert folder.parent == tmp_path
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert len(list(tmp_path.iterdir())) == 2, "the living program's and this one"
    finally:
        killed(alive)
    assert files.remove_abandoned() == 1
    assert list(tmp_path.iterdir()) == []


@needs_mounts
def test_a_full_folder_for_temporary_files_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def attempt(disk: Path) -> str:
        monkeypatch.setattr("tempfile.tempdir", str(disk))
        with pytest.raises(BadInput) as found, files.scratch() as folder:
            (folder / "x").write_bytes(b"x" * 3_000_000)
        return str(found.value)

    assert "temporary files cannot be used (the disk is full)" in on_disk("size=1m", attempt)


@posix
def test_a_locked_folder_refuses_a_second_run_and_says_whose_it_is(tmp_path: Path) -> None:
    out = tmp_path / "new" / "run"
    child = started(LOCKED, out)
    try:
        message = rf"'run' is being written by another run \(process {child.pid} since 20.* UTC\)"
        with pytest.raises(BadInput, match=message), files.lock(out):
            pass
    finally:
        killed(child)
    with files.lock(out):
        files.write_text(out / "a", "the lock ended with the process")
    assert [path.name for path in out.iterdir()] == ["a"]


@posix
def test_a_second_thread_is_refused_too(tmp_path: Path) -> None:
    said = []

    def second() -> None:
        try:
            with files.lock(tmp_path):
                said.append("locked")
        except BadInput as error:
            said.append(str(error))

    with files.lock(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert f"process {os.getpid()} since" in said[0]


@posix
def test_a_locked_file_refuses_a_second_run(tmp_path: Path) -> None:
    path = tmp_path / "index.parquet"
    with (
        files.lock_file(path),
        pytest.raises(BadInput, match=r"'index\.parquet' is being written"),
        files.lock_file(path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@posix
def test_a_folder_made_for_the_lock_goes_if_nothing_was_written(tmp_path: Path) -> None:
    with files.lock(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []


@posix
def test_a_forked_child_neither_holds_nor_ends_a_lock(tmp_path: Path) -> None:
    with files.lock(tmp_path / "run"):
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
            leave(0)
        os.waitpid(child, os.WUNTRACED)
        with pytest.raises(BadInput), files.lock(tmp_path / "run"):
            pass
    try:
        with files.lock(tmp_path / "run"):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@posix
def test_many_runs_at_once_take_the_lock_one_after_the_other(tmp_path: Path) -> None:
    counter, inside = tmp_path / "n", []

    def run() -> None:
        done = 0
        while done < 20:
            try:
                with files.lock(tmp_path / "run"):
                    inside.append(1)
                    assert len(inside) == 1
                    value = int(counter.read_text()) if counter.exists() else 0
                    files.write_text(counter, str(value + 1), durable=False)
                    inside.pop()
                done += 1
            except BadInput:
                continue

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.read_text() == "80"


def test_a_folder_appears_complete(tmp_path: Path) -> None:
    with files.aside(tmp_path, "model") as part:
        (part / "new" / "trust").mkdir(parents=True)
        (part / "new" / "trust" / "a.json").write_text("{}")
        assert not (tmp_path / "model").exists()
        files.settle(part / "new", tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "trust" / "a.json").read_text() == "{}"
