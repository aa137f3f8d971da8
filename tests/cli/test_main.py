"""The public interface of the command line: JSON, exit status, one sentence an error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from landcover import nets
from landcover.cli.exit_status import BAD, DONE, SOME_FAILED
from landcover.cli.main import main
from landcover.core.classes import CLASS_NAMES, EUROSAT_CLASSES
from landcover.core.window import Cut
from landcover.io.sources import read
from landcover.models import registry
from tests.conftest import ROOT
from tests.support import large_stack, tiny
from tests.support.colour_pictures import encoded, pixels


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A sample as a 12-band GeoTIFF, as users export them."""
    patch = read("finland-lake")
    path = tmp_path / "scene_2017-09-24.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=120,
        height=120,
        count=12,
        dtype="uint16",
        crs=patch.crs,
        transform=rasterio.Affine(*patch.transform),
    ) as file:
        file.write(np.round(patch.data * 10_000).astype(np.uint16))
    return path


def test_classify_prints_the_documented_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "finland-lake", "--json", "--device", "cpu"]) == DONE
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert err == ""
    assert {"source", "model", "labels", "abstained", "quality", "provenance"} <= record.keys()
    assert record["source"] == "finland-lake"
    assert [item["label"] for item in record["labels"]] == list(CLASS_NAMES)
    for item in record["labels"]:
        assert {"label", "probability", "threshold", "predicted"} <= item.keys()
        assert item["predicted"] == (item["probability"] >= item["threshold"])
    assert {"nodata_fraction", "cloud_fraction", "warnings"} <= record["quality"].keys()


def test_an_aim_changes_the_thresholds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    folder = tiny.decided_folder(tmp_path / "aiming", "aiming")
    arguments = ["classify", "finland-lake", "--model", str(folder), "--device", "cpu"]
    records = []
    for aim in ("f1", "recall=95%"):
        assert main([*arguments, "--json", "--aim", aim]) == DONE
        records.append(json.loads(capsys.readouterr().out))
    assert [record["aim"] for record in records] == ["f1", "recall-0.95"]
    assert records[1]["aim_fallback"] == [CLASS_NAMES[-1]]
    usual, careful = ([row["threshold"] for row in record["labels"]] for record in records)
    assert usual != careful
    assert {row["certainty"] for row in records[0]["labels"]} <= {"certain", "possible", "absent"}
    assert main([*arguments, "--aim", "recall=95%"]) == DONE
    assert "aim: few missed: recall 95% or more" in capsys.readouterr().out


def test_a_stack_of_a_sample_gives_the_same_probabilities(
    stack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", "finland-lake", str(stack), "--json", "--device", "cpu"]) == DONE
    sample, file = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    for a, b in zip(sample["labels"], file["labels"], strict=True):
        assert a["probability"] == pytest.approx(b["probability"], abs=1e-5)


def test_a_window_of_a_whole_tile_is_classified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tile = large_stack.write(tmp_path / "S2A_20220701T101031_tile.tif")
    middle = read(tile, Cut(size=120)).extent
    # The middle of a pixel, so that rounding does not change the pixel.
    latitude, longitude = middle.part(61, 61, 1, 1).centre
    command = ["classify", str(tile), "--json", "--device", "cpu"]
    records = []
    for window in ([], ["--at", f"{latitude:.6f},{longitude:.6f}"], ["--window", "5430,5430"]):
        assert main([*command, *window]) == DONE
        records.append(json.loads(capsys.readouterr().out))
    assert records[0] == records[1] == records[2]
    assert records[0]["quality"]["nodata_fraction"] == 0
    assert main([*command, "--at", "0,0"]) == BAD
    assert "lies outside" in capsys.readouterr().err


def test_a_place_finds_the_sample_there(capsys: pytest.CaptureFixture[str]) -> None:
    latitude, longitude = read("finland-lake").centre
    assert main(["classify", f"{latitude},{longitude}", "--json", "--device", "cpu"]) == DONE
    assert json.loads(capsys.readouterr().out)["labels"]


def test_the_text_lists_classes_and_probabilities(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["classify", "finland-lake", "--device", "cpu"]) == DONE
    out = capsys.readouterr().out
    assert "finland-lake" in out
    assert all(name in out for name in CLASS_NAMES)
    assert "%" in out


def test_one_bad_source_among_good_ones_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "finland-lake", "nowhere.tif", "--json"]) == SOME_FAILED
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert err.startswith("error: nowhere.tif: ")
    assert err.splitlines()[1:] == ["2 sources: 1 “Looks reliable”, 1 failed"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["classify", "nowhere.tif"], "no file, folder or sample"),
        (["classify", "-88.5,151.2"], "takes no pictures at -88.5000, 151.2000"),
        (["classify", "91,0"], "latitude"),
        (["classify", "finland-lake", "--model", "resnet"], "Unknown model 'resnet'"),
        (["classify", "finland-lake", "--device", "tpu"], "Unknown device 'tpu'"),
        (["classify", "finland-lake", "--aim", "f3"], "'f3' is not an aim: give f1, f2"),
        (["classify", "finland-lake", "--aim", "precision=0.99"], "from 0.5 to 0.95"),
        (["classify", "finland-lake", "--window", "1"], "not a window"),
        (["classify", "finland-lake", "--window", "60,0"], "does not fit"),
        (["classify", "finland-lake", "--at", "here"], "not a place"),
        (["classify", "finland-lake", "--at", "0,0"], "outside this picture"),
        (["classify"], "required"),
        ([], "required"),
        (["frobnicate"], "invalid choice"),
        (["explain", "finland-lake", "--label", "Moon", "--out", "x.png"], "Unknown class 'Moon'"),
        (
            ["explain", "finland-lake", "--label", "Pastures", "--out", "x.jpg"],
            "must name a .json, .png or .tif file",
        ),
        (
            ["explain", "finland-lake", "--label", "Pastures", "--out", "no/x.png"],
            "does not exist",
        ),
        (
            [
                "explain",
                "finland-lake",
                "--label",
                "Pastures",
                "--method",
                "magic",
                "--out",
                "x.png",
            ],
            "magic",
        ),
        (["evaluate", "nowhere", "--dataset", "bigearthnet"], "no folder 'nowhere'"),
        (["evaluate", ".", "--dataset", "imagenet"], "Unknown data set 'imagenet'"),
        (["evaluate", ".", "--dataset", "bigearthnet", "--bootstraps", "3"], "at least 100"),
        (["train", "--dataset", "bigearthnet", "--root", "nowhere", "--out", "x"], "no folder"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == BAD
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert err.splitlines()[-1].startswith("error: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.tif", b"", "empty"),
        ("notes.tif", b"these are no pixels", "not a"),
        ("cut.tif", None, ""),
    ],
)
def test_damaged_files_are_one_sentence(
    *,
    name: str,
    content: bytes | None,
    sentence: str,
    stack: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / name
    path.write_bytes(stack.read_bytes()[:20_000] if content is None else content)
    assert main(["classify", str(path)]) == BAD
    out, err = capfd.readouterr()
    assert out == ""
    assert sentence in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("image", "options", "sentence"),
    [
        (pixels(), ["--model", "landcover-cnn"], "twelve bands of reflectance"),
        (pixels(), ["--at", "48,13"], "no place or date"),
        (pixels(), ["--window", "1,1"], "does not fit"),
        (pixels(), ["--window", "middle"], "not a window"),
        (pixels(), ["--aim", "f2"], "f2"),
        (pixels(40, 40), [], "at least 64"),
        (pixels()[..., 0], [], "greyscale"),
    ],
)
def test_an_unusable_picture_is_one_sentence(
    image: np.ndarray,
    options: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "holiday.png"
    path.write_bytes(encoded(image))
    assert main(["classify", str(path), *options]) == BAD
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert sentence in err


def test_a_picture_gets_the_model_for_pictures_and_the_reason_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(encoded(pixels(100, 90)))
    arguments = ["classify", str(path), "finland-lake", "--json", "--device", "cpu"]
    assert main(arguments) == DONE
    picture, patch = map(json.loads, capsys.readouterr().out.splitlines())
    assert {"source", "model", "labels", "abstained", "quality", "provenance"} <= picture.keys()
    assert (picture["model"], patch["model"]) == ("eurosat-rgb", "landcover-mosaic")
    assert [item["label"] for item in picture["labels"]] == list(EUROSAT_CLASSES)
    # Noise in EuroSAT's colours is unlike its pictures.
    assert picture["abstained"]
    assert not any(item["predicted"] for item in picture["labels"])
    assert picture["provenance"]["window"] == {"row": 18, "col": 13}
    assert "infrared" in " ".join(picture["limits"])
    assert main(["classify", str(path), "--window", "0,0"]) == DONE
    out = capsys.readouterr().out
    assert "model eurosat-rgb, chosen because this picture has only red, green and blue" in out
    assert "from row 0, column 0 of 100 × 90" in out


def test_the_model_for_pictures_refuses_reflectance(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["classify", "finland-lake", "--model", "eurosat-rgb"]) == BAD
    err = capsys.readouterr().err
    assert "stretch is unknown" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("name", ["landcover-cnn", "class-prior"])
def test_eurosat_needs_a_model_for_pictures(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "Forest"
    folder.mkdir()
    (folder / "Forest_1.jpg").write_bytes(encoded(pixels(), "JPEG"))
    arguments = ["evaluate", str(tmp_path), "--dataset", "eurosat", "--split", "all"]
    assert main([*arguments, "--model", name]) == BAD
    err = capsys.readouterr().err
    assert "was not made for EuroSAT" in err
    assert len(err.splitlines()) == 1


def test_evaluate_measures_accuracy_on_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label in ("Forest", "River"):
        folder = tmp_path / label
        folder.mkdir()
        for number in (1, 5000):
            image = encoded(pixels(seed=number), "JPEG")
            (folder / f"{label}_{number}.jpg").write_bytes(image)
    arguments = ["evaluate", str(tmp_path), "--dataset", "eurosat", "--split", "all"]
    assert main([*arguments, "--bootstraps", "100", "--json", "--device", "cpu"]) == DONE
    record = json.loads(capsys.readouterr().out)
    assert (record["model"], record["n"]) == ("eurosat-rgb", 4)
    assert 0 <= record["accuracy"] <= 1
    assert record["confidence_intervals"]["accuracy"] is not None
    assert set(record["baselines"]) == {"class-prior", "colour-statistics"}
    assert list(record["per_class"]) == list(EUROSAT_CLASSES)
    assert record["training_distance_m"] is None
    assert "no place" in record["note"]


def test_explain_writes_a_picture_and_prints_the_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "why.png"
    arguments = ["explain", "finland-lake", "--label", "inland waters", "--out", str(out)]
    assert main([*arguments, "--json", "--device", "cpu"]) == DONE
    record = json.loads(capsys.readouterr().out)
    assert record["explanation"]["label"] == "Inland waters"
    with Image.open(out) as picture:
        assert min(picture.size) >= 300


def test_models_lists_every_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == DONE
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(registry.default().names())
    assert {"eurosat-rgb", "band-statistics", "class-prior"} < {row["name"] for row in rows}
    assert rows[0]["default"] is True
    assert main(["models"]) == DONE
    assert "landcover-cnn" in capsys.readouterr().out


def test_help_does_not_import_torch() -> None:
    code = (
        "import sys\n"
        "from landcover.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0
    assert b"classify" in done.stdout


@pytest.mark.slow
def test_a_closed_pipe_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m landcover classify finland-lake austria-fields --json | head -c 1",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.stdout == b"{"
    assert done.stderr == b""


@pytest.mark.slow
@pytest.mark.data
def test_evaluate_prints_the_documented_object(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", str(shared_data / "bigearthnet"), "--dataset", "bigearthnet"]
    assert main([*arguments, "--split", "test", "--bootstraps", "100", "--json"]) == DONE
    record = json.loads(capsys.readouterr().out)
    assert record["n"] == 115
    assert {
        "model", "dataset", "split", "n", "macro_ap", "micro_ap", "macro_f1", "micro_f1", "ece",
        "confidence_intervals", "per_class", "baselines",
    } <= record.keys()  # fmt: skip
    assert {"class-prior", "band-statistics"} <= set(record["baselines"])
    assert list(record["per_class"]) == list(CLASS_NAMES)
    for baseline in record["baselines"].values():
        assert record["macro_ap"] > baseline["macro_ap"]
        assert record["micro_ap"] > baseline["micro_ap"]
