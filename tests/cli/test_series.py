"""Many dates from the command line: tables, gaps, failures, and what makes no series."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from landcover.cli.exit_status import BAD, DONE, SOME_FAILED
from landcover.cli.main import main
from landcover.io.samples import read_sample
from tests.browser.steps import write_stack


def write_date(folder: Path, name: str, cloud: float = 0.0) -> Path:
    """A lake of Finland, with cloud over the upper part."""
    patch = read_sample("finland-lake")
    pixels = np.maximum(patch.data, 0)
    upper = pixels[:, : round(cloud * patch.height)]
    upper[:] = np.random.default_rng(0).uniform(0.4, 0.6, upper.shape)
    return write_stack(folder / name, replace(patch, data=pixels))


@pytest.fixture(scope="module")
def dates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dates")
    for name, cloud in (("2021-06-26", 0.0), ("2020-06-21", 0.0), ("2020-07-05", 0.6)):
        write_date(folder, f"lake_{name}.tif", cloud)
    return folder


def test_dates_become_tables_and_an_animation(
    dates: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, gif = tmp_path / "lake.csv", tmp_path / "lake.gif"
    assert main(["series", str(dates), "--out", str(table), "--gif", str(gif)]) == DONE
    out, err = capsys.readouterr()
    lines = [line for line in out.splitlines() if line.startswith("202")]
    assert [line[:10] for line in lines] == ["2020-06-21", "2020-07-05", "2021-06-26"]
    assert "no values: " in lines[1]
    assert "cloud" in lines[1]
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    gap = [row for row in rows if row["date"] == "2020-07-05"]
    assert len(gap) == 1
    assert "cloud" in gap[0]["gap"]
    chances = {
        row["date"]: float(row["value"])
        for row in rows
        if row["measure"] == "probability" and row["name"] == "Inland waters"
    }
    assert chances["2020-06-21"] == chances["2021-06-26"] > 0.5
    with (tmp_path / "lake-months.csv").open(encoding="utf-8") as file:
        months = list(csv.DictReader(file))
    water = {row["month"]: row for row in months if row["cover"] == "Water"}
    assert set(water) == {"2020-06", "2021-06"}
    area = water["2020-06"]
    assert 0 <= float(area["low_ha"]) <= float(area["hectares"]) <= float(area["high_ha"]) < 144
    assert [row["gap"] != "" for row in months if row["month"] == "2020-07"] == [True]
    with Image.open(gif) as file:
        assert getattr(file, "n_frames", 1) == 3
    assert str(gif) in err


def test_a_window_has_a_verdict_and_json(dates: Path, capsys: pytest.CaptureFixture[str]) -> None:
    latitude, longitude = read_sample("finland-lake").centre
    place = f"{latitude:.5f},{longitude:.5f}"
    assert main(["series", str(dates), "--at", place, "--json"]) == DONE
    record = json.loads(capsys.readouterr().out)
    assert record["hectares"] == pytest.approx(144)
    assert [bool(one["gap"]) for one in record["dates"]] == [False, True, False]
    assert record["probability_trends"]["Inland waters"]["kind"] == "few dates"
    assert record["dates"][0]["index_water_hectares"] < 144


def test_two_tiles_of_a_pass_are_one_date(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The map of both is that of the whole, though each tile shows a half."""
    patch = read_sample("finland-lake")
    a, b, c, d, e, f = patch.transform
    for folder in ("whole", "tiles"):
        (tmp_path / folder).mkdir()
    for day in ("2020-06-21", "2021-06-26"):
        write_stack(tmp_path / f"whole/lake_{day}.tif", patch, (1, 2))
        for side, west in (("west", c), ("east", c + patch.width * a)):
            tile = replace(patch, transform=(a, b, west, d, e, f))
            write_stack(tmp_path / f"tiles/lake_{side}_{day}.tif", tile)
    records = []
    for folder in ("whole", "tiles"):
        assert main(["series", str(tmp_path / folder), "--json"]) == DONE
        records.append(json.loads(capsys.readouterr().out))
    wanted, found = records
    assert len(found["dates"]) == len(wanted["dates"]) == 2
    assert found["hectares"] == wanted["hectares"] == pytest.approx(288)
    assert [one["source"] for one in found["dates"]] != [one["source"] for one in wanted["dates"]]
    for ours, theirs in zip(found["dates"], wanted["dates"], strict=True):
        assert ours["probability"] == pytest.approx(theirs["probability"], abs=0.01)


def test_what_fails_is_named_and_the_rest_is_done(
    dates: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    undated = write_date(tmp_path, "lake.tif")
    status = main(["series", str(dates), str(undated), "missing.tif"])
    assert status == SOME_FAILED
    _, err = capsys.readouterr()
    assert "states no date" in err
    assert "error: missing.tif: " in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.tif"], "None of the sources can be used"),
        (["48.2,16.4"], "needs --from and --to"),
        (["48.2,16.4", "--from", "2024-06-01", "--to", "soon"], "is not a day"),
        (["48.2,16.4", "more.tif", "--from", "2024-06-01", "--to", "2024-07-01"], "give it alone"),
        (["missing.tif", "--from", "2024-06-01"], "is not a place"),
        (["missing.tif", "--out", "table.xlsx"], "must name a .csv file"),
        (["missing.tif", "--gif", "movie.mp4"], "--gif must name a .gif file"),
        (["missing.tif", "--at", "north"], "is not a place"),
        (["missing.tif", "--memory", "nan"], "memory is nan"),
        (["finland-lake", "--step", "7"], "choose a multiple of 8"),
    ],
)
def test_what_makes_no_series_is_said_in_a_sentence(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["series", *arguments]) == BAD
    _, err = capsys.readouterr()
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_place_outside_the_images_is_said(
    dates: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["series", str(dates), "--at", "48.2,16.4"]) == BAD
    assert "lies outside lake_2020-06-21.tif" in capsys.readouterr().err


def test_the_passes_over_a_place_come_from_a_catalogue(
    dates: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue = str(tmp_path / "mine.parquet")
    assert main(["index", str(dates), "--out", catalogue]) == DONE
    latitude, longitude = read_sample("finland-lake").centre
    place = f"{latitude:.5f},{longitude:.5f}"
    summer = ("--from", "2020-06-01", "--to", "2021-12-31", "--months", "6")
    assert main(["series", place, *summer, "--catalog", catalogue, "--json"]) == DONE
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [one["date"][:10] for one in record["dates"]] == ["2020-06-21", "2021-06-26"]
    corners = read_sample("finland-lake").outline
    (south, west), (north, east) = corners[3], corners[1]
    box = f"{west + 0.005:.4f},{south + 0.003:.4f},{east - 0.005:.4f},{north - 0.003:.4f}"
    assert main(["series", catalogue, "--area", box, "--json"]) == DONE
    record = json.loads(capsys.readouterr().out)
    assert [one["date"][:10] for one in record["dates"]] == [
        "2020-06-21",
        "2020-07-05",
        "2021-06-26",
    ]
    assert 20 < record["hectares"] < 144
    assert main(["series", catalogue, "--json"]) == BAD
    err = capsys.readouterr().err
    assert "needs an area" in err
    assert "LAT,LON and --catalog" in err
