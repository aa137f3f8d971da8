"""Downloads of data sets: what is fetched, unpacked, kept, refused, and resumed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from landcover.core.errors import BadInput, Cancelled, FetchError, UnknownName
from landcover.datasets import bigearthnet, eurosat
from landcover.datasets.downloads import SOURCES, RetryPolicy, Source, download, source
from landcover.datasets.downloads.check import OFFICIAL, as_text, check
from landcover.datasets.downloads.unpacked_markers import MARKER_FILE
from tests.datasets.downloads.test_unpack import contents_of, tar_of, zip_of
from tests.datasets.test_eurosat import picture
from tests.support.bigearthnet_tree import PatchSpec, v2_id, write_table, write_v2
from tests.support.file_server import FileServer, Step

S2 = "BigEarthNet-S2.tar.zst"
RGB = "EuroSAT_RGB.zip"
TABLE = "metadata.parquet"
FLAWED = "metadata_for_patches_with_snow_cloud_or_shadow.parquet"
QUICK = RetryPolicy(
    attempts=3, first_attempts=3, first_wait_s=0.001, progress_bytes=1000, silence_s=1
)
SPECS = [
    PatchSpec(v2_id(1), ("Pastures",)),
    PatchSpec(v2_id(2), ("Inland waters",), split="validation"),
    PatchSpec(v2_id(3), ("Pastures",), split="test"),
    PatchSpec(v2_id(4), ("Pastures",), cloudy=True),
]
PATCHES = contents_of("bigearthnet", units=4, files=48, bytes=48 * 30_000, disk_bytes=48 * 32_768)
PICTURES = contents_of("eurosat", units=3, files=3, bytes=30_000, disk_bytes=3 * 4096)
NAMES = [f"EuroSAT_RGB/{name}/{name}_1.jpg" for name in ("Forest", "River", "SeaLake")]


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileServer]:
    folder = tmp_path_factory.mktemp("published")
    tree = write_v2(folder, SPECS)
    rgb = zip_of(folder / RGB, {name: picture(40 * k) for k, name in enumerate(NAMES)})
    tar = tar_of(tree, folder / S2)
    paths = (tree / TABLE, tree / FLAWED, tar, rgb)
    with FileServer({path.name: path.read_bytes() for path in paths}) as server:
        yield server


@pytest.fixture
def server(one_server: FileServer) -> FileServer:
    one_server.reset()
    return one_server


def bigearthnet_source(server: FileServer) -> Source:
    files = [server.remote(FLAWED), server.remote(TABLE), server.remote(S2, contents=PATCHES)]
    return replace(SOURCES["bigearthnet"], base=server.url, record=4711, files=tuple(files))


def eurosat_source(server: FileServer, **changes: object) -> Source:
    file = server.remote(RGB, contents=PICTURES, **changes)
    return replace(SOURCES["eurosat"], base=server.url, record=4711, files=(file,))


def names(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


def test_bigearthnet_from_nothing_to_patches(server: FileServer, tmp_path: Path) -> None:
    server.script.extend([Step(kind="drop", count=100), Step(kind="status", retry_after="0")])
    root = tmp_path / "a" / "b"
    done = download(bigearthnet_source(server), root, retry_policy=QUICK)
    assert done.fetched == (FLAWED, TABLE, S2)
    assert done.unpacked == {"BigEarthNet-S2": 48}
    assert done.notes == done.present == ()
    assert names(root) == {"BigEarthNet-S2", FLAWED, TABLE, MARKER_FILE}
    dataset = bigearthnet.open_v2(root)
    assert len(dataset.records("train")) == len(dataset.flawed()) == 1
    assert dataset.load(["train", "test"]).g10.min() > 0

    server.requests.clear()
    again = download(bigearthnet_source(server), root, retry_policy=QUICK)
    assert again.fetched == ()
    assert set(again.present) == {FLAWED, TABLE, S2}
    assert server.requests == []


def test_metadata_only(server: FileServer, tmp_path: Path) -> None:
    done = download(bigearthnet_source(server), tmp_path, metadata_only=True, retry_policy=QUICK)
    assert done.fetched == (FLAWED, TABLE)
    assert names(tmp_path) == {FLAWED, TABLE}
    with pytest.raises(BadInput, match="has no table without its pixels: omit --metadata-only"):
        download(eurosat_source(server), tmp_path, metadata_only=True)
    # The pixels can follow.
    assert download(bigearthnet_source(server), tmp_path, retry_policy=QUICK).fetched == (S2,)


def test_eurosat_unpacked_and_packed(server: FileServer, tmp_path: Path) -> None:
    unpacked, packed, both = (tmp_path / name for name in ("unpacked", "packed", "both"))
    download(eurosat_source(server), unpacked, retry_policy=QUICK)
    download(eurosat_source(server), packed, packed=True, retry_policy=QUICK)
    download(eurosat_source(server), both, keep_archive=True, retry_policy=QUICK)
    assert names(unpacked) == {"EuroSAT_RGB", MARKER_FILE}
    assert names(packed) == {RGB}
    assert names(both) == {"EuroSAT_RGB", RGB, MARKER_FILE}
    for root in (unpacked, packed, both):
        assert len(eurosat.open_eurosat(root).load("all")) == 3
    # The next call unpacks the archive without downloading it again.
    server.requests.clear()
    done = download(eurosat_source(server), packed, retry_policy=QUICK)
    assert done.unpacked == {"EuroSAT_RGB": 3}
    assert names(packed) == {"EuroSAT_RGB", MARKER_FILE}
    assert server.requests == []


def test_a_deleted_folder_is_fetched_again(server: FileServer, tmp_path: Path) -> None:
    download(eurosat_source(server), tmp_path, retry_policy=QUICK)
    shutil.rmtree(tmp_path / "EuroSAT_RGB")
    assert download(eurosat_source(server), tmp_path, retry_policy=QUICK).fetched == (RGB,)


@pytest.mark.parametrize("text", ["", "[]", "{", f'{{"{RGB}": 3}}', f'{{"{RGB}": {{"md5": 0}}}}'])
def test_damaged_marker_files_are_ignored(server: FileServer, tmp_path: Path, text: str) -> None:
    (tmp_path / "EuroSAT_RGB").mkdir()
    (tmp_path / MARKER_FILE).write_text(text)
    assert download(eurosat_source(server), tmp_path, retry_policy=QUICK).fetched == (RGB,)
    assert json.loads((tmp_path / MARKER_FILE).read_text())[RGB]["files"] == 3


def test_too_little_space_is_reported_before_the_download(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = eurosat_source(server, size=10**15)
    with pytest.raises(BadInput, match=r"needs 1,000,000\.0 GB more in .*GB are free"):
        download(huge, tmp_path)
    assert server.requests == []
    # Files that are already unpacked need no more space.
    real = bigearthnet_source(server)
    big = replace(real, files=(server.remote(S2, contents=replace(PATCHES, disk_bytes=10**15)),))
    with pytest.raises(BadInput, match=r"1,000,000\.0 unpacked"):
        download(big, tmp_path)
    for spec in SPECS:
        product = spec.patch_id.rsplit("_", 2)[0]
        (tmp_path / "BigEarthNet-S2" / product / spec.patch_id).mkdir(parents=True)
    download(big, tmp_path, retry_policy=QUICK)
    # A file system may have enough space but a limit on the number of files.
    full = SimpleNamespace(f_files=100, f_favail=40, f_bavail=10**9, f_blocks=10**9, f_frsize=4096)
    full.f_bfree = full.f_bavail
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    with pytest.raises(BadInput, match=r"unpacks to 48 files .* has room for 40 more"):
        download(real, tmp_path / "new")


def test_a_record_that_changed_is_refused(server: FileServer, tmp_path: Path) -> None:
    server.record = {"files": [{"key": RGB, "size": 5, "checksum": f"md5:{'0' * 32}"}]}
    with pytest.raises(FetchError, match=r"no longer has the '.*' that this version"):
        download(eurosat_source(server), tmp_path, retry_policy=QUICK)
    assert server.asked == []
    server.record = {"files": []}
    with pytest.raises(FetchError, match="has changed"):
        download(eurosat_source(server), tmp_path, retry_policy=QUICK)


def test_an_unavailable_record_is_noted(server: FileServer, tmp_path: Path) -> None:
    server.record = b"<html>"
    done = download(eurosat_source(server), tmp_path, retry_policy=QUICK)
    assert len(done.notes) == 1
    assert done.notes[0].endswith(
        "is not available, so the sizes and sums of this version of landcover are used."
    )
    assert names(tmp_path) == {"EuroSAT_RGB", MARKER_FILE}


def test_an_archive_with_fewer_files_is_noted(server: FileServer, tmp_path: Path) -> None:
    file = server.remote(RGB, contents=replace(PICTURES, files=4, units=4))
    fewer = replace(eurosat_source(server), files=(file,))
    assert download(fewer, tmp_path, retry_policy=QUICK).notes == (
        f"'{RGB}' contained 3 files, but 4 were expected.",
    )


def test_unsuitable_folders_are_refused(server: FileServer, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for root in (file, file / "below"):
        with pytest.raises(BadInput, match="cannot be created"):
            download(eurosat_source(server), root)
    (tmp_path / RGB).write_bytes(b"mine")
    with pytest.raises(BadInput, match="delete or move it, then run this again"):
        download(eurosat_source(server), tmp_path, retry_policy=QUICK)
    assert (tmp_path / RGB).read_bytes() == b"mine"


def test_every_step_can_be_stopped(server: FileServer, tmp_path: Path) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled, match="Stopped by the user: run it again to resume"):
        download(eurosat_source(server), tmp_path, cancel=stop)
    download(eurosat_source(server), tmp_path, packed=True, retry_policy=QUICK)
    with pytest.raises(Cancelled, match="Stopped by the user: run it again to resume"):
        download(eurosat_source(server), tmp_path, cancel=stop)


def test_an_unknown_source_is_refused() -> None:
    assert source("eurosat").title == "EuroSAT RGB"
    with pytest.raises(UnknownName, match="did you mean 'bigearthnet'"):
        source("bigearthnet-v3")


def test_the_table_of_sources_is_consistent() -> None:
    """Compare numbers that are stated in several places, and check the addresses."""
    patches = SOURCES["bigearthnet"].files[-1].contents
    assert patches is not None
    assert patches.bytes == 549_488 * 164_560  # as 28,000 patches had 4,607,680,000
    assert patches.files == 6_593_856
    assert sum(OFFICIAL["bigearthnet"].values()) == patches.units
    assert sum(OFFICIAL["bigearthnet"].values()) - OFFICIAL["bigearthnet"]["flawed"] == 480_038
    for one in SOURCES.values():
        assert one.page == f"https://zenodo.org/api/records/{one.record}"
        for file in one.files:
            assert len(bytes.fromhex(file.md5)) == 16
            assert one.address(file).startswith(f"https://zenodo.org/records/{one.record}/files/")
            assert file.contents is None or file.name.endswith((".zip", ".tar.zst"))


# Checks of a folder


def test_check_of_a_complete_data_set(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {"train": 1, "validation": 1, "test": 1, "flawed": 1}
    monkeypatch.setitem(OFFICIAL, "bigearthnet", whole)
    monkeypatch.setitem(OFFICIAL, "eurosat", {"all": 3})
    ben, rgb = bigearthnet_source(server), eurosat_source(server)
    download(ben, tmp_path / "ben", retry_policy=QUICK)
    download(rgb, tmp_path / "rgb", keep_archive=True, retry_policy=QUICK)
    record = check(ben, tmp_path / "ben")
    assert record["complete"], record["problems"]
    assert [file["state"] for file in record["files"]] == ["right", "right", "unpacked"]
    assert record["files"][-1]["files_unpacked"] == 48
    assert record["counts"]["train"] == {"here": 1, "official": 1}
    assert record["sample"] == {"opened": 4, "failed": {}}
    assert as_text(record).endswith("Complete.")
    assert json.loads(json.dumps(record)) == record
    record = check(rgb, tmp_path / "rgb", sample=2)
    assert record["complete"], record["problems"]
    assert record["sample"] == {"opened": 2, "failed": {}}


def test_check_reports_what_is_wrong(server: FileServer, tmp_path: Path) -> None:
    ben = bigearthnet_source(server)
    download(ben, tmp_path, retry_policy=QUICK)
    write_table(tmp_path / FLAWED, SPECS[3:], s1_name=["another"])
    band = next((tmp_path / "BigEarthNet-S2").rglob(f"{v2_id(2)}_B02.tif"))
    band.write_bytes(band.read_bytes()[:50])
    record = check(ben, tmp_path)
    assert not record["complete"]
    assert record["files"][0]["state"] == "wrong"
    assert list(record["sample"]["failed"]) == [v2_id(2)]
    text = as_text(record)
    assert "Not complete" in text
    assert "BigEarthNet v2 has 237,871 in 'train', but 1 are here." in text


def test_check_of_an_incomplete_file_and_an_empty_folder(
    server: FileServer, tmp_path: Path
) -> None:
    rgb = eurosat_source(server)
    record = check(rgb, tmp_path)
    assert record["files"][0]["state"] == "absent"
    assert record["sample"]["opened"] == 0
    assert any("is not EuroSAT RGB" in problem for problem in record["problems"])
    (tmp_path / f"{RGB}.part").write_bytes(b"abc")
    record = check(rgb, tmp_path)
    assert record["files"][0]["state"] == "part"
    assert record["files"][0]["bytes"] == 3
    with pytest.raises(BadInput, match="There is no folder"):
        check(rgb, tmp_path / "nowhere")


@pytest.mark.data
def test_check_of_the_real_subset(shared_data: Path) -> None:
    record = check(SOURCES["bigearthnet"], shared_data / "bigearthnet", sample=5)
    assert record["counts"]["train"] == {"here": 301, "official": 237_871}
    assert record["sample"] == {"opened": 5, "failed": {}}
    assert not record["complete"]


@pytest.mark.data
def test_official_counts_are_those_of_the_full_table(shared_data: Path) -> None:
    table = pq.read_table(shared_data / "bigearthnet" / "metadata-all-480038.parquet")
    splits = table["split"].value_counts().to_pylist()
    assert {row["values"]: row["counts"] for row in splits} == {
        split: count for split, count in OFFICIAL["bigearthnet"].items() if split != "flawed"
    }
