"""Unpacking of published archives and of malicious ones."""

from __future__ import annotations

import gc
import io
import random
import stat
import tarfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landcover.core.errors import BadInput, Cancelled
from landcover.core.progress import Progress, ignore
from landcover.datasets import bigearthnet
from landcover.datasets.downloads.unpack import Unpacked, unpack
from landcover.datasets.downloads.zenodo import SOURCES, Contents
from landcover.io.zstandard import zstd
from tests.support.bigearthnet_tree import PRODUCT, PatchSpec, v2_id, write_v2
from tests.support.examples import examples

SPECS = [PatchSpec(v2_id(col), ("Pastures",)) for col in (3, 4)]


def contents_of(name: str, **changes: int) -> Contents:
    """Return the contents of the real archive with other numbers."""
    contents = SOURCES[name].files[-1].contents
    assert contents is not None
    return replace(contents, **changes)  # type: ignore[arg-type]


PATCHES = contents_of("bigearthnet", units=2, files=24, bytes=24 * 30_000)
PICTURES = contents_of("eurosat", units=3, files=3, bytes=30_000)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_v2(tmp_path_factory.mktemp("v2"), SPECS)


def tar_of(tree: Path, archive: Path, *, prefix: str = "", form: int = tarfile.GNU_FORMAT) -> Path:
    with zstd.open(archive, "wb") as packed, tarfile.open(None, "w", packed, format=form) as tar:
        tar.add(tree / "BigEarthNet-S2", f"{prefix}BigEarthNet-S2")
    return archive


def go(archive: Path, root: Path, contents: Contents = PATCHES) -> Unpacked:
    return unpack(archive, root, contents, ignore, Event())


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("prefix", ["", "./"])
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_a_tar_unpacks_to_what_was_packed(
    tree: Path, tmp_path: Path, prefix: str, form: int
) -> None:
    archive = tar_of(tree, tmp_path / "a.tar.zst", prefix=prefix, form=form)
    assert go(archive, tmp_path) == Unpacked(files=24, written=24, others=4)
    assert files(tmp_path / "BigEarthNet-S2") == files(tree / "BigEarthNet-S2")
    (tmp_path / "metadata.parquet").write_bytes((tree / "metadata.parquet").read_bytes())
    assert len(bigearthnet.open_v2(tmp_path).load("train")) == 2


def test_several_frames_are_one_archive(tree: Path, tmp_path: Path) -> None:
    """Large archives may be packed in frames by several CPUs."""
    plain = zstd.decompress(tar_of(tree, tmp_path / "a.tar.zst").read_bytes())
    half = len(plain) // 2
    archive = tmp_path / "two.tar.zst"
    archive.write_bytes(zstd.compress(plain[:half]) + zstd.compress(plain[half:]))
    assert go(archive, tmp_path).files == 24


def test_an_interrupted_unpacking_is_resumed(tree: Path, tmp_path: Path) -> None:
    archive = tar_of(tree, tmp_path / "a.tar.zst")
    cancel = Event()

    with pytest.raises(Cancelled):
        unpack(archive, tmp_path, PATCHES, ignore, _After(cancel, 10))
    begun = files(tmp_path / "BigEarthNet-S2")
    assert 0 < len(begun) < 24
    # The last file may be truncated after a kill.
    cut = tmp_path / "BigEarthNet-S2" / next(iter(begun))
    cut.write_bytes(cut.read_bytes()[:-1])
    assert go(archive, tmp_path) == Unpacked(files=24, written=25 - len(begun), others=4)
    assert files(tmp_path / "BigEarthNet-S2") == files(tree / "BigEarthNet-S2")
    assert go(archive, tmp_path).written == 0


class _After(Event):
    """An event that is set after a number of queries."""

    def __init__(self, event: Event, times: int) -> None:
        super().__init__()
        self.event, self.times = event, times

    def is_set(self) -> bool:
        self.times -= 1
        return self.times < 0


def test_progress_counts_files(tree: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    archive = tar_of(tree, tmp_path / "a.tar.zst")
    unpack(archive, tmp_path, PATCHES, seen.append, Event())
    assert seen[-1].done == seen[-1].total == 24
    unpacked = sum(map(len, files(tree / "BigEarthNet-S2").values()))
    assert seen[-1].detail == f"{unpacked / 1e6:.1f} MB"


BAND = f"BigEarthNet-S2/{PRODUCT}/{v2_id(3)}/{v2_id(3)}_B02.tif"


def member(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 5
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size if kind == tarfile.REGTYPE else 0
    return info


def small_tar(path: Path, *members: tarfile.TarInfo) -> Path:
    with zstd.open(path, "wb") as packed, tarfile.open(None, "w", packed) as tar:
        for info in members:
            tar.addfile(info, io.BytesIO(b"x" * info.size))
    return path


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (member("../evil"), "a path that leads out"),
        (member("/etc/evil"), "a path that leads out"),
        (member("BigEarthNet-S2/../../evil"), "a path that leads out"),
        (member("C:/evil"), "a path that leads out"),
        (member("a\\..\\evil"), "a path that leads out"),
        (member(BAND, tarfile.SYMTYPE, "/etc/passwd"), "a link or a device"),
        (member(BAND, tarfile.LNKTYPE, "../../evil"), "a link or a device"),
        (member(BAND, tarfile.CHRTYPE), "a link or a device"),
        (member(BAND, tarfile.FIFOTYPE), "a link or a device"),
        (member(f"BigEarthNet-S2/{PRODUCT}", tarfile.SYMTYPE, "/tmp"), "a link or a device"),
        (member(BAND, size=300_000), "more than 200,000 bytes"),
        (member("LICENSE"), "contains no patches"),
        (member(BAND + "/x"), "contains no patches"),
        (member(BAND.replace("_B02", "_B13")), "contains no patches"),
    ],
)
def test_malicious_members_are_refused(tmp_path: Path, info: tarfile.TarInfo, message: str) -> None:
    root = tmp_path / "inner" / "root"
    root.mkdir(parents=True)
    archive = small_tar(tmp_path / "a.tar.zst", info)
    with pytest.raises(BadInput, match=message):
        go(archive, root)
    assert files(tmp_path).keys() == {"a.tar.zst"}


def test_files_outside_the_data_set_stay_packed(tmp_path: Path) -> None:
    archive = small_tar(tmp_path / "a.tar.zst", member("README.txt"), member(BAND))
    assert go(archive, tmp_path) == Unpacked(files=1, written=1, others=1)
    assert files(tmp_path).keys() == {"a.tar.zst", BAND}


def test_members_are_not_kept_in_memory(tmp_path: Path) -> None:
    """The real archive has millions of members, so none may stay in memory."""
    archive = small_tar(tmp_path / "a.tar.zst", *(member(f"{n}.txt") for n in range(300)))
    asked, alive = 0, []

    class Counting(Event):
        def is_set(self) -> bool:
            nonlocal asked
            asked += 1
            if asked in {10, 300}:
                # By type, since isinstance makes some objects emit warnings.
                kinds = map(type, gc.get_objects())
                alive.append(sum(issubclass(kind, tarfile.TarInfo) for kind in kinds))
            return False

    with pytest.raises(BadInput, match="contains no patches"):
        unpack(archive, tmp_path, PATCHES, ignore, Counting())
    assert asked == 300
    assert alive[1] <= alive[0] + 5


def test_more_data_than_the_data_set_has_is_refused(tmp_path: Path) -> None:
    many = [member(BAND.replace("_3_0", f"_3_{n}"), size=30_000) for n in range(40)]
    with pytest.raises(BadInput, match="unpacks to more than 1 MB"):
        go(small_tar(tmp_path / "a.tar.zst", *many), tmp_path)


def test_a_decompression_bomb_is_refused_early(tmp_path: Path) -> None:
    """An archive of kilobytes that unpacks to gigabytes is refused in little time."""
    bomb = tmp_path / "a.tar.zst"
    zeros = zstd.compress(b"\0" * 200_000_000)
    small = replace(PATCHES, files=1, bytes=1000)
    huge = member("big", size=10**12)
    bomb.write_bytes(zstd.compress(huge.tobuf(tarfile.GNU_FORMAT)) + zeros * 50)
    assert bomb.stat().st_size < 2_000_000
    started = time.monotonic()
    with pytest.raises(BadInput, match="far more data than BigEarthNet-S2 has"):
        go(bomb, tmp_path, small)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_SPARSE]
)
def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path, kind: bytes) -> None:
    info = member("x")
    info.type, info.size = kind, 10**11
    archive = tmp_path / "a.tar.zst"
    archive.write_bytes(zstd.compress(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1_000_000))
    with pytest.raises(BadInput, match="The archive has an invalid header: download it again"):
        go(archive, tmp_path)


def test_an_unwritable_folder_is_reported(tree: Path, tmp_path: Path) -> None:
    archive = tar_of(tree, tmp_path / "a.tar.zst")
    (tmp_path / "BigEarthNet-S2").write_text("in the way")
    with pytest.raises(BadInput, match="cannot be written"):
        go(archive, tmp_path)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"mine")
    target = tmp_path / BAND
    target.parent.mkdir(parents=True)
    archive = small_tar(tmp_path / "a.tar.zst", member(BAND))
    for name in (target.name, f".{target.name}.part"):
        link = target.with_name(name)
        link.symlink_to(other)
        with suppress(BadInput):  # a link is replaced, or refused where the file is written aside
            go(archive, tmp_path)
        assert other.read_bytes() == b"mine"
        link.unlink()


@pytest.fixture(scope="module")
def packed(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return tar_of(tree, tmp_path_factory.mktemp("packed") / "a.tar.zst").read_bytes()


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), flips=st.integers(0, 4), cut=st.booleans())
def test_damaged_archives_are_refused_or_unpack_correctly_named_files(
    packed: bytes, tmp_path_factory: pytest.TempPathFactory, seed: int, flips: int, *, cut: bool
) -> None:
    """Flip bits in the packed bytes, and in the tar itself, which has no checksums of data."""
    random_ = random.Random(seed)
    outer = seed % 2 == 0
    data = bytearray(packed if outer else zstd.decompress(packed))
    for _ in range(flips):
        data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
    data = data[: random_.randrange(len(data))] if cut else data
    folder = tmp_path_factory.mktemp("flip")
    archive = folder / "a.tar.zst"
    archive.write_bytes(bytes(data) if outer else zstd.compress(bytes(data)))
    root = folder / "root"
    root.mkdir()
    try:
        done = go(archive, root)
    except BadInput:
        pass
    else:
        assert done.files == len(files(root)) <= 24
    assert {path.name for path in folder.iterdir()} == {"a.tar.zst", "root"}


def sized(size: str) -> bytes:
    """A header with that size in its extension."""
    info = member(BAND)
    info.pax_headers = {"size": size}
    return info.tobuf(tarfile.PAX_FORMAT) + b"hello".ljust(512, b"\0")


def negative(size: int) -> bytes:
    """A header with that size in binary."""
    head = bytearray(member(BAND).tobuf(tarfile.GNU_FORMAT))
    head[124:136] = (size & (2**96 - 1)).to_bytes(12, "big")
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (sized("-512"), "is damaged"),
        (sized("-1024000"), "is damaged"),
        (sized("9" * 400), "more than 200,000 bytes"),
        (negative(-512), "is damaged"),
        (negative(-1), "is damaged"),
    ],
)
def test_impossible_sizes_are_refused(tmp_path: Path, head: bytes, message: str) -> None:
    archive = tmp_path / "a.tar.zst"
    archive.write_bytes(zstd.compress(head + bytes(1024)))
    with pytest.raises(BadInput, match=message) as caught:
        go(archive, tmp_path)
    assert len(str(caught.value)) < 200


# Zip


def zip_of(path: Path, entries: dict[str, bytes], mode: int = stat.S_IFREG | 0o644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return path


GOOD = {
    f"EuroSAT_RGB/{label}/{label}_{n}.jpg": bytes([n]) * 3000
    for n, label in enumerate(["Forest", "River", "SeaLake"])
}


def test_a_zip_unpacks_to_what_was_packed(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"EuroSAT_RGB/": b"", **GOOD})
    assert go(archive, tmp_path, PICTURES) == Unpacked(files=3, written=3, others=0)
    assert {name: (tmp_path / name).read_bytes() for name in GOOD} == GOOD
    assert go(archive, tmp_path, PICTURES).written == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: zip_of(p, {"../evil.jpg": b"x"}), "a path that leads out"),
        (lambda p: zip_of(p, {"/evil.jpg": b"x"}), "a path that leads out"),
        (lambda p: zip_of(p, GOOD, stat.S_IFLNK | 0o777), "a link or a device"),
        (lambda p: zip_of(p, {next(iter(GOOD)): b"\0" * 10**7}), "has more than"),
        (lambda p: zip_of(p, {"EuroSAT_RGB/Forest/Forest_1.exe": b"x"}), "contains no pictures"),
        (lambda p: zip_of(p, {f"{n}.txt": b"" for n in range(10_010)}), "lists more than"),
        (lambda p: _write(p, b"PK"), "is damaged"),
        (lambda p: _flip(zip_of(p, GOOD)), "is damaged"),
        (lambda p: _encrypt(zip_of(p, GOOD)), "is encrypted"),
        (lambda p: _understate(zip_of(p, GOOD)), "is damaged"),
    ],
)
def test_malicious_zips_are_refused(
    tmp_path: Path, make: Callable[[Path], Path], message: str
) -> None:
    archive = make(tmp_path / "a.zip")
    root = tmp_path / "inner" / "root"
    root.mkdir(parents=True)
    with pytest.raises(BadInput, match=message):
        go(archive, root, PICTURES)
    assert all(b"x" not in data for data in files(root).values())


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _flip(path: Path) -> Path:
    """Flip one bit of the first member's packed bytes."""
    data = bytearray(path.read_bytes())
    data[30 + len(next(iter(GOOD))) + 3] ^= 64
    return _write(path, bytes(data))


def _encrypt(path: Path) -> Path:
    """Set the encryption flag in every header of both kinds."""
    data = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(magic)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(magic, at + 4)
    return _write(path, bytes(data))


def _understate(path: Path) -> Path:
    """Set a size in the directory that is smaller than the unpacked data."""
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\1\2")
    data[at + 24 : at + 28] = (100).to_bytes(4, "little")
    return _write(path, bytes(data))
