"""What a session holds: files stay as long as an image is read from them, within bounds."""

from __future__ import annotations

import gc

import pytest

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.core.window import Window
from pages.parts.shared.holdings import Holdings, Whole, stored_by_all

EXTENT = Window.around(48.2, 16.4, pixels=3000)


@pytest.fixture
def held() -> Holdings:
    return Holdings()


def keep(held: Holdings, *names: str) -> None:
    for name in names:
        held.keep_file(name, f"{name}.tif", memoryview(bytes(100)))


def whole(held: Holdings, *names: str) -> Whole:
    files = tuple((f"{name}.tif", held.files[name]) for name in names)
    return Whole(title=names[0], files=files, address=files[0][0], extent=EXTENT, picture=None)


def on_disk(held: Holdings) -> set[str]:
    assert {one.path.exists() for one in held.files.values()} <= {True}
    assert len(list(held.folder.iterdir())) == len(held.files)
    return set(held.files)


def test_files_of_an_image_stay_until_they_are_taken_back(held: Holdings) -> None:
    keep(held, "a", "b", "c")
    held.wholes["image"] = whole(held, "a", "b")
    held.keep_only([])
    assert on_disk(held) == {"a", "b"}
    held.remove_files({"b"})
    assert not held.wholes
    held.keep_only([])
    assert on_disk(held) == set()


def test_the_oldest_images_make_room(held: Holdings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{limits.PREFIX}SESSION_UPLOAD_BYTES", "300")
    for name in ("a", "b", "c"):
        keep(held, name)
        held.wholes[name] = whole(held, name)
    held.keep_only(["a"], room=100)
    assert on_disk(held) == {"a", "c"}
    # What the user has chosen now is never dropped.
    held.keep_only(["a", "c"], room=200)
    keep(held, "d")
    with pytest.raises(BadInput, match="together with your other files"):
        keep(held, "e")
    held.clear()
    assert on_disk(held) == set()


def test_the_disk_of_a_server_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()  # what earlier tests held
    monkeypatch.setenv(f"{limits.PREFIX}STORED_UPLOAD_BYTES", str(stored_by_all() + 150))
    first, second = Holdings(), Holdings()
    keep(first, "a")
    with pytest.raises(BadInput, match=r"no room left on its disk for 'b\.tif'"):
        keep(second, "b")
    first.clear()
    keep(second, "b")
