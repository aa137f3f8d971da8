"""Change from the command line: of two images, of two maps, and what cannot be compared."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import rasterio

from landcover.cli.exit_status import BAD, DONE
from landcover.cli.main import main
from tests.cli.test_series import write_date
from tests.support.stack_files import numbers, tif


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("pair")
    names = ("lake_2020-06-21.tif", "lake_2021-06-26.tif")
    return str(write_date(folder, names[0])), str(write_date(folder, names[1], cloud=0.3))


def test_two_images_become_a_raster_a_table_and_a_record(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "change.tif"
    assert main(["change", *pair, str(out)]) == DONE
    text, err = capsys.readouterr()
    assert text.startswith("From 2020-06-21 to 2021-06-26: ")
    assert "is hidden" in text
    assert str(out) in err
    with rasterio.open(out) as file:
        layer = file.read(1)
    assert set(layer[0].tolist()) <= {0, 1}  # can't tell under cloud
    assert (layer == 2).any()
    assert (layer > 2).mean() < 0.05  # nothing changed
    with (tmp_path / "change.csv").open(encoding="utf-8") as file:
        assert {row["cover"] for row in csv.DictReader(file)} >= {"Forest", "Water"}
    record = json.loads((tmp_path / "change.json").read_text())
    assert record["from"]["acquired"].startswith("2020-06-21")


def test_two_maps_give_what_their_images_give(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    covers = []
    for number, image in enumerate(pair):
        assert main(["map", image, str(tmp_path / f"{number}.tif")]) == DONE
        covers.append(str(tmp_path / f"{number}-cover.tif"))
    capsys.readouterr()
    results = []
    for sources in (pair, covers):
        assert main(["change", *sources, str(tmp_path / "c.tif"), "--json"]) == DONE
        results.append(json.loads(capsys.readouterr().out))
    assert results[0]["balance_hectares"] == results[1]["balance_hectares"]
    assert main(["change", pair[0], covers[1], str(tmp_path / "c.tif")]) == BAD
    assert "is a map and" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("change.png", "OUT.tif must name a .tif or .tiff file"),
        ("missing/change.tif", "does not exist"),
        ("change.tif --threshold 2", "choose 0.8"),
        ("change.tif --area 5,5,4", "error: "),
        ("change.tif --model landcover-cnn", "only answers for single patches"),
    ],
)
def test_what_makes_no_change_is_said_in_a_sentence(
    pair: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    message: str,
) -> None:
    out, *more = arguments.split()
    assert main(["change", *pair, str(tmp_path / out), *more]) == BAD
    _, err = capsys.readouterr()
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_no_source_is_replaced(pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(pair[0]).read_bytes()
    assert main(["change", *pair, pair[0]]) == BAD
    assert "would replace" in capsys.readouterr().err
    assert Path(pair[0]).read_bytes() == before


def test_an_image_has_not_changed_since_itself(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["change", pair[0], pair[0], str(tmp_path / "c.tif")]) == BAD
    assert "Both are of 2020-06-21" in capsys.readouterr().err


def test_what_does_not_suit_is_named_before_anything_is_mapped(
    pair: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("landcover.time.between.map_of", None)
    bands = ("B02", "B03", "B04", "B08")
    (tmp_path / "four.tif").write_bytes(tif(numbers(4, side=130), bands=bands))
    out = str(tmp_path / "c.tif")
    for sources, message in (
        ((pair[0], str(tmp_path / "four.tif")), "error: four.tif: landcover area needs the bands"),
        ((pair[0], pair[0]), "Both are of 2020-06-21"),
        (("earth-search", pair[1], "--area", "24,61,25,62"), "'earth-search' has many dates: map"),
    ):
        assert main(["change", *sources[:2], out, *sources[2:]]) == BAD
        assert message in capsys.readouterr().err


def test_a_folder_whose_blocks_are_all_of_one_day_has_that_day(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "scenes"
    folder.mkdir()
    write_date(folder, "lake_2020-06-21.tif")
    write_date(folder, "lake_2020-07-05.tif", cloud=0.9)
    assert main(["change", str(folder), pair[0], str(tmp_path / "c.tif")]) == BAD
    assert "Both are of 2020-06-21" in capsys.readouterr().err
    assert main(["change", str(folder), pair[1], str(tmp_path / "c.tif")]) == DONE
    assert "From 2020-06-21 to 2021-06-26" in capsys.readouterr().out
