"""Imagery of a place from the command line: search, classify, index, errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from landcover.cli.exit_status import BAD, DONE
from landcover.cli.main import main
from tests.live.archive import Archive
from tests.live.loopback import Fault
from tests.live.stac_front import StacFront

pytestmark = pytest.mark.data


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, without imagery fetched by other tests."""
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.usefixtures("live")
def test_search_lists_passes_and_prefers_one(
    archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    place = archive.places["gap"]
    dates = ["--from", "2020-01-01", "--to", "2020-12-31", "--near", "2020-01-23"]
    assert main(["search", f"{place.lat},{place.lon}", *dates, "--json"]) == DONE
    record = json.loads(capsys.readouterr().out)
    days = [candidate["acquired"][:10] for candidate in record["candidates"]]
    assert days == sorted(days, reverse=True)
    assert "2020-01-23" in days
    best = record["candidates"][record["best"]]
    assert best["cloud_fraction"] + best["shadow_fraction"] <= 0.10
    assert main(["search", f"{place.lat},{place.lon}", *dates]) == DONE
    text = capsys.readouterr().out
    assert record["reason"] in text
    assert "→" in text


@pytest.mark.usefixtures("live")
def test_a_place_is_classified_from_fetched_imagery(
    archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    place = archive.places["four patches"]
    arguments = ["classify", f"{place.lat},{place.lon}", "--date", "2022-07-14", "--json"]
    assert main([*arguments, "--device", "cpu"]) == DONE
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert err == ""
    assert record["quality"]["cloud_fraction"] == 0
    assert "Earth Search" in record["provenance"]["source"]
    assert "DN / 10000" in record["provenance"]["scaling"]
    assert any(label["predicted"] for label in record["labels"])


@pytest.mark.usefixtures("live")
def test_the_same_scene_from_two_archives_gives_the_same_prediction(
    archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    place = archive.places["four patches"]
    probabilities = []
    for catalogue in ("earth-search", "planetary-computer"):
        arguments = ["classify", f"{place.lat},{place.lon}", "--date", "2017-06-13"]
        assert main([*arguments, "--catalog", catalogue, "--json", "--device", "cpu"]) == DONE
        record = json.loads(capsys.readouterr().out)
        probabilities.append([label["probability"] for label in record["labels"]])
    # One carries no offset, the other +1000 in every number.
    np.testing.assert_allclose(probabilities[0], probabilities[1], atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search", "89,0"], "takes no pictures at 89.0000"),
        (["search", "abc"], "is not a place"),
        (["search", "48,16", "--from", "2024-06-31"], "is not a day"),
        (["search", "48,16", "--from", "2024-06-30", "--to", "2024-01-01"], "run backwards"),
        (["search", "48,16", "--months", "June"], "is not a list of months"),
        (["search", "48,16", "--months", "6,13"], "is not a list of months"),
        (["search", "48,16", "--catalog", "nowhere"], "Unknown catalogue 'nowhere'"),
        (["classify", "finland-lake", "--date", "2020-01-01"], "is not a place: give LAT,LON"),
        (["classify", "48.2,16.4", "--date", "today"], "is not a day"),
        (["index", "nonexistent", "--out", "x.parquet"], "no folder"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == BAD
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("live")
def test_a_failing_archive_is_one_sentence(
    stac: Mapping[str, StacFront],
    archive: Archive,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stac["earth-search"].fault("*", Fault(kind="html"))
    place = archive.places["four patches"]
    assert main(["classify", f"{place.lat},{place.lon}", "--date", "2018-07-08"]) == BAD
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "Earth Search" in err
    assert "choose another catalogue" in err


def test_an_index_of_your_scenes_is_a_catalogue(
    shared_data: Path, archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "own.parquet"
    folder = shared_data / "scenes" / "boadella"
    assert main(["index", str(folder), "--out", str(out)]) == DONE
    assert "9" in capsys.readouterr().out
    place = archive.places["gap"]
    arguments = [f"{place.lat},{place.lon}", "--catalog", str(out)]
    assert (
        main(["classify", *arguments, "--date", "2021-06-26", "--json", "--device", "cpu"]) == DONE
    )
    record = json.loads(capsys.readouterr().out)
    assert record["provenance"]["source"] == "Boadella_2021-06-26.tif"
