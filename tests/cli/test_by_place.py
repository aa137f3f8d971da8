"""``evaluate --by`` from the command line: folders, options, resuming and comparing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from landcover.cli.main import main
from landcover.core.classes import CLASS_NAMES
from landcover.models import registry
from landcover.train import validation
from landcover.train.recipes import out_of_fold
from tests.support import eurosat_tree
from tests.support.bigearthnet_tree import PatchSpec, write_v2

FEW = ["--dataset", "bigearthnet", "--bootstraps", "100"]
TILES = {"Austria": "33UUP", "Finland": "35VNL", "Ireland": "29UPU"}


def spec(country: str, column: int, split: str = "train") -> PatchSpec:
    name = f"S2A_MSIL2A_20170613T101031_N9999_R022_T{TILES[country]}_{2 * column}_0"
    return PatchSpec(name, (CLASS_NAMES[column % 2],), split, country)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two folders that share a patch; the first has test patches."""
    first = [spec(country, k) for country in ("Austria", "Finland") for k in range(6)]
    first += [spec("Austria", k, "test") for k in (20, 21)]
    second = [spec("Finland", 0), *(spec("Ireland", k, "validation") for k in range(3))]
    folder = tmp_path_factory.mktemp("by_place")
    return [write_v2(folder / "one", first), write_v2(folder / "two", second)]


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main([str(argument) for argument in arguments])
    return status, *capsys.readouterr()


def test_a_recipe_is_judged_by_left_out_countries_of_two_folders(
    roots: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    arguments = ("evaluate", *roots, *FEW, "--by", "country", "--model", "band-statistics")
    status, printed, err = run(
        capsys, *arguments, "--out", out, "--against", "class-prior", "--json"
    )
    report = out / "band-statistics" / "report.json"
    assert (status, err) == (0, f"Written: {report}\n")
    said = json.loads(printed)
    assert said == json.loads(report.read_text(encoding="utf-8"))
    # 12 and 3 patches; neither the two test patches nor the shared one again.
    assert (said["n"], said["by"], said["bootstrap"]["unit"]) == (15, "country", "product")
    assert [fold["held_out"] for fold in said["folds"]] == [6, 6, 3]
    assert sum(one["support"] for one in said["per_class"].values()) == 15
    assert said["against"]["class-prior"]["margin"]["micro_ap"]["interval"] is not None
    assert said["command"].startswith("landcover evaluate ROOT ROOT2 --dataset bigearthnet --by")
    assert str(tmp_path) not in said["command"]

    # The finished folds are used again, and the folder of a recipe is a side of another run.
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/fold-*")}
    assert len(before) == 6
    status, printed, _ = run(capsys, *arguments, "--out", out, "--against", out / "class-prior")
    assert status == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/fold-*")} == before
    assert "15 patches of 3 products, each scored by a fit without its country" in printed
    assert "above …" in printed
    assert "runs/class-prior " in printed


def test_an_interrupted_run_says_how_to_resume(
    roots: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = validation.predict_logits
    done: list[int] = []

    def stops(*arguments: object, **options: object) -> object:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(out_of_fold, "predict_logits", stops)
    arguments = (
        "evaluate", *roots, *FEW, "--by", "product", "--model", "class-prior", "--against",
        "band-statistics", "--out", tmp_path,
    )  # fmt: skip
    status, printed, err = run(capsys, *arguments)
    assert (status, printed) == (130, "")
    assert err.splitlines()[-1].endswith("run the same command again to resume.")
    assert len(list((tmp_path / "class-prior").glob("fold-*"))) == 2
    monkeypatch.undo()
    status, printed, _ = run(capsys, *arguments)
    assert status == 0
    assert "above band-statistics" in printed


def test_the_baselines_are_beside_a_recipe_unless_others_are_named(
    roots: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "BASELINES", ("class-prior", "band-statistics"))
    status, printed, _ = run(
        capsys, "evaluate", *roots, *FEW, "--by", "country", "--model", "class-prior", "--folds", 2,
        "--out", tmp_path, "--unit", "patch", "--json",
    )  # fmt: skip
    assert status == 0
    said = json.loads(printed)
    assert list(said["against"]) == ["band-statistics"]
    assert len(said["folds"]) == 2
    assert said["bootstrap"]["unit"] == "patch"


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ("--by country", "Give --out"),
        ("--out OUT", "--out needs --by"),
        ("--epochs 3", "--epochs needs --by"),
        ("--seed 0", "--seed needs --by"),
        ("--teacher F", "--teacher needs --by"),
        ("--by country --out OUT", "give --teacher FILE"),
        (
            "--by country --out OUT --model class-prior --against band-statistics --teacher F",
            "Only 'landcover-mosaic' learns",
        ),
        ("--by country --out OUT --split test", "--split cannot be used with --by"),
        ("--by country --out OUT --allow-touching", "--allow-touching cannot be used"),
        ("--by country --out OUT --save", "--save cannot be used with --by"),
        ("--by tile --out OUT", "invalid choice"),
        ("--by place --out OUT", "and pictures, such as those of eurosat, by place"),
        ("--by country --out OUT --folds 9", "choose 2 to 3"),
        ("--by country --out OUT --model landcover-cnn --epochs 0", "epochs"),
        ("--by country --out OUT --model no-such", "Unknown model 'no-such'"),
        ("--by country --out OUT --model eurosat-rgb", "trained on pictures"),
        ("--by country --out OUT --model class-prior --against nowhere", "Unknown model 'nowhere'"),
        ("--by country --out OUT --model class-prior --epochs 3", "without a configuration"),
        ("--by country --out OUT --model class-prior --against class-prior", "with itself"),
    ],
)
def test_what_does_not_go_together_is_refused_before_the_work(
    roots: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    extra: str,
    sentence: str,
) -> None:
    some = roots if "--by" in extra else roots[:1]
    options = [str(tmp_path / "out") if one == "OUT" else one for one in extra.split()]
    status, printed, err = run(capsys, "evaluate", *some, *FEW, *options)
    assert (status, printed) == (2, "")
    assert sentence in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_predictions_of_other_folds_are_not_compared(
    roots: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("evaluate", *roots, *FEW, "--model", "class-prior", "--against", "band-statistics")
    assert run(capsys, *arguments, "--by", "country", "--out", tmp_path / "a")[0] == 0
    other = (*arguments[:-1], tmp_path / "a" / "band-statistics")
    status, _, err = run(capsys, *other, "--by", "country", "--folds", 2, "--out", tmp_path / "b")
    assert status == 2
    assert "are of other patches or folds" in err
    status, _, err = run(capsys, *arguments[:2], *FEW, "--by", "country", "--out", tmp_path / "a",
                         "--model", "class-prior", "--against", "band-statistics")  # fmt: skip
    assert status == 2
    assert "holds folds of other patches or settings" in err


def test_several_folders_need_by(roots: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "evaluate", *roots, *FEW)
    assert status == 2
    assert "Several folders are evaluated by place only" in err


PICTURES = ["--dataset", "eurosat", "--bootstraps", "100", "--by", "place", "--folds", "2"]


@pytest.fixture(scope="module")
def eurosat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of one class in three cells; those of the test split never enter."""
    return eurosat_tree.write(tmp_path_factory.mktemp("eurosat"))


def test_a_recipe_for_pictures_is_judged_by_left_out_cells(
    eurosat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    arguments = ("evaluate", eurosat, *PICTURES, "--model", "colour-statistics", "--out", out)
    status, printed, err = run(capsys, *arguments, "--json")
    report = out / "colour-statistics" / "report.json"
    assert (status, err) == (0, f"Written: {report}\n")
    said = json.loads(printed)
    assert said == json.loads(report.read_text(encoding="utf-8"))
    assert said["n"] == eurosat_tree.TRAINING + 12
    assert (said["by"], said["accuracy"], list(said["against"])) == ("place", 1.0, ["class-prior"])
    assert str(tmp_path) not in said["command"]
    assert "--by place --folds 2 --model colour-statistics" in said["command"]
    # The finished folds are used again.
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/fold-*")}
    assert len(before) == 4
    status, printed, _ = run(capsys, *arguments, "--against", out / "class-prior")
    assert status == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/fold-*")} == before
    assert "each scored by a fit without its cell" in printed


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ("--by country", "Patches are judged by country or product"),
        ("--unit patch", "drawn by cell"),
        ("--features", "for patches only"),
        ("--folds 9", "9 folds cannot be made"),
        ("--model landcover-cnn", "Unknown model for pictures 'landcover-cnn'"),
        ("--model class-prior --epochs 3", "without a configuration"),
        ("--model class-prior --against class-prior", "with itself"),
        ("--model class-prior --against nowhere", "Unknown model for pictures 'nowhere'"),
    ],
)
def test_what_cannot_be_done_with_pictures_is_refused_before_the_work(
    eurosat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: str, sentence: str
) -> None:
    out = tmp_path / "out"
    status, printed, err = run(capsys, "evaluate", eurosat, *PICTURES, "--out", out, *extra.split())
    assert (status, printed) == (2, "")
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert not out.exists()
