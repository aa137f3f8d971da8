"""The lines that name what a command has written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from landcover.cli import output
from landcover.cli.main import main
from landcover.core.classes import CLASS_NAMES
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
        pytest.param("explain austria-fields --out {}/a.png", id="explain"),
        pytest.param("models export class-prior {}/a.zip", id="export"),
        pytest.param("data convert {data} {}/store", id="convert"),
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


def test_one_place_makes_these_lines() -> None:
    others = [path for path in CLI.rglob("*.py") if path != Path(output.__file__)]
    assert not [path.name for path in others if '"Written: ' in path.read_text("utf-8")]


def test_the_size_of_a_file_is_stated(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    file.write_bytes(bytes(12_345))
    assert output.written(file, size=True) == f"Written: {file} (12,345 bytes)"
