"""Zips that other people made: everything is checked before anything is unpacked."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.io.archive import Zip
from landcover.io.zip_reader import (
    Budget,
    Directory,
    ZipFault,
    read_directory,
    upload_budget,
)

LOCAL, CENTRAL = b"PK\3\4", b"PK\1\2"
TEXT = b"reflectance " * 5000


def zip_of(*members: tuple[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", kind) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, kind)
    return held.getvalue()


def changed(data: bytes, magic: bytes, at: int, value: bytes) -> bytes:
    """A zip in whose first header of a kind some bytes differ."""
    start = data.index(magic) + at
    return data[:start] + value + data[start + len(value) :]


def directory_of(many: int, stated: int, *, zip64: bool = False) -> bytes:
    """A zip of which each entry of the directory is the same empty member."""
    local = struct.pack("<4s5H3L2H", LOCAL, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    entry = struct.pack("<4s6H3L5H2L", CENTRAL, 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, *[0] * 6) + b"a"
    size, start = many * len(entry), len(local)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, stated, stated, size, start, 0)
    if zip64:
        record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, stated, stated, size, start)
        locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + size, 1)
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *[0xFFFF] * 2, *[0xFFFFFFFF] * 2, 0)
        end = record + locator + end
    return local + entry * many + end


def shared_bytes() -> bytes:
    """Two members that unpack the same bytes: the second begins at the first one's header."""
    data = zip_of(("a.tif", TEXT), ("b.tif", TEXT))
    second = data.index(CENTRAL, data.index(CENTRAL) + 4)
    return data[: second + 42] + bytes(4) + data[second + 46 :]


def nested() -> bytes:
    """A member that begins inside another one's bytes."""
    inner = zip_of(("b.tif", TEXT), kind=zipfile.ZIP_STORED)
    outer = zip_of(("a.tif", inner), ("b.tif", TEXT), kind=zipfile.ZIP_STORED)
    second = outer.index(CENTRAL, outer.rindex(LOCAL))
    second = outer.index(CENTRAL, second + 4)
    at = outer.index(LOCAL, 4)
    return outer[: second + 42] + struct.pack("<L", at) + outer[second + 46 :]


def test_good_members_are_unpacked(tmp_path: Path) -> None:
    members = [("a/x.tif", TEXT), ("empty", b""), ("ü/ñ 1.tif", bytes(3_000_000))]
    for kind in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        data = b"prepended" + zip_of(*members, kind=kind)
        path = tmp_path / "a.zip"
        path.write_bytes(data)
        for source in (data, path, io.BytesIO(data)):
            found = read_directory(source, 3)
            assert found.entries == 3
            read = {name: found.read(source, member) for name, member in found.members.items()}
            assert read == dict(members)


def test_members_written_as_a_stream_are_unpacked() -> None:
    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: object) -> int:
            raise io.UnsupportedOperation

    held = Unseekable()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.tif", TEXT)
        with archive.open("b.tif", "w", force_zip64=True) as file:
            file.write(TEXT)
    data = held.getvalue()
    found = read_directory(data, 2)
    assert [found.read(data, member) for member in found.members.values()] == [TEXT, TEXT]


@pytest.mark.parametrize("zip64", [False, True])
@pytest.mark.parametrize("stated", [1, 60_000])
def test_a_long_directory_is_not_parsed(stated: int, *, zip64: bool) -> None:
    data = directory_of(500_000, stated, zip64=zip64)
    tracemalloc.start()
    with pytest.raises(ZipFault, match="lists more than 1,000 files: unpack it"):
        read_directory(data, 1_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_the_number_of_entries_is_exact() -> None:
    data = zip_of(*[(f"{n}", b"") for n in range(20)])
    assert read_directory(data, 20).entries == 20
    with pytest.raises(ZipFault, match="more than 19 files"):
        read_directory(data, 19)


def opened(folder: Path, data: bytes, name: str = "a.zip", *, is_upload: bool = True) -> Zip:
    path = folder / name
    path.write_bytes(data)
    return Zip(path, name, is_upload)


GOOD = zip_of(("a.tif", TEXT))
HOSTILE: dict[str, tuple[bytes, str]] = {
    "bzip2": (zip_of(("a.tif", TEXT), kind=zipfile.ZIP_BZIP2), "another compression"),
    "lzma": (zip_of(("a.tif", TEXT), kind=zipfile.ZIP_LZMA), "another compression"),
    "zstandard": (changed(GOOD, CENTRAL, 10, b"\x5d\0"), "another compression"),
    "encrypted": (changed(GOOD, CENTRAL, 8, b"\1\0"), "is encrypted"),
    "a later version": (changed(GOOD, CENTRAL, 6, b"\xff\0"), "damaged or not a zip"),
    "shared bytes": (shared_bytes(), "share bytes"),
    "nested members": (nested(), "share bytes"),
    "the directory twice": (directory_of(2, 2), "share bytes"),
    "beyond the end": (changed(GOOD, CENTRAL, 20, struct.pack("<L", 10**6)), "share bytes"),
    "impossible size": (changed(GOOD, CENTRAL, 24, b"\xfe\xff\xff\x7f"), "states more bytes"),
    "stored, two sizes": (
        changed(zip_of(("a", TEXT), kind=0), CENTRAL, 24, b"\1\0\0\0"),
        "states more bytes",
    ),
    "parent": (zip_of(("../a.tif", b"")), "leads out of its folder"),
    "parent inside": (zip_of(("a/../../b.tif", b"")), "leads out of its folder"),
    "parent, backslashes": (zip_of(("a\\..\\..\\b.tif", b"")), "leads out of its folder"),
    "absolute": (zip_of(("/etc/passwd", b"")), "leads out of its folder"),
    "share": (zip_of(("\\\\server\\a.tif", b"")), "leads out of its folder"),
    "drive": (zip_of(("C:\\a.tif", b"")), "leads out of its folder"),
    "null": (zip_of(("a.tif?x", b"")).replace(b"a.tif?x", b"a.tif\0x"), "control characters"),
    "escape": (zip_of(("a\x1b[31m.tif", b"")), "control characters"),
    "long name": (zip_of(("a" * 5_000, b"")), "empty or too long"),
    "no name": (zip_of(("a", b"")).replace(b"a", b"/"), "empty or too long"),
    "lone surrogate": (
        zip_of(("é?a", b"")).replace("é?a".encode(), b"\xed\xa0\x80a"),
        "damaged or not a zip",
    ),
    "twice": (zip_of(("a.tif", b"1"), ("b.tif", b"2")).replace(b"b.tif", b"a.tif"), "same name"),
    "case": (zip_of(("a.tif", b"1"), ("A.TIF", b"2")), "same name"),
    "file and folder": (zip_of(("a", b"1"), ("a/", b"")), "same name"),
    "cut": (GOOD[:-10], "damaged or not a zip"),
    "no directory": (b"PK\3\4 and then nothing", "damaged or not a zip"),
    "empty": (b"", "damaged or not a zip"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_harmful_directory_is_refused(kind: str, tmp_path: Path) -> None:
    data, why = HOSTILE[kind]
    with pytest.raises(BadInput, match=rf"^'a\.zip' .*{why}.*\.$") as caught:
        opened(tmp_path, data).listing("")
    assert "\n" not in str(caught.value)


def bomb() -> bytes:
    """A member that states ten bytes and unpacks to fifty million."""
    data = zip_of(("a.tif", bytes(50_000_000)))
    return changed(data, CENTRAL, 24, struct.pack("<L", 10))


def other_start() -> bytes:
    """A member whose own header states a long field, so that its bytes begin in the next one."""
    data = zip_of(("a.tif", TEXT), ("b.tif", TEXT))
    return changed(data, LOCAL, 28, struct.pack("<H", 200))


LIES: dict[str, Callable[[], bytes]] = {
    "fewer bytes stated": bomb,
    "more bytes stated": lambda: changed(GOOD, CENTRAL, 24, struct.pack("<L", len(TEXT) + 1)),
    "another checksum": lambda: changed(GOOD, CENTRAL, 16, b"abcd"),
    "another start": other_start,
    "no local header": lambda: changed(GOOD, LOCAL, 0, b"xxxx"),
    "no deflate": lambda: changed(GOOD, LOCAL, 36, b"\xff\xff\xff\xff"),
}


@pytest.mark.parametrize("kind", LIES)
def test_a_member_that_is_not_as_stated_is_refused(kind: str, tmp_path: Path) -> None:
    data = LIES[kind]()
    tracemalloc.start()
    with pytest.raises(BadInput, match=r"^'a\.zip' is damaged: pack it again"):
        opened(tmp_path, data).read("a.tif", 10**9)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_a_budget_covers_all_reads_of_a_zip(tmp_path: Path) -> None:
    data = zip_of(("a", bytes(1_000_000)), ("b", bytes(1_000_000)))
    with limits.changed(archive_slack_bytes=2_500_000, archive_ratio=1):
        packed = opened(tmp_path, data)
        assert len(packed.read("a", 10**9)) + len(packed.read("b", 10**9)) == 2_000_000
        with pytest.raises(BadInput, match=r"^'a\.zip' unpacks to more than 3 MB: unpack it"):
            packed.read("a", 10**9)


def test_the_budget_of_an_upload_depends_on_its_size(tmp_path: Path) -> None:
    with limits.changed(archive_upload_bytes=1_000, archive_ratio=10, archive_slack_bytes=100):
        assert upload_budget(5).most == 150
        assert upload_budget(50).most == 600
        assert upload_budget(5_000).most == 1_000
        data = zip_of(("a", bytes(1_500)))
        with pytest.raises(BadInput, match="unpacks to more than"):
            opened(tmp_path, data, "a.zip").read("a", 10**9)
        assert len(opened(tmp_path, data, is_upload=False).read("a", 10**9)) == 1_500
    with limits.changed(archive_bytes=1_499), pytest.raises(BadInput, match="unpacks to more"):
        opened(tmp_path, data, is_upload=False).read("a", 10**9)


def test_pieces_are_small_and_spend_what_was_unpacked() -> None:
    data = zip_of(("a", bytes(5_000_000)))
    found: Directory = read_directory(data, 1)
    budget = Budget(5_000_000)
    pieces = found.pieces(data, found.members["a"], budget)
    assert len(next(pieces)) <= 1_000_000
    assert budget.left >= 4_000_000
    assert len(b"".join(pieces)) >= 4_000_000
    assert budget.left == 0


def test_a_zip_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(GOOD)
    packed = Zip(path, "a.zip")
    packed.listing("")
    path.unlink()
    with pytest.raises(BadInput, match=r"^'a\.zip' cannot be read"):
        packed.read("a.tif", 10**9)
