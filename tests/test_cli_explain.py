"""``landcover explain``: several classes, methods and files, of patches and of pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import rasterio
from PIL import Image

from landcover import explain, nets, registry
from landcover.cli import BAD, DONE, main
from landcover.nomenclature import EUROSAT_CLASSES
from tests import tiny
from tests.colour_pictures import encoded, pixels

LAKE = ["explain", "finland-lake", "--model", "small", "--device", "cpu"]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registered net that answers at once."""
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    monkeypatch.setattr(registry, "ZOO", zoo)
    tiny.tiny_folder(zoo / "small", name="small")


@pytest.mark.usefixtures("small")
def test_classes_methods_and_files_in_one_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outs = [tmp_path / f"why.{kind}" for kind in ("png", "tif", "json")]
    arguments = [*LAKE, "--label", "inland waters", "--label", "Coniferous forest"]
    arguments += ["--method", "all", "--baseline", "blurred", "--json"]
    assert main([*arguments, *(a for out in outs for a in ("--out", str(out)))]) == DONE
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert err == ""
    assert record["files"] == [str(path) for path in outs]
    assert record["explanation"]["file"] == str(outs[0])
    assert record["explanation"]["label"] == "Inland waters"
    assert [e["method"] for e in record["explanations"][::2]] == list(explain.METHODS)
    assert {e["label"] for e in record["explanations"]} == {"Inland waters", "Coniferous forest"}
    assert [b["label"] for b in record["bands"]] == ["Inland waters", "Coniferous forest"]
    assert "blurred" in record["bands"][0]["baseline"]
    assert set(record["indices"]) == {"NDVI", "NDWI", "NDBI", "NBR"}
    assert json.loads(outs[2].read_text(encoding="utf-8")) == record
    with rasterio.open(outs[1]) as file:
        assert file.count == 2 * len(explain.METHODS)
        assert file.crs.to_epsg() == 32635
    with Image.open(outs[0]) as picture:
        assert picture.width > picture.height > 300


@pytest.mark.usefixtures("small")
def test_text_for_people_has_the_sentence_the_bands_and_the_indices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "why.png"
    assert main([*LAKE, "--label", "Inland waters", "--out", str(out)]) == DONE
    said = capsys.readouterr().out
    assert "Inland waters: " in said
    assert "shortwave infrared" in said
    assert "NDVI 0." in said
    assert f"Written: {out}" in said


def test_a_picture_is_explained_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "field.png", tmp_path / "why.png"
    source.write_bytes(encoded(pixels()))
    arguments = ["explain", str(source), "--label", EUROSAT_CLASSES[0], "--method", "grad-cam"]
    assert main([*arguments, "--out", str(out), "--json", "--device", "cpu"]) == DONE
    record = json.loads(capsys.readouterr().out)
    assert record["model"] == "eurosat-rgb"
    assert record["explanation"]["label"] == EUROSAT_CLASSES[0]
    assert record["indices"] == {}
    assert set(record["bands"][0]["bands"]) == {"red", "green", "blue"}
    with Image.open(out) as picture:
        assert picture.format == "PNG"
    arguments[arguments.index("--label") + 1] = "Glaciers"
    assert main([*arguments, "--out", str(out)]) == BAD
    assert "Unknown class 'Glaciers'" in capsys.readouterr().err


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--label", "Pastures", "--out", "x.jpg"], "must name a .png file, a .tif or a .json"),
        (["--label", "Pastures", "--out", "no/x.tif"], "does not exist"),
        (["--label", "Moon", "--out", "x.png"], "Unknown class 'Moon'"),
        (["--label", "Pastures", "--baseline", "noise", "--out", "x.png"], "Unknown baseline"),
        (["--label", "Pastures", "--method", "magic", "--out", "x.png"], "Unknown method"),
        (["--label", "Pastures"] * 5 + ["--out", "x.png"], "up to 4"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*LAKE, *arguments]) == BAD
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert len(err.splitlines()) == 1


def test_a_picture_has_no_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "field.png"
    source.write_bytes(encoded(pixels()))
    arguments = ["explain", str(source), "--label", EUROSAT_CLASSES[0]]
    assert main([*arguments, "--out", str(tmp_path / "x.tif")]) == BAD
    assert "no place on the ground" in capsys.readouterr().err
