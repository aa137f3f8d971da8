"""The lines that name what a command has written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import shapely

from landcover.cli import output
from landcover.cli.exit_status import BAD
from landcover.cli.main import main
from landcover.core.classes import CLASS_NAMES
from landcover.io.samples import read_sample
from tests.browser.steps import write_stack
from tests.support import bigearthnet_tree as tree

CLI = Path(output.__file__).parent
ODD = "\x1b[31mred\nerror: \x07"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    specs = [
        tree.PatchSpec(tree.v2_id(k), (CLASS_NAMES[k % 3],), ("train", "validation")[k % 2])
        for k in range(8)
    ]
    return tree.write_v2(tmp_path_factory.mktemp("data") / ODD, specs)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such names")
@pytest.mark.parametrize(
    "words",
    [
        pytest.param("classify austria-fields --out {}/a.csv", id="classify"),
        pytest.param("explain austria-fields --out {}/a.png", id="explain", marks=pytest.mark.slow),
        pytest.param("models export class-prior {}/a.zip", id="export", marks=pytest.mark.slow),
        pytest.param("data convert {data} {}/store", id="convert", marks=pytest.mark.slow),
        pytest.param("data check {data}", id="check"),
        pytest.param(
            "train --dataset bigearthnet --root {data} --model class-prior --out {}/m", id="train"
        ),
    ],
)
def test_control_characters_of_a_path_do_not_reach_the_terminal(
    words: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / ODD
    folder.mkdir()
    arguments = [
        word.replace("{}", str(folder)).replace("{data}", str(data)) for word in words.split()
    ]
    main(arguments)
    said = capsys.readouterr()
    lines = (said.out + said.err).splitlines()
    assert any("[31mred error: \N{REPLACEMENT CHARACTER}" in line for line in lines), lines
    assert not [line for line in lines if not line.isprintable()]
    assert not [line for line in lines if line.startswith("error: ")]


@pytest.mark.parametrize(
    "words",
    [
        "map a_2020-06-21.tif a_2020-06-21.tif",
        "map b.tif ./a_2020-06-21.tif",
        "map . a_2020-06-21.tif",
        "map b.tif area.tif --area area.json",
        "change a_2020-06-21.tif b.tif a_2020-06-21.tif",
        "change b.tif b.tif area.tif --area ../{}/area.json",
        "series b.tif --area area.csv --out area.csv",
        "series b.tif --area area-months.csv --out area.csv",
        "explain a_2020-06-21.tif --out why.json --out ./a_2020-06-21.tif",
    ],
)
def test_no_result_replaces_what_it_is_made_from(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    patch = read_sample("finland-lake")
    write_stack(tmp_path / "a_2020-06-21.tif", patch)
    (tmp_path / "b.tif").symlink_to("a_2020-06-21.tif")
    latitude, longitude = patch.centre
    box = shapely.box(longitude - 0.01, latitude - 0.01, longitude + 0.01, latitude + 0.01)
    for name in ("area.json", "area.csv", "area-months.csv"):
        (tmp_path / name).write_text(box.wkt)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(words.replace("{}", tmp_path.name).split()) == BAD
    assert "is read, and the result would replace it" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_one_place_makes_these_lines() -> None:
    others = [path for path in CLI.rglob("*.py") if path != Path(output.__file__)]
    assert not [path.name for path in others if '"Written: ' in path.read_text("utf-8")]


def test_the_size_of_a_file_is_stated(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    file.write_bytes(bytes(12_345))
    assert output.written(file, size=True) == f"Written: {file} (12,345 bytes)"
