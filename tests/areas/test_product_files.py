"""Names, room and places of the files of a map."""

from __future__ import annotations

import os
import signal
import sys
from os import _exit as leave
from pathlib import Path

import pytest

from landcover.areas.layout import layers_of
from landcover.areas.parts import folder_of
from landcover.areas.product_files import (
    Written,
    check_space,
    finished_folder,
    needed,
    settle_all,
    settle_finished,
)
from landcover.core.errors import BadInput
from tests.areas.small_maps import COVERS, plan_of
from tests.support.disks import needs_mounts, on_disk

CLASSES = tuple(f"class {n}" for n in range(19))


def test_files_are_named_after_the_map() -> None:
    found = Written.beside(Path("maps/valley.tif"), cover=True)
    assert [path.name for path in found.all] == [
        "valley.tif",
        "valley-cover.tif",
        "valley-decision.tif",
        "valley-decision.tif.aux.xml",
        "valley.json",
        "valley.csv",
        "valley.qml",
        "valley-cover.qml",
        "valley-decision.qml",
    ]
    assert len({path.parent for path in found.all}) == 1


@pytest.mark.parametrize("name", ["valley", "valley.png", ".tif", "valley.tif.gz"])
def test_another_ending_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match=r"ends with \.tif"):
        Written.beside(Path(name), cover=True)


def test_the_room_of_a_whole_tile_is_stated() -> None:
    found = needed(layers_of(plan_of(10_980, 10_980), CLASSES, COVERS))
    cells, windows = 1_374**2, 458**2
    pixels = 8 * cells + 23 * windows  # of all layers, which the finished blocks hold too
    assert 2.2 * pixels < found.temporary < 2.35 * pixels
    assert 1.2 * pixels < found.files < 1.4 * pixels + 2e6
    assert found.total == found.temporary + found.files


def test_too_little_room_is_one_sentence_with_the_numbers(tmp_path: Path) -> None:
    planet = layers_of(plan_of(40_000_008, 20_000_040, step=8, block=4_800), CLASSES, COVERS)
    with pytest.raises(BadInput, match=r"needs up to [\d,.]+ GB .* and [\d,.]+ GB are free"):
        check_space(tmp_path / "planet.tif", planet)


@needs_mounts
@pytest.mark.parametrize(("name", "said"), [("0000-0001.safetensors", "enough"), ("a", "needs up")])
def test_finished_blocks_of_a_stopped_map_have_their_room(name: str, said: str) -> None:
    layers = layers_of(plan_of(2_400, 2_400), CLASSES, COVERS)
    wanted = needed(layers).total

    def attempt(disk: Path) -> str:
        folder = folder_of(disk / "map.tif")
        folder.mkdir()
        (folder / name).write_bytes(bytes(400_000))
        try:
            check_space(disk / "map.tif", layers)
        except BadInput as error:
            return str(error)
        return "enough"

    assert said in on_disk(f"size={wanted + 200_000}", attempt)


def test_something_else_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a-cover.tif").mkdir()
    layers = layers_of(plan_of(), CLASSES, COVERS)
    with pytest.raises(BadInput, match="it is a folder"):
        check_space(tmp_path / "a.tif", layers)
    with pytest.raises(BadInput, match="folder does not exist"):
        check_space(tmp_path / "none" / "a.tif", layers)


def state(out: Path) -> set[bytes]:
    """What the files of the map hold: "old", "new" or both."""
    return {path.read_bytes() for path in Written.beside(out, cover=True).all if path.exists()}


def put(folder: Path, written: Written, content: bytes) -> None:
    folder.mkdir(exist_ok=True)
    for path in written.all:
        (folder / path.name).write_bytes(content)


def test_a_kill_at_any_moment_leaves_the_older_files_or_the_newer_ones(tmp_path: Path) -> None:
    """The kernel ends a process at each renaming and removal in turn."""
    done, seen = False, []
    for moment in range(40):
        out = tmp_path / str(moment) / "valley.tif"
        whole, part = Written.beside(out, cover=True), Written.beside(out, cover=False)
        put(out.parent, whole, b"old")
        new = out.parent / "new"
        put(new, part, b"new")
        child = os.fork()
        if child == 0:
            count = 0

            def kill(event: str, _: object, moment: int = moment) -> None:
                nonlocal count
                if event in ("os.rename", "os.remove", "os.rmdir"):
                    if count == moment:
                        os.kill(os.getpid(), signal.SIGKILL)
                    count += 1

            sys.addaudithook(kill)
            settle_all(new, out, part)
            leave(0)
        _, status = os.waitpid(child, 0)
        done = not os.WIFSIGNALED(status)
        finished = settle_finished(out)
        assert not finished_folder(out).exists()
        found = state(out)
        assert found in ({b"old"}, {b"new"})
        if found == {b"new"}:
            assert all(path.exists() for path in part.all)
            assert not whole.rasters["cover"].exists()
        else:
            assert not finished
            assert all(path.exists() for path in whole.all)
        seen.append(found == {b"new"})
        if done:
            break
    assert done
    assert seen == sorted(seen)  # once the new files are decided on, they stay
    assert not seen[0]
    assert seen.index(True) < len(seen) - 3


@pytest.mark.parametrize("content", [None, b"", b"3", b"not JSON"])
def test_a_hidden_folder_without_a_list_is_removed(tmp_path: Path, content: bytes | None) -> None:
    out = tmp_path / "valley.tif"
    put(tmp_path, Written.beside(out, cover=True), b"old")
    folder = finished_folder(out)
    folder.mkdir()
    (folder / "valley.tif").write_bytes(b"new")
    if content is not None:
        (folder / "files.json").write_bytes(content)
    assert not settle_finished(out)
    assert not folder.exists()
    assert state(out) == {b"old"}


def test_a_link_in_the_place_of_the_hidden_folder_is_not_followed(tmp_path: Path) -> None:
    out = tmp_path / "valley.tif"
    other = tmp_path / "other"
    other.mkdir()
    (other / "files.json").write_text('["valley.tif"]')
    (other / "valley.tif").write_bytes(b"foreign")
    finished_folder(out).symlink_to(other)
    assert not settle_finished(out)
    assert (other / "valley.tif").exists()
    assert not out.exists()
