"""Runs and trainings of the past as experiments, and what differs between two of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from landcover import nets
from landcover.core.errors import BadInput, UnknownName
from landcover.jobs.runs import comparison, control, experiments, folder, work
from landcover.jobs.runs.record import Run
from landcover.models import registry
from tests.support import runs
from tests.support.tiny import NAME, TinyNet, tiny_folder

HISTORY = (
    "epoch,train_loss,val_loss,val_macro_ap,val_micro_ap,learning_rate,seconds\n"
    "1,0.5,nan,nan,nan,0.1,60\n2,0.25,0.3,0.61,0.72,0.1,30\n3,0.2,0.3,0.6,0.73,0.1,30\n"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An own home, whose runner is busy, and which has the only models."""
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(nets.NETS, NAME, TinyNet)
    empty = registry.Registry(home=tmp_path / "home", shipped=tmp_path / "none")
    with runs.busy_runner(), registry.use(empty):
        yield tmp_path / "home"


def model(home: Path, name: str, *, config: str = "", history: str = "") -> Path:
    made = tiny_folder(
        home / "models" / name,
        name=name,
        training={
            "dataset": "BigEarthNet v2 (reBEN)",
            "splits": ["train", "validation"],
            "n": 510,
            "date": "2026-11-24",
            "command": "landcover train --dataset bigearthnet-v2 --model landcover-cnn",
        },
    )
    for file, text in (("config.json", config), ("history.csv", history)):
        if text:
            (made / file).write_text(text)
    return made


def ended(run: Run, **facts: object) -> Run:
    """The run as if it had taken 90 s."""
    start = datetime(2026, 11, 30, tzinfo=UTC)
    with folder.changing():
        folder.update(
            run.folder,
            state="finished",
            started=start,
            ended=start + timedelta(seconds=90),
            **facts,
        )
    return run


def test_a_model_tells_of_its_training(home: Path) -> None:
    model(home, "mine", config='{"net": "tiny", "augmentation": {"paste": 0.5}}', history=HISTORY)
    (found,) = experiments.all_experiments()
    assert (found.key, found.kind, found.result, found.run) == ("model:mine", "past", "mine", None)
    assert (found.model, found.data, found.state) == ("landcover-cnn", "bigearthnet-v2", "finished")
    assert (found.macro_ap, found.micro_ap, found.seconds) == (0.61, 0.73, 120)
    assert found.date == datetime(2026, 11, 24, tzinfo=UTC)
    assert [entry.epoch for entry in found.history] == [1, 2, 3]
    assert math.isnan(found.history[0].val_loss)
    assert math.isnan(found.history[2].val_accuracy)
    assert experiments.settings_of(found) == {
        "model": "landcover-cnn",
        "data set": "bigearthnet-v2",
        "fit": "train+validation",
        "patches": 510,
        "net": "tiny",
        "augmentation.paste": 0.5,
    }


@pytest.mark.parametrize(
    "history",
    [
        "epoch,train_loss\none,0.5\n",
        "epoch,train_loss\n1\n,,,,\n",
        "loss\n1\n",
        'epoch,train_loss\n"1,0.5\n',
        "epoch,train_loss\n1,0.5,7\n1e400,0.5\n",
        "\0",
    ],
)
def test_a_damaged_model_has_no_training(home: Path, history: str) -> None:
    model(home, "hurt", config="[1]", history=history)
    (home / "models" / "gone").mkdir()
    (home / "models" / "gone" / "card.json").write_text("{")
    assert experiments.past() == ()
    with pytest.raises(BadInput, match="'hurt' carries neither settings nor epochs"):
        experiments.find("hurt")


def test_a_card_without_a_command_is_read_as_far_as_it_goes(home: Path) -> None:
    made = tiny_folder(home / "models" / "other", name="other", training={"splits": 3, "date": "x"})
    (made / "config.json").write_text('{"net": "tiny"}')
    found = experiments.of_model("other")
    assert (found.model, found.data, found.date) == (NAME, "", None)
    assert experiments.settings_of(found) == {
        "model": NAME,
        "net": "tiny",
    }


def test_a_model_of_a_run_is_listed_with_the_run_alone(home: Path, root: Path) -> None:
    model(home, "mine", config='{"net": "tiny"}')
    run = ended(control.start(runs.order(root, name="another")), model="mine")
    (found,) = experiments.all_experiments()
    assert (found.key, found.kind, found.result, found.seconds) == (run.id, "train", "mine", 90)
    assert found.as_dict()["folder"] == str(run.folder)
    control.remove(run.id)
    assert [each.key for each in experiments.all_experiments()] == ["model:mine"]


def test_a_removed_model_is_no_result(root: Path) -> None:
    ended(control.start(runs.order(root)), model="mine")
    (found,) = experiments.all_experiments()
    assert found.result == ""


def test_a_test_has_the_precisions_of_its_report(home: Path, root: Path) -> None:
    tiny_folder(home / "models" / "mine", name="mine")
    values = {"kind": "test", "model": "mine", "epochs": None, "settings": {"bootstraps": 100}}
    run = control.start(runs.order(root, name="a test", **values))
    waiting = experiments.of_run(run)
    assert math.isnan(waiting.macro_ap)
    assert math.isnan(waiting.seconds)
    work.compute(run.folder)
    ended(run)
    found = experiments.find("a test")
    (report,) = (run.folder / "report" / "evaluation").glob("*.json")
    measured = json.loads(report.read_text())
    assert found.micro_ap == measured["micro_ap"]
    assert math.isnan(found.macro_ap)  # no class is on five patches
    assert measured["macro_ap"] is None


def test_a_damaged_report_has_no_precision(home: Path, root: Path) -> None:
    tiny_folder(home / "models" / "mine", name="mine")
    order = runs.order(root, kind="test", model="mine", epochs=None, settings={})
    run = ended(control.start(order))
    assert math.isnan(experiments.of_run(run).macro_ap)


def test_a_run_is_compared_with_a_training_of_the_past(home: Path, root: Path) -> None:
    settings = (Path(nets.__file__).parents[1] / "zoo/landcover-cnn/config.json").read_text()
    model(home, "old", config=settings, history=HISTORY)
    control.start(runs.order(root, name="new"))
    found = comparison.compare(experiments.find("new"), experiments.find("model:old"))
    assert found.differing["epochs"] == (2, 120)
    assert found.differing["data set"] == ("bigearthnet", "bigearthnet-v2")
    assert "learning_rate" not in found.differing
    assert found.same > 15
    assert [one["kind"] for one in found.as_dict()["runs"]] == ["train", "past"]
    json.dumps(found.as_dict(), allow_nan=False)
    assert "model:old" in found.text
    with pytest.raises(UnknownName):
        experiments.find("neither")
