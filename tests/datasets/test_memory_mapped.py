"""The fast store has the data of the folders, resumes after a kill, and detects damage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, LandcoverError
from landcover.core.progress import Progress
from landcover.datasets import Dataset, convert, memory_mapped, open_dataset
from landcover.datasets.arrays import join
from landcover.datasets.convert import JOURNAL_FILE, Converted
from landcover.datasets.memory_mapped import GRIDS, MANIFEST_FILE, TABLE_FILE, verify
from tests.support import bigearthnet_tree as tree
from tests.support.examples import examples

SPLITS = ("train", "train", "validation", "test")


def specs(count: int = 10) -> list[tree.PatchSpec]:
    return [
        tree.PatchSpec(
            patch_id=tree.v2_id(column),
            labels=(CLASS_NAMES[column % 5], CLASS_NAMES[7]),
            split=SPLITS[column % 4],
            country=("Austria", "Ireland")[column % 2],
            cloudy=column == count - 1,
            on_disk=column != 2,
        )
        for column in range(count)
    ]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("folders")
    return open_dataset("bigearthnet", tree.write_v2(root / "ben", specs()))


@pytest.fixture(scope="module")
def store(folders: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("store") / "fast"
    done = convert.convert(folders, out, flawed=True)
    assert done == Converted(root=out, patches=9, bytes=done.bytes, resumed=0, fresh=True)
    assert done.bytes == sum(
        path.stat().st_size for path in out.iterdir() if path.name != MANIFEST_FILE
    )
    return out


def test_a_store_gives_the_same_data_as_its_folders(folders: Dataset, store: Path) -> None:
    fast = open_dataset("bigearthnet", store)
    assert fast.describe() == folders.describe()
    for split in ("train", "validation", "test"):
        slow, quick = folders.load(split), fast.load(split)
        assert quick.ids == slow.ids
        assert quick.countries == slow.countries
        assert quick.origin() == slow.origin()
        assert torch.equal(quick.targets, slow.targets)
        order = list(range(len(slow)))[::-1]
        assert torch.equal(quick.pixels(order), slow.pixels(order))
    one, other = folders.records("test")[0].patch(), fast.records("test")[0].patch()
    assert np.array_equal(one.data, other.data)
    assert one.transform == other.transform
    assert (one.crs, one.acquired, one.provenance) == (other.crs, other.acquired, other.provenance)
    (_, batch), *_ = fast.iter_batches(fast.records("train"), 3)
    assert torch.equal(batch.pixels([0]), folders.load("train").pixels([0]))
    assert len(fast.flawed()) == 1


def test_pixels_stay_on_the_disk_until_they_are_needed(store: Path) -> None:
    fast = open_dataset("bigearthnet", store)
    train, validation = fast.load("train"), fast.load("validation")
    assert train.g10 is validation.g10
    assert not train.g10.flags.owndata
    assert not train.g10.flags.writeable
    both = join(train, validation)
    assert both.g10 is train.g10
    some = both.subset([len(both) - 1, 0])
    assert some.g10 is train.g10
    assert torch.equal(some.pixels([0]), validation.pixels([len(validation) - 1]))
    whole = join(train, folders_of(validation))
    assert whole.rows is None
    assert torch.equal(whole.pixels(range(len(whole))), both.pixels(range(len(both))))


def folders_of(patches: memory_mapped.NativeStore) -> memory_mapped.NativeStore:
    """Load the same patches into memory."""
    g10, g20, g60 = patches.numbers(range(len(patches)))
    return memory_mapped.NativeStore(
        g10=g10, g20=g20, g60=g60, targets=patches.targets, ids=patches.ids,
        countries=patches.countries,
    )  # fmt: skip


def test_arrays_are_plain_numpy_files(folders: Dataset, store: Path) -> None:
    native = folders.all_records[3].native()
    for name in GRIDS:
        array = np.load(store / f"{name}.npy")
        assert array.dtype == np.uint16
        assert np.array_equal(array[3], getattr(native, name))
    manifest = json.loads((store / MANIFEST_FILE).read_text())
    assert manifest["files"][0]["shape"] == [9, 4, 120, 120]
    assert manifest["files"][0]["bands"] == ["B02", "B03", "B04", "B08"]


def test_a_killed_conversion_is_resumed(folders: Dataset, store: Path, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(progress: Progress) -> None:
        if progress.done == 4:
            raise Killed

    out = tmp_path / "cut"
    with pytest.raises(Killed):
        convert.convert(folders, out, flawed=True, report=kill, block=2)
    assert not memory_mapped.is_store(out)
    with pytest.raises(BadInput, match="does not contain BigEarthNet"):
        open_dataset("bigearthnet", out)
    # As if killed while a block was written: half a line, and pixels that are not in the journal.
    with (out / JOURNAL_FILE).open("ab") as file:
        file.write(b'{"sha256": {"g10": "12')
    with (out / "g10.npy.part").open("ab") as file:
        file.write(b"half a patch")
    seen: list[tuple[str, int, int]] = []
    done = convert.convert(
        folders, out, flawed=True, block=2, report=lambda p: seen.append((p.what, p.done, p.total))
    )
    assert (done.resumed, done.patches) == (4, 9)
    assert seen[:3] == [("Converting", 6, 9), ("Converting", 8, 9), ("Converting", 9, 9)]
    for name in (*(f"{name}.npy" for name in GRIDS), MANIFEST_FILE):
        assert (out / name).read_bytes() == (store / name).read_bytes()
    assert {path.name for path in out.iterdir()} == {path.name for path in store.iterdir()}


def test_several_processes_write_the_same_as_one(
    folders: Dataset, store: Path, tmp_path: Path
) -> None:
    convert.convert(folders, tmp_path / "many", flawed=True, processes_from=0, block=5)
    for name in GRIDS:
        file = f"{name}.npy"
        assert (tmp_path / "many" / file).read_bytes() == (store / file).read_bytes()


def test_the_same_call_verifies_a_complete_store(folders: Dataset, store: Path) -> None:
    again = convert.convert(folders, store, flawed=True)
    assert not again.fresh
    with pytest.raises(BadInput, match="a store of other patches"):
        convert.convert(folders, store)
    with pytest.raises(BadInput, match="is already a fast store: give its original folders"):
        convert.convert(open_dataset("bigearthnet", store), store.parent / "again")


def test_unsuitable_folders_for_a_store_are_refused(folders: Dataset, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(BadInput, match="contains other files: choose an empty folder"):
        convert.convert(folders, tmp_path)
    with pytest.raises(BadInput, match="cannot be created or read"):
        convert.convert(folders, tmp_path / "letter.txt")
    with pytest.raises(BadInput, match=r"needs 1,000,000,000\.0 GB more and the disk of 'full'"):
        convert.convert(folders, tmp_path / "full", spare_bytes=10**18)


def test_files_that_differ_from_what_was_written_are_detected(
    folders: Dataset, tmp_path: Path
) -> None:
    def damage(progress: Progress) -> None:
        """Change the last byte of each array when all blocks are written."""
        if progress.what == "Converting" and progress.done == progress.total:
            for path in (tmp_path / "bad").glob("*.npy.part"):
                data = path.read_bytes()
                path.write_bytes(data[:-1] + bytes([data[-1] ^ 0xFF]))

    with pytest.raises(BadInput, match="differs from what was written: check the disk"):
        convert.convert(folders, tmp_path / "bad", report=damage)
    assert not memory_mapped.is_store(tmp_path / "bad")


@pytest.mark.parametrize("name", ["g10.npy", "g60.npy", TABLE_FILE])
def test_a_damaged_file_is_named(store: Path, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(store, copy)
    verify(copy)
    data = bytearray((copy / name).read_bytes())
    data[-9] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(BadInput, match=f"{name} of the store 'copy' is damaged"):
        verify(copy)
    (copy / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(BadInput, match=f"{name} of the store 'copy' is damaged"):
        open_dataset("bigearthnet", copy)
    (copy / name).unlink()
    for function in (verify, lambda root: open_dataset("bigearthnet", root)):
        with pytest.raises(BadInput, match=f"{name} of the store 'copy' is damaged or missing"):
            function(copy)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "damaged"),
        ("[]", "is not that of a store of patches"),
        ('{"format": "landcover-patches", "version": 9}', "another version"),
        ('{"format": "landcover-patches", "version": 1}', "damaged"),
        ('{"format": "landcover-patches", "version": 1, "patches": "many"}', "damaged"),
    ],
)
def test_invalid_manifests_are_refused(store: Path, tmp_path: Path, text: str, match: str) -> None:
    for name in (*(f"{name}.npy" for name in GRIDS), TABLE_FILE):
        (tmp_path / name).symlink_to(store / name)
    (tmp_path / MANIFEST_FILE).write_text(text)
    for function in (verify, lambda root: open_dataset("bigearthnet", root)):
        with pytest.raises(BadInput, match=match):
            function(tmp_path)


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from([TABLE_FILE, MANIFEST_FILE, "g60.npy"]),
    where=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
)
def test_a_flipped_bit_gives_data_or_one_sentence(
    store: Path, tmp_path: Path, name: str, where: float, bit: int
) -> None:
    for other in store.iterdir():
        target = tmp_path / other.name
        target.unlink(missing_ok=True)
        if other.name != name:
            target.symlink_to(other)
    data = bytearray((store / name).read_bytes())
    data[int(where * min(len(data), 8000))] ^= 1 << bit
    (tmp_path / name).write_bytes(data)
    try:
        fast = open_dataset("bigearthnet", tmp_path)
        fast.load("train").pixels([0])
    except LandcoverError as error:
        assert "\n" not in str(error)  # noqa: PT017 - success is fine too
