"""``landcover explain``: several classes, methods and files, of patches and of pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

from landcover import nets
from landcover.cli import method_options
from landcover.cli.exit_status import BAD, DONE
from landcover.cli.main import main
from landcover.core.classes import CLASS_NAMES, EUROSAT_CLASSES
from landcover.explain import explanation
from landcover.explain.faithfulness import ratings
from landcover.explain.faithfulness.ratings import Faithfulness
from landcover.io.sources import read
from landcover.models import registry
from landcover.models.card import read_card
from landcover.report import explanation_figure
from landcover.trust.verdict import DECISION_LABELS
from tests.cli.test_method_options import FAILS, FAITHFUL, NO_GAIN, ratings_json
from tests.support import tiny
from tests.support.colour_pictures import encoded, pixels

LAKE = ["explain", "finland-lake", "--model", "small", "--device", "cpu"]
WATER = ["--label", "Inland waters"]
REAL = ["explain", "finland-lake", "--model", "landcover-cnn", "--device", "cpu", *WATER]
"""A shipped model; tests read its ratings and never assume them."""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two registered models that predict at once."""
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    tiny.tiny_folder(zoo / "small", name="small")
    tiny.tiny_folder(zoo / "other", name="other", title="Other net")
    with registry.use(registry.Registry(shipped=zoo)):
        yield


def measured(name: str = "small", **kinds: str) -> None:
    """Save ratings in the folder of a registered model; ``_`` stands for ``-``."""
    folder = registry.default().folder(name)
    values = ratings_json({method.replace("_", "-"): kind for method, kind in kinds.items()})
    found = Faithfulness(model=name, card_hash=read_card(folder).hash, **values)
    ratings.save(found, folder)


def record_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == DONE
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


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
    assert [e["method"] for e in record["explanations"][::2]] == list(explanation.METHODS)
    assert {e["label"] for e in record["explanations"]} == {"Inland waters", "Coniferous forest"}
    assert [b["label"] for b in record["bands"]] == ["Inland waters", "Coniferous forest"]
    assert "blurred" in record["bands"][0]["baseline"]
    assert set(record["indices"]) == {"NDVI", "NDWI", "NDBI", "NBR"}
    assert json.loads(outs[2].read_text(encoding="utf-8")) == record
    with rasterio.open(outs[1]) as file:
        assert file.count == 2 * len(explanation.METHODS)
        assert file.crs.to_epsg() == 32635
    with Image.open(outs[0]) as picture:
        assert picture.width > picture.height > 300


@pytest.mark.usefixtures("small")
def test_the_text_has_the_sentence_the_bands_and_the_indices(
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
        (["--label", "Pastures", "--out", "x.jpg"], "must name a .json, .png or .tif file"),
        (["--label", "Pastures", "--out", "no/x.tif"], "does not exist"),
        (["--label", "Moon", "--out", "x.png"], "Unknown class 'Moon'"),
        (["--label", "Pastures", "--baseline", "noise", "--out", "x.png"], "Unknown baseline"),
        (["--label", "Pastures", "--method", "magic", "--out", "x.png"], "Unknown method"),
        (["--label", "Pastures"] * 5 + ["--out", "x.png"], "up to 4"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*LAKE, *arguments]) == BAD
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert len(err.splitlines()) == 1


@pytest.mark.usefixtures("small")
def test_the_most_faithful_method_is_used_and_its_rating_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(grad_cam=FAITHFUL, integrated_gradients=FAITHFUL, fine_cam=FAILS)
    outs = [tmp_path / "why.png", tmp_path / "why.json"]
    arguments = [*LAKE, *WATER, *(a for out in outs for a in ("--out", str(out)))]
    assert main(arguments) == DONE
    out, err = capsys.readouterr()
    assert err == ""
    record = json.loads(outs[1].read_text(encoding="utf-8"))
    said = record["explanation"]["faithfulness"]
    assert (record["explanation"]["method"], said["word"]) == ("grad-cam", "faithful")
    assert said == record["explanations"][0]["faithfulness"]
    assert said["sentence"] in out
    plain = outs[0].read_bytes()
    measured(grad_cam=NO_GAIN)
    record = record_of(capsys, *arguments, "--method", "grad-cam")
    assert record["explanation"]["faithfulness"]["word"] == "not faithful"
    assert outs[0].read_bytes() != plain, "the picture states it, too"


@pytest.mark.usefixtures("small")
def test_an_unmeasured_default_method_gives_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*LAKE, *WATER, "--out", str(tmp_path / "why.png")]
    assert main(arguments) == DONE
    out, err = capsys.readouterr()
    assert err.startswith("note: Integrated Gradients is used")
    assert len(err.splitlines()) == 1
    assert method_options.NOT_MEASURED in out
    record = record_of(capsys, *arguments, "--method", "grad-cam")
    assert record["explanation"]["faithfulness"] is None


@pytest.mark.usefixtures("small")
def test_all_stands_for_the_methods_that_pass_and_named_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(occlusion=FAILS, grad_cam=FAITHFUL)
    arguments = [*LAKE, *WATER, "--method", "all", "--out", str(tmp_path / "why.tif"), "--json"]
    assert main(arguments) == DONE
    out, err = capsys.readouterr()
    used = [each["method"] for each in json.loads(out)["explanations"]]
    assert used == [name for name in explanation.METHODS if name != "occlusion"]
    assert err.startswith("note: ")
    assert "Occlusion" in err
    two = ["--method", "occlusion", "--method", "grad-cam"]
    record = record_of(capsys, *LAKE, *WATER, *two, "--out", str(tmp_path / "why.png"))
    assert [each["method"] for each in record["explanations"]] == ["occlusion", "grad-cam"]


@pytest.mark.slow
def test_the_verdict_is_that_of_classify(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*REAL, "--method", "grad-cam", "--out", str(tmp_path / "why.png")]
    record = record_of(capsys, *arguments)
    assert main(["classify", *REAL[1:6], "--json"]) == DONE
    classified = json.loads(capsys.readouterr().out)
    assert {name: record[name] for name in classified} == classified
    assert main(arguments) == DONE
    first = capsys.readouterr().out.splitlines()[:3]
    assert first[0].startswith("finland-lake: ")
    verdict = classified["verdict"]
    assert first[2] == f"  verdict: {DECISION_LABELS[verdict['decision']]}. {verdict['reason']}"


@pytest.mark.usefixtures("small")
def test_for_cannot_tell_the_map_is_drawn_below_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patch = read("finland-lake")
    numbers = np.round(patch.data * 10_000).astype(np.uint16)
    numbers[:, 20:] = 0
    source, out = tmp_path / "scene_2017-09-24.tif", tmp_path / "why.png"
    with rasterio.open(
        source, "w", driver="GTiff", width=120, height=120, count=12, dtype="uint16",
        crs=patch.crs, transform=rasterio.Affine(*patch.transform),
    ) as file:  # fmt: skip
        file.write(numbers)
    arguments = ["explain", str(source), *LAKE[2:], *WATER, "--method", "grad-cam"]
    assert main([*arguments, "--out", str(out)]) == DONE
    head, _, verdict, *_ = capsys.readouterr().out.splitlines()
    assert head.endswith(": Can't tell which land cover is here.")
    assert verdict.startswith("  verdict: Can't tell. ")
    with Image.open(out) as picture:
        assert min(picture.size) > 300
    record = record_of(capsys, *arguments, "--out", str(out))
    assert record["abstained"]
    assert not any(row["predicted"] for row in record["labels"])
    assert record["verdict"]["decision"] == "cannot tell"


@pytest.mark.usefixtures("small")
@pytest.mark.slow
def test_two_models_are_shown_side_by_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(grad_cam=FAITHFUL)
    outs = [tmp_path / f"why.{kind}" for kind in ("png", "tif")]
    arguments = [*LAKE, *WATER, "--against", "other", *(f"--out={out}" for out in outs)]
    record = record_of(capsys, *arguments)
    assert [each["model"] for each in record["explanations"]] == ["small", "other"]
    assert {each["method"] for each in record["explanations"]} == {"grad-cam"}
    word, unknown = (each["faithfulness"] for each in record["explanations"])
    assert word["word"] == "faithful"
    assert unknown is None
    assert [each["model"] for each in record["bands"]] == ["small", "other"]
    assert (record["model"], record["against"]["model"]) == ("small", "other")
    assert {"labels", "verdict", "provenance"} <= record["against"].keys()
    with Image.open(outs[0]) as one:
        three = 3 * explanation_figure.SIDE
        assert three < one.width < three + explanation_figure.SIDE, "they are side by side"
    with rasterio.open(outs[1]) as file:
        assert file.descriptions == (
            "Inland waters: Grad-CAM, small",
            "Inland waters: Grad-CAM, other",
        )
        assert [file.tags(k)["MODEL"] for k in (1, 2)] == ["small", "other"]
    assert (
        main([*arguments, "--method", "grad-cam", "--method", "fine-cam", "--label", "Pastures"])
        == DONE
    )
    out = capsys.readouterr().out
    assert "other: Pastures without some bands" in out
    assert out.count("  verdict: ") == 2


def test_neighbours_changes_and_stability_of_a_shipped_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "why.json"
    arguments = [*REAL, "--method", "grad-cam", "--out", str(out)]
    arguments += ["--neighbours", "2", "--what-if", "cloud=0.5", "--what-if", "shift=100,0"]
    assert main([*arguments, "--stability"]) == DONE
    said = capsys.readouterr().out
    record = json.loads(out.read_text(encoding="utf-8"))
    assert len(record["neighbours"]["patches"]) == 2
    assert record["neighbours"]["sentence"] in said
    assert len(record["what_if"]["changes"]) == 2
    assert [row["label"] for row in record["what_if"]["labels"]] != list(CLASS_NAMES)
    assert "What if: " in said
    assert record["stability"]["sentence"] in said
    assert said.splitlines()[-1] == f"Written: {out}"


@pytest.mark.usefixtures("small")
def test_with_stability_the_verdict_includes_the_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from landcover.trust import shift_stability  # noqa: PLC0415 - as the program does

    found = replace(shift_stability.stability(tiny.tiny_model(), read("finland-lake")), score=0.5)
    monkeypatch.setattr(shift_stability, "stability", lambda *_, **__: found)
    arguments = [*LAKE, *WATER, "--method", "grad-cam", "--out", str(tmp_path / "why.json")]
    checks = {
        asked: {finding["check"] for finding in record_of(capsys, *arguments, *asked)["verdict"]["findings"]}
        for asked in ((), ("--stability",))
    }  # fmt: skip
    assert checks[("--stability",)] - checks[()] == {"unstable"}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--what-if", "rain=1"], "'rain=1' is not a change"),
        (["--what-if", "gain=1.2", "--what-if", "bands=B99"], "no band 'B99'"),
        (["--neighbours", "51"], "--neighbours must be between 0 and 50"),
        (["--neighbours", "-1"], "--neighbours must be between"),
        (["--neighbours", "many"], "invalid int value"),
        (["--neighbours", "2"], "has no index of training patches"),
        (["--against", "small"], "which is the first model"),
        (["--against", "other", "--against", "other"], "give --against once"),
        (["--against", "none"], "Unknown model 'none'"),
        (["--against", "../x"], "There is no model folder '../x'"),
        (["--method", "all", "--method", "magic"], "Unknown method 'magic'"),
    ],
)
def test_after_an_error_there_is_no_file(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "why.json"
    assert main([*LAKE, *WATER, "--out", str(out), *arguments]) == BAD
    said, err = capsys.readouterr()
    assert said == ""
    assert sentence in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert not out.exists()


@pytest.mark.usefixtures("small")
def test_failed_methods_are_used_only_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(**{name.replace("-", "_"): FAILS for name in explanation.METHODS})
    out = tmp_path / "why.png"
    arguments = [*LAKE, *WATER, "--out", str(out)]
    assert main(arguments) == BAD
    err = capsys.readouterr().err
    assert "name it with --method" in err
    assert len(err.splitlines()) == 1
    assert not out.exists()
    assert main([*arguments, "--method", "grad-cam"]) == DONE
    assert "is not faithful for this model" in capsys.readouterr().out


@pytest.mark.usefixtures("small")
def test_a_file_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "x.png"
    folder.mkdir()
    assert main([*LAKE, *WATER, "--out", str(folder)]) == BAD
    assert "'x.png' is a folder" in capsys.readouterr().err
    name = "x" * 300 + ".json"
    assert main([*LAKE, *WATER, "--method", "grad-cam", "--out", str(tmp_path / name)]) == BAD
    err = capsys.readouterr().err
    assert "cannot be written" in err
    assert len(err.splitlines()) == 1


def test_a_second_model_without_gradients_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "why.png"
    assert main([*REAL, "--against", "class-prior", "--out", str(out)]) == BAD
    assert "cannot be explained" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments", [["--neighbours", "3"], ["--what-if", "gain=1.2"], ["--stability"]]
)
def test_options_for_patches_are_refused_for_pictures(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "field.png", tmp_path / "why.png"
    source.write_bytes(encoded(pixels()))
    command = ["explain", str(source), "--label", EUROSAT_CLASSES[0], "--out", str(out)]
    assert main([*command, *arguments]) == BAD
    err = capsys.readouterr().err
    assert f"drop {arguments[0]}" in err
    assert len(err.splitlines()) == 1
    assert not out.exists()


def test_a_geotiff_of_a_picture_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "field.png"
    source.write_bytes(encoded(pixels()))
    arguments = ["explain", str(source), "--label", EUROSAT_CLASSES[0]]
    assert main([*arguments, "--out", str(tmp_path / "x.tif")]) == BAD
    assert "no place on the ground" in capsys.readouterr().err


def test_without_a_label_the_most_probable_class_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["explain", "finland-lake", "--out", str(tmp_path / "why.png"), "--json"]
    assert main([*arguments, "--device", "cpu"]) == DONE
    out, err = capsys.readouterr()
    assert json.loads(out)["explanation"]["label"] == "Coniferous forest"
    assert "note: Coniferous forest is explained, the most probable land cover" in err


def test_files_say_what_the_result_is(tmp_path: Path) -> None:
    picture, maps = tmp_path / "why.png", tmp_path / "why.tif"
    out = ["--out", str(picture), "--out", str(maps)]
    assert main(["explain", "finland-lake", *out, "--device", "cpu"]) == DONE
    with Image.open(picture) as drawn:
        chunks = drawn.info
    with rasterio.open(maps) as raster:
        tags = raster.tags()
    assert chunks["Headline"] == tags["HEADLINE"]
    assert chunks["Verdict"] == tags["VERDICT"] == "Looks reliable"
    assert float(chunks["Latitude"]) == pytest.approx(62.8196, abs=1e-3)
