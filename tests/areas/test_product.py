"""Writing the files of a map."""

from __future__ import annotations

import csv
import json
import os
import resource
from collections.abc import Iterator
from os import _exit as leave
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import rasterio
from rio_cogeo import cog_validate

from landcover.areas.layout import COVER_EXTRA, NODATA, PRESENCE_EXTRA, UNIT
from landcover.areas.plan import Block
from landcover.areas.product import AreaRow, Written, write_products
from landcover.areas.reading import open_map
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, Cancelled
from tests.areas.small_maps import (
    COVERS,
    SCENE,
    Layers,
    blocks_of,
    facts_of,
    layers_of_block,
    plan_of,
)
from tests.support.disks import needs_mounts, on_disk

WIDE = plan_of(width=4_800, height=240, block=1_200)
"""600 cells wide, so that the files have smaller versions."""


def write(out: Path, seed: int = 0, *, backwards: bool = False) -> Written:
    blocks = blocks_of(WIDE, seed=seed, backwards=backwards)
    return write_products(WIDE, blocks, out, facts_of())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write(tmp_path_factory.mktemp("map") / "valley.tif")


def test_the_rasters_are_valid_cloud_optimised_geotiffs(written: Written) -> None:
    for path in written.rasters.values():
        assert cog_validate(str(path), strict=True) == (True, [], [])
        with rasterio.open(path) as file:
            assert file.block_shapes[0] == (512, 512) or file.width < 512
            assert file.profile["compress"] == "deflate"
            assert file.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "2"
            assert file.crs.to_epsg() == 32633


def test_pixels_are_those_of_the_blocks(written: Written) -> None:
    assert written.cover is not None
    assert written.decision is not None
    with (
        rasterio.open(written.presence) as presence,
        rasterio.open(written.cover) as cover,
        rasterio.open(written.decision) as decision,
    ):
        for block in map(WIDE.block_at, WIDE.indices):
            found = layers_of_block(WIDE, block)
            y, x = block.top // 8, block.left // 8
            rows, columns = found.decision.shape
            part = ((y, y + rows), (x, x + columns))
            assert (cover.read(window=part) == found.cover).all()
            assert (decision.read(1, window=part) == found.decision).all()
            y, x = block.top // 24, block.left // 24
            _, rows, columns = found.presence.shape
            part = ((y, y + rows), (x, x + columns))
            assert (presence.read(window=part) == found.presence).all()
        assert presence.transform == WIDE.presence.affine
        assert cover.transform == decision.transform == WIDE.cover.affine


def test_bands_have_names_scales_and_values_for_no_data(written: Written) -> None:
    for path, names, extra in (
        (written.presence, CLASS_NAMES, PRESENCE_EXTRA),
        (written.cover, COVERS, COVER_EXTRA),
    ):
        with rasterio.open(path) as file:
            assert file.descriptions == (*names, *extra)
            assert file.nodata == NODATA
            scales = dict(zip(file.descriptions, file.scales, strict=True))
            assert scales[names[0]] == scales["uncertainty"] == scales["validity"] == UNIT
            assert scales["mask"] == scales.get("decision", 1.0) == 1.0
            assert set(file.offsets) == {0.0}


def test_the_decision_has_colours_and_names(written: Written) -> None:
    with rasterio.open(written.decision) as file:
        table = file.colormap(1)
        assert table[0][3] == 0  # no decision is transparent
        assert table[4] == (255, 0, 0, 255)
        assert file.nodata == 0
        assert file.tags()["CLASS_4"] == "Built-up"
    sidecar = Path(f"{written.decision}.aux.xml").read_text()
    assert "<Category>Built-up</Category>" in sidecar
    assert sidecar.index("no decision") < sidecar.index("Water") < sidecar.index("Forest")


def test_tags_say_how_the_map_was_made(written: Written) -> None:
    maps = set()
    for name, path in written.rasters.items():
        with rasterio.open(path) as file:
            tags = file.tags()
        assert tags["LAYER"] == name
        assert tags["SOURCE"] == "valley.SAFE"
        assert tags["SCENE_1"] == SCENE
        assert tags["ACQUIRED"] == "2020-06-07T10:15:59+00:00"
        assert tags["BASELINE"] == "05.00"
        assert tags["MODEL"] == "landcover-cnn"
        assert tags["CARD"] == facts_of().card.hash
        assert tags["ESTIMATED_BANDS"] == "B01"
        assert tags["STEP"] == "24 pixels of 10 m"
        assert tags["SOFTWARE"].startswith("landcover ")
        maps.add(tags["MAP"])
    assert len(maps) == 1


def test_the_order_of_the_blocks_does_not_matter(written: Written, tmp_path: Path) -> None:
    write(tmp_path / "valley.tif", backwards=True)
    assert contents(tmp_path) == contents(written.presence.parent)


@pytest.mark.parametrize(
    "name", ["http:", "HDF5:a", "GTIFF_DIR:1:a", "a!b", "?q=1#f", '<&>"', "a\nb", "名前", "-x"]
)
def test_odd_names_are_names(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """GDAL takes some relative paths for addresses or for notations of its own."""
    monkeypatch.chdir(tmp_path)
    made, folder = plan_of(), Path(name)
    folder.mkdir()
    found = write_products(made, blocks_of(made), folder / f"{name}.tif", facts_of())
    assert sorted(folder.iterdir()) == sorted(found.all)
    assert list(open_map(found.presence)) == ["presence", "cover", "decision"]
    assert capfd.readouterr().err == ""


def test_only_scenes_that_blocks_name_are_stated(tmp_path: Path) -> None:
    made = plan_of()

    def blocks() -> Iterator[tuple[Block, Layers]]:
        for number, (block, found) in enumerate(blocks_of(made)):
            yield block, Layers(found.presence, found.cover, found.decision, f"scene {number % 2}")

    item = write_products(made, blocks(), tmp_path / "a.tif", facts_of()).item
    with rasterio.open(tmp_path / "a.tif") as file:
        tags = file.tags()
    assert (tags["SCENES"], tags["SCENE_1"], tags["SCENE_2"]) == ("2", "scene 0", "scene 1")
    assert "ACQUIRED" not in tags
    assert json.loads(item.read_text())["properties"]["datetime"] is None


def test_without_a_cover_head_there_is_only_the_presence(tmp_path: Path) -> None:
    write(tmp_path / "valley.tif")
    made = plan_of()
    found = write_products(made, blocks_of(made, ()), tmp_path / "valley.tif", facts_of(()))
    assert found.cover is None
    assert found.decision is None
    # Those of the older map must not seem to belong to this one.
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"valley.tif", "valley.json", "valley.csv", "valley.qml"}


def test_the_table_lists_hectares_or_windows(tmp_path: Path) -> None:
    made = plan_of()
    rows = (
        AreaRow(label="Water", mapped_ha=12.0, adjusted_ha=10.5, low_ha=9.0, high_ha=12.25),
        AreaRow(label="=Forest", windows=4, note="no hectares: too few checks"),
    )
    out = tmp_path / "a.tif"
    found = write_products(made, blocks_of(made), out, facts_of(), rows=lambda: rows)
    with found.table.open(encoding="utf-8", newline="") as file:
        water, forest = csv.DictReader(file)
    assert (water["mapped_ha"], water["adjusted_ha"]) == ("12.00", "10.50")
    assert (water["low_ha"], water["high_ha"], water["windows_present"]) == ("9.00", "12.25", "")
    assert (forest["cover"], forest["windows_present"]) == ("'=Forest", "4")
    assert forest["adjusted_ha"] == ""
    assert water["acquired"] == "2020-06-07"


@pytest.mark.parametrize("fault", [BadInput("no such scene"), KeyboardInterrupt()])
def test_an_error_of_a_block_leaves_the_older_map(tmp_path: Path, fault: BaseException) -> None:
    write(tmp_path / "valley.tif")
    before = contents(tmp_path)

    def blocks() -> Iterator[tuple[Block, Layers]]:
        yield next(blocks_of(WIDE, seed=1))
        raise fault

    with pytest.raises(type(fault)):
        write_products(WIDE, blocks(), tmp_path / "valley.tif", facts_of())
    assert contents(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == len(before)


def test_a_stop_leaves_the_older_map(tmp_path: Path) -> None:
    write(tmp_path / "valley.tif")
    before = contents(tmp_path)
    cancel = Event()

    def stop(_: object) -> None:
        cancel.set()

    with pytest.raises(Cancelled):
        write_products(
            WIDE,
            blocks_of(WIDE, seed=1),
            tmp_path / "valley.tif",
            facts_of(),
            report=stop,
            cancel=cancel,
        )
    assert contents(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == len(before)


def fill(folder: Path) -> None:
    """Take all of a disk."""
    with (folder / "other.bin").open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 8, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass


@needs_mounts
@pytest.mark.parametrize("when", ["before", "between"])
def test_a_full_disk_is_one_sentence_and_leaves_the_older_map(when: str) -> None:
    def attempt(disk: Path) -> str:
        os.environ["OMP_NUM_THREADS"] = "1"
        write(disk / "valley.tif")
        before = contents(disk)

        def blocks() -> Iterator[tuple[Block, Layers]]:
            yield from blocks_of(WIDE, seed=1)
            fill(disk)

        if when == "before":
            fill(disk)
        try:
            write_products(WIDE, blocks(), disk / "valley.tif", facts_of())
        except BadInput as error:
            after = contents(disk)
            del after["other.bin"]
            return (
                f"{error} {after == before} {sorted(p.name for p in disk.iterdir() if p.is_dir())}"
            )
        return "written"

    found = on_disk("size=12m", attempt)
    assert found.endswith("True []"), found
    if when == "before":
        assert "needs up to" in found
        assert "MB are free" in found
    else:
        assert "the disk is full" in found


@pytest.mark.parametrize("limit", [100_000, 130_000])  # less than the bytes, and than the COG
def test_a_limit_on_the_size_of_files_is_one_sentence(tmp_path: Path, limit: int) -> None:
    read, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        text = "written"
        try:
            os.environ["OMP_NUM_THREADS"] = "1"
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            write(tmp_path / "valley.tif")
        except BaseException as error:  # noqa: BLE001 - the parent looks at it
            text = f"{type(error).__name__} {error}"
        os.write(write_end, text.encode())
        leave(0)
    os.close(write_end)
    with os.fdopen(read) as pipe:
        found = pipe.read()
    os.waitpid(child, 0)
    assert found.startswith("BadInput"), found
    assert "limit of this process" in found
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("height", [1_200, pytest.param(40_080, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_the_area(tmp_path: Path, height: int) -> None:
    """All pixels of 40,080 × 40,080 have 0.3 GB, with the smaller versions 0.4 GB."""
    made = plan_of(width=40_080, height=height, step=120, block=1_200)
    covers = tuple(f"cover {n}" for n in range(9))

    def blocks() -> Iterator[tuple[Block, Layers]]:
        for index in made.indices:
            block = made.block_at(index)
            rows, columns = block.height // 8, block.width // 8
            yield (
                block,
                Layers(
                    np.full((23, rows // 15, columns // 15), index[1], np.uint8),
                    np.full((12, rows, columns), index[1], np.uint8),
                    np.full((rows, columns), 1 + index[1] % 9, np.uint8),
                ),
            )

    read, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.environ["OMP_NUM_THREADS"] = "1"
        start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        write_products(made, blocks(), tmp_path / "wide.tif", facts_of(covers))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start
        os.write(write_end, str(grown).encode())
        leave(0)
    os.close(write_end)
    with os.fdopen(read) as pipe:
        found = pipe.read()
    os.waitpid(child, 0)
    assert int(found) < 160_000, found  # kB; 64 MB of it may be GDAL's
    assert cog_validate(str(tmp_path / "wide-cover.tif"), strict=True) == (True, [], [])
