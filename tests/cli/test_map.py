"""The command map: files that others can read, errors in one sentence, and nothing lost."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.warp import transform_bounds

from landcover.areas.memory import LEAST_MEMORY
from landcover.areas.parts import folder_of
from landcover.areas.reading import open_map
from landcover.cli.exit_status import BAD, DONE
from landcover.cli.main import main
from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.covers import COVER_NAMES
from landcover.io.samples import read_sample, sample_files


def write_scene(folder: Path, rows: int, columns: int) -> Path:
    """A stack of a sample and its reflections."""
    sample = read_sample("finland-lake")
    tile = np.concatenate([sample.data, sample.data[:, :, ::-1]], axis=2)
    tile = np.concatenate([tile, tile[:, ::-1]], axis=1)
    side = tile.shape[1]
    pixels = np.tile(tile, (1, -(-rows // side), -(-columns // side)))[:, :rows, :columns]
    path = folder / "S2A_MSIL2A_20170813T100031_scene.tif"
    crs, transform = sample.georeference
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=columns,
        height=rows,
        count=12,
        dtype="uint16",
        crs=crs,
        transform=rasterio.Affine(*transform),
        nodata=0,
        tiled=True,
        compress="deflate",
    ) as file:
        file.write(np.clip(np.rint(pixels * 10_000), 1, 65_535).astype(np.uint16))
        for number, name in enumerate(BAND_NAMES, start=1):
            file.set_band_description(number, name)
    return path


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scene(tmp_path_factory.mktemp("scene"), 360, 480)


def test_a_scene_becomes_a_map(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "map.tif"
    assert main(["map", str(scene), str(out), "--json"]) == DONE
    found = json.loads(capsys.readouterr().out)
    (made,) = found["maps"]
    assert {Path(path).name for path in made["files"]} == {path.name for path in tmp_path.iterdir()}
    assert found["km2"] == pytest.approx(4.8 * 3.6)
    with rasterio.open(out) as file:
        assert file.descriptions[:19] == CLASS_NAMES
        assert file.descriptions[19:] == ("decision", "uncertainty", "mask", "validity")
        assert file.shape == (16, 20)  # on the lattice of 240 m
        assert file.res == (240.0, 240.0)
        assert file.tags()["SOURCE"] == scene.name
    with rasterio.open(tmp_path / "map-cover.tif") as file:
        assert file.descriptions[: len(COVER_NAMES)] == COVER_NAMES
        assert file.shape == (48, 60)
    rows = {row["label"]: row for row in made["covers"]}
    lake = CLASS_NAMES.index("Inland waters")
    layers = open_map(out)
    presence = layers["presence"].read()
    # The lake is in most windows of 1200 m, and covers a small part of the scene.
    seen = ~np.isnan(presence[lake])
    assert (presence[lake][seen] > 0.5).mean() > 0.4
    assert 0 < rows["Water"]["mapped_ha"] < 0.3 * 1728
    low, high = rows["Forest"]["low_ha"], rows["Forest"]["high_ha"]
    assert low < rows["Forest"]["adjusted_ha"] < high
    assert rows["Inland waters"]["mapped_ha"] is None
    assert rows["Inland waters"]["windows_present"] > 0


def test_a_map_may_lie_in_the_folder_that_it_is_made_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a second time, when the first one is there."""
    for name, data in sample_files("finland-lake"):
        (tmp_path / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    made = []
    for _ in range(2):
        assert main(["map", ".", "map.tif"]) == DONE
        made.append((tmp_path / "map-cover.tif").read_bytes())
    assert made[0] == made[1]


def test_scenes_that_are_left_out_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "scenes"
    folder.mkdir()
    whole = write_scene(folder, 120, 120).read_bytes()
    (folder / "z.tif").write_bytes(whole[:300])
    out = str(tmp_path / "map.tif")
    said = "1 scene left out, the first because: 'z.tif' is damaged"
    assert main(["map", str(folder), out]) == DONE
    assert said in capsys.readouterr().err
    assert main(["map", str(folder), out, "--json"]) == DONE
    record = json.loads(capsys.readouterr().out)
    assert record["maps"][0]["scenes"] == ["S2A_MSIL2A_20170813T100031_scene.tif"]
    (note,) = record["notes"]
    assert note.startswith(said)
    assert note.endswith(".")


def test_an_area_of_the_scene(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with rasterio.open(scene) as file:
        west, south, east, north = transform_bounds(file.crs, "EPSG:4326", *file.bounds)
    middle = (west + east) / 2
    area = f"{west},{south},{middle},{north}"
    assert main(["map", str(scene), str(tmp_path / "half.tif"), "--area", area]) == DONE
    out, err = capsys.readouterr()
    assert "km² in" in err
    assert "Written: " in out
    assert "Forest" in out
    with rasterio.open(tmp_path / "half.tif") as file:
        assert file.width <= 11


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--step", "12"], "multiple of 8"),
        (["--memory", "0.01"], "at least"),
        (["--memory", "nan"], "gigabytes"),
        (["--area", "0,0,1,1"], "does not overlap|outside|beyond"),
        (["--area", "nowhere.geojson"], "area"),
        (["--model", "class-prior"], "landcover-mosaic"),
        (["--model", "eurosat-rgb"], "pictures|RGB"),
        (["--scheduler", "nowhere"], "scheduler"),
    ],
)
def test_errors_are_one_sentence(
    scene: Path,
    tmp_path: Path,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["map", str(scene), str(tmp_path / "map.tif"), *options]) == BAD
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert re.search(message, err)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["map.png", "no/such/folder/map.tif"])
def test_the_name_of_the_map_is_checked_first(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["map", "there-is-no-such-source.tif", str(tmp_path / name)]) == BAD
    assert "there-is-no-such-source" not in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_map_goes_on_and_keeps_the_old_one(tmp_path: Path) -> None:
    scene = write_scene(tmp_path, 240, 3_600)
    out = tmp_path / "map.tif"
    whole = tmp_path / "whole"
    whole.mkdir()
    command = [sys.executable, "-m", "landcover", "map", str(scene)]
    # So little memory makes several blocks.
    options = ["--memory", f"{LEAST_MEMORY / 1e9}"]
    subprocess.run([*command, str(whole / "map.tif"), *options], check=True)
    for path in whole.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    out.with_suffix(".csv").write_text("the old table\n")
    running = subprocess.Popen([*command, str(out), *options])
    until = time.monotonic() + 120
    while not list(folder_of(out).glob("*.safetensors")) and time.monotonic() < until:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert out.with_suffix(".csv").read_text() == "the old table\n"
    done = len(list(folder_of(out).glob("*.safetensors")))
    assert 0 < done < 4
    subprocess.run([*command, str(out), *options], check=True)
    assert not folder_of(out).exists()
    for name in ("map.tif", "map-cover.tif", "map-decision.tif", "map.csv"):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes(), name
