"""`landcover train`: training, resuming, several processes, progress, costs."""

from __future__ import annotations

import io
import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from landcover.cli import train
from landcover.cli.exit_status import BAD, DONE
from landcover.cli.main import main
from landcover.cli.progress import Display
from landcover.cli.training_bar import Bar
from landcover.core.classes import CLASS_NAMES
from landcover.datasets import open_dataset
from landcover.datasets.convert import convert
from landcover.train.callbacks import StepProgress, active_callbacks, use_callbacks
from landcover.train.history import Epoch
from tests.conftest import ROOT
from tests.support import bigearthnet_tree as tree
from tests.support import mlflow_store, tracked
from tests.support.interrupts import interrupted

SETTINGS = {
    "net_options": {"members": 1, "width": 4, "stem": 4, "spectral": 4},
    "epochs": 2,
    "batch": 6,
    "validate_every": 1,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    specs = [
        tree.PatchSpec(
            patch_id=tree.v2_id(column),
            labels=(CLASS_NAMES[column % 3],),
            split="train" if column < 12 else "validation",
        )
        for column in range(18)
    ]
    return tree.write_v2(tmp_path_factory.mktemp("data") / "ben", specs)


@pytest.fixture
def arguments(folders: Path, tmp_path: Path) -> list[str]:
    config = tmp_path / "small.json"
    config.write_text(json.dumps(SETTINGS))
    return [
        *("train", "--dataset", "bigearthnet", "--root", str(folders), "--device", "cpu"),
        *("--model", "landcover-cnn", "--config", str(config), "--out", str(tmp_path / "model")),
    ]


@pytest.mark.slow
def test_training_can_be_repeated(
    arguments: list[str], folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == DONE
    out, err = capsys.readouterr()
    model = tmp_path / "model"
    assert out == f"Written: {model}\n"
    lines = err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "train: epoch 1 of 2",
        "train: epoch 2 of 2",
    ]
    assert all("validation AP" in line and "patches/s" in line for line in lines)
    weights = next(model.glob("*.safetensors")).read_bytes()
    history = (model / "runs/train/history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in history] == [1, 2]
    # A finished run is not repeated.
    assert main(arguments) == DONE
    assert capsys.readouterr() == (out, "")
    assert next(model.glob("*.safetensors")).read_bytes() == weights
    # The fast store gives the same model.
    convert(open_dataset("bigearthnet", folders), tmp_path / "fast")
    arguments[arguments.index("--root") + 1] = str(tmp_path / "fast")
    arguments[-1] = str(tmp_path / "other")
    assert main(arguments) == DONE
    assert next((tmp_path / "other").glob("*.safetensors")).read_bytes() == weights


def test_ctrl_c_prints_how_to_resume(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = tmp_path / "model/runs/train/history.jsonl"

    # When the second epoch is written, the first is in the checkpoint.
    with interrupted(lambda: history.exists() and history.read_text().count("\n") > 1):
        status = main([*arguments, "--epochs", "500"])
    assert status == train.INTERRUPTED
    last = capsys.readouterr().err.splitlines()[-1]
    said = re.fullmatch(
        r"error: Stopped; (\d+) of 500 epochs of the fit 'train' are kept: run the same command "
        r"again to resume\.",
        last,
    )
    assert said
    assert 1 <= int(said[1]) <= history.read_text().count("\n")


def test_ctrl_c_before_the_first_epoch_names_no_kept_epochs() -> None:
    assert "before the end of an epoch" in Bar(Display(io.StringIO())).stopped


@pytest.mark.slow
def test_torchrun_trains_with_two_processes(arguments: list[str], tmp_path: Path) -> None:
    run = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", "-m", "landcover", *arguments, "--epochs", "1"),
        ],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == DONE, run.stderr
    assert run.stdout == f"Written: {tmp_path / 'model'}\n"
    assert run.stderr.count("train: epoch 1 of 1") == 1
    config = json.loads((tmp_path / "model/config.json").read_text())
    assert config["shards"] == 2
    # One process finds the finished run.
    assert main([*arguments, "--epochs", "1", "--shards", "2"]) == DONE


@pytest.mark.parametrize(
    ("more", "match"),
    [
        (["--shards", "4"], "2 patches or more a shard"),
        (["--config", "nowhere.json"], "cannot be read"),
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--device", "tpu"], "Unknown device"),
    ],
)
def test_bad_options_are_one_sentence(
    arguments: list[str], more: list[str], match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *more]) == BAD
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert match in err


@pytest.mark.parametrize(
    ("more", "match"),
    [
        (["--model", "landcover-mosaic"], "give --teacher FILE"),
        (["--model", "landcover-mosaic", "--teacher", "no.npz"], "no file 'no.npz'"),
        (["--model", "class-prior", "--teacher", "no.npz"], "Only 'landcover-mosaic' learns"),
        (["--model", "class-prior", "--unlabelled", "no.tif"], "Only 'landcover-area' and"),
        (["--model", "landcover-area", "--teacher", "no.npz"], "Only 'landcover-mosaic' learns"),
    ],
)
def test_files_to_learn_from_are_asked_for_and_refused_in_one_sentence(
    folders: Path, tmp_path: Path, more: list[str], match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--dataset", "bigearthnet", "--root", str(folders), "--device", "cpu"]
    assert main([*command, *more, "--out", str(tmp_path / "model")]) == BAD
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert match in err


def test_folders_are_required(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--dataset", "bigearthnet"]) == BAD
    assert "--root" in capsys.readouterr().err


def test_a_model_for_patches_is_not_trained_on_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--dataset", "eurosat", "--root", str(tmp_path), "--out", "x"]
    assert main([*command, "--model", "landcover-cnn"]) == BAD
    assert "is not trained on pictures" in capsys.readouterr().err


def test_costs_are_printed_without_training(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("landcover.train.costs.PROBE_SECONDS", 0.01)
    assert main([*arguments, "--cost", "--json"]) == DONE
    record = json.loads(capsys.readouterr().out)
    assert record["patches"] == {"train": 12, "validation": 6}
    assert record["epochs"] == 2
    assert not (tmp_path / "model").exists()
    assert main(["train", "--dataset", "eurosat", "--cost"]) == BAD
    assert "works for patches only" in capsys.readouterr().err
    mosaic = ["train", "--dataset", "bigearthnet", "--model", "landcover-mosaic", "--cost"]
    assert main(mosaic) == BAD
    assert "several steps" in capsys.readouterr().err


def test_packaged_configurations_are_found_by_name(tmp_path: Path) -> None:
    assert train.config_path("full-trigrid").is_file()
    assert train.config_path("full-spectral-lite0").is_file()
    own = tmp_path / "full-trigrid"
    own.write_text("{}")
    assert train.config_path(str(own)) == own


def test_data_convert_writes_then_verifies(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["data", "convert", str(folders), str(tmp_path / "fast")]
    assert main(command) == DONE
    assert capsys.readouterr().out.startswith("Written and verified: 18 patches")
    assert main([*command, "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["fresh"] is False
    assert main(["data", "describe", str(tmp_path / "fast"), "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["n"] == 18


ENTRY = Epoch(
    epoch=2, train_loss=0.5, val_loss=0.4, val_macro_ap=0.61, val_micro_ap=0.72,
    learning_rate=1e-3, patches_per_second=410.4, seconds=2.0,
)  # fmt: skip


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def progress(step: int, epoch: int = 3) -> StepProgress:
    return StepProgress(
        run="train", epoch=epoch, epochs=9, step=step, steps=30, patches=3000, loss=0.213
    )


def test_the_bar_is_over_all_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    now, stream = [0.0], Terminal()
    bar = Bar(Display(stream, lambda: now[0]))
    bar.step(progress(1))
    bar.epoch("train", ENTRY, 9)
    for second, step in enumerate((6, 15, 20), 1):
        now[0] = float(second)
        bar.step(progress(step))
    bar.display.close()
    # From step 6 to step 20 of 30, with 3000 patches an epoch, took 2 s: 700 a second.
    assert (
        "8,000 of 27,000 patches, 700 patches/s, 0:28 left, epoch 3 of 9, loss 0.213, "
        "validation AP macro 0.610 micro 0.720"
    ) in stream.getvalue()
    assert bar.kept == 2


def test_a_log_gets_a_line_an_epoch() -> None:
    stream = io.StringIO()
    bar = Bar(Display(stream))
    bar.step(progress(1))
    bar.step(progress(2))
    bar.epoch("train", ENTRY, 9)
    bar.epoch("train", replace(ENTRY, val_loss=math.nan), 9)
    bar.epoch("train", replace(ENTRY, val_accuracy=0.9, epoch=9), 9)
    bar.display.close()
    first, second, third = stream.getvalue().splitlines()
    assert first.startswith("train: epoch 2 of 9, loss 0.5000, 410 patches/s, validation AP macro")
    assert "validation" not in second
    assert third.endswith("validation accuracy 0.900")


def test_callbacks_apply_only_inside() -> None:
    bar = Bar(Display(io.StringIO()))
    with use_callbacks(bar):
        assert active_callbacks() == (bar,)
    assert active_callbacks() == ()


def test_a_tracker_that_cannot_be_used_is_one_sentence_before_the_training(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for tracker in ("curves", "wandb=x", "mlflow=nowhere", "tensorboard="):
        assert main([*arguments, "--track", tracker]) == BAD
        assert capsys.readouterr().err.count("\n") == 1
    assert main([*arguments, "--tensorboard", "a", "--track", "tensorboard=b"]) == BAD
    assert "is given twice" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_trackers_get_the_curves_of_the_history(arguments: list[str], tmp_path: Path) -> None:
    file = tmp_path / "curves.db"
    tracks = ["--track", f"tensorboard={tmp_path}/curves"]
    if mlflow_store.INSTALLED:
        tracks += ["--track", f"mlflow=sqlite:///{file}"]
    assert main([*arguments, *tracks]) == DONE
    rows = (tmp_path / "model/runs/train/history.jsonl").read_text().splitlines()
    history = [json.loads(row) for row in rows]
    for name in ("train_loss", "val_micro_ap", "learning_rate"):
        expected = [(row["epoch"], pytest.approx(row[name], rel=1e-6)) for row in history]
        assert tracked.scalars(tmp_path / "curves/train", name) == expected
        if mlflow_store.INSTALLED:
            (run,) = mlflow_store.runs_in(file)
            assert run.data.params["model"] == "landcover-cnn"
            assert mlflow_store.points(file, run, f"train/{name}") == expected


def test_only_a_model_that_starts_from_other_weights_is_trained_from_scratch(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--from-scratch"]) == BAD
    assert "leave --from-scratch out" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
