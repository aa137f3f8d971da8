"""What a training leaves in a real store of MLflow. `make test-all` installs it."""

from __future__ import annotations

import json
import logging
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from landcover.core.errors import BadInput
from landcover.train import mlflow_log, trackers
from landcover.train.callbacks import Training, active_callbacks
from tests.support import mlflow_store, tracked

pytest.importorskip("mlflow", reason="needs the extra mlflow, which `make test-all` installs")


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with all tables, which take MLflow seconds to make."""
    file = tmp_path_factory.mktemp("mlflow") / "empty.db"
    trackers.tracker_of("mlflow", f"sqlite:///{file}", tracked.training(file.parent)).close()
    return file


@pytest.fixture
def store(empty_store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(empty_store, tmp_path / "curves.db"))


def test_mlflow_gets_settings_and_curves_of_each_fit(store: Path, tmp_path: Path) -> None:
    training = tracked.training(tmp_path / "model")
    with trackers.tracking({"mlflow": f"sqlite:///{store}"}, training):
        (log,) = active_callbacks()
        log.epoch("train", tracked.ENTRY, 2)
        log.epoch("train", replace(tracked.ENTRY, epoch=2, train_loss=0.25), 2)
        log.epoch("train+validation", tracked.ENTRY, 1)
    assert active_callbacks() == ()
    (run,) = mlflow_store.runs_in(store)
    assert (run.info.run_name, run.info.status) == ("my-model", "FINISHED")
    assert mlflow_store.points(store, run, "train/train_loss") == [(1, 0.5), (2, 0.25)]
    assert mlflow_store.points(store, run, "train_validation/val_macro_ap") == [(1, 0.25)]
    assert "train/val_loss" not in run.data.metrics, "it was not measured"
    settings = run.data.params
    assert settings["dataset"] == "bigearthnet"
    assert settings["train/net_options.width"] == "4"
    assert settings["train/augmentation.paste"] == "0.0"
    assert str(tmp_path) not in json.dumps([run.data.params, run.data.tags])


def _record_and_fail(place: dict[str, str], training: Training, error: BaseException) -> None:
    with suppress(KeyboardInterrupt, BadInput), trackers.tracking(place, training):
        active_callbacks()[0].epoch("train", tracked.ENTRY, 3)
        raise error


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt(), "KILLED"), (BadInput("no"), "FAILED")]
)
def test_mlflow_learns_how_a_training_ended(
    error: BaseException, status: str, store: Path, tmp_path: Path
) -> None:
    training, place = tracked.training(tmp_path / "model"), {"mlflow": f"sqlite:///{store}"}
    _record_and_fail(place, training, error)
    assert [run.info.status for run in mlflow_store.runs_in(store)] == [status]
    # The training that is resumed goes on in its run …
    with trackers.tracking(place, training):
        active_callbacks()[0].epoch("train", replace(tracked.ENTRY, epoch=2), 3)
    (run,) = mlflow_store.runs_in(store)
    assert run.info.status == "FINISHED"
    assert mlflow_store.points(store, run, "train/train_loss") == [(1, 0.5), (2, 0.5)]
    # … and another one in the same folder gets a new one.
    with trackers.tracking(place, training):
        active_callbacks()[0].epoch("train", tracked.ENTRY, 3)
    assert len(mlflow_store.runs_in(store)) == 2


def test_a_training_that_starts_again_does_not_continue_the_one_that_failed(
    store: Path, tmp_path: Path
) -> None:
    training, place = tracked.training(tmp_path / "model"), {"mlflow": f"sqlite:///{store}"}
    for _ in range(2):
        _record_and_fail(place, training, BadInput("no"))
    assert len(mlflow_store.runs_in(store)) == 2


def test_nothing_is_recorded_of_a_training_that_was_already_finished(
    store: Path, tmp_path: Path
) -> None:
    with trackers.tracking({"mlflow": f"sqlite:///{store}"}, tracked.training(tmp_path / "model")):
        pass
    assert mlflow_store.runs_in(store) == []


def test_a_server_that_goes_away_stops_no_training_and_gets_all_epochs_later(
    store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(mlflow_log, "PAUSE_S", 0.0)
    training = tracked.training(tmp_path / "model")
    with mlflow_store.serving(store) as address:
        log = trackers.tracker_of("mlflow", address, training)
        log.epoch("train", tracked.ENTRY, 3)
    with caplog.at_level(logging.WARNING, "landcover"):
        log.epoch("train", replace(tracked.ENTRY, epoch=2), 3)
    assert caplog.text.count("training goes on") == 1
    with mlflow_store.serving(store, port=urlsplit(address).port or 0):
        log.epoch("train", replace(tracked.ENTRY, epoch=3), 3)
        log.close()
    (run,) = mlflow_store.runs_in(store)
    assert [step for step, _ in mlflow_store.points(store, run, "train/train_loss")] == [1, 2, 3]
    assert run.info.status == "FINISHED"


@pytest.mark.parametrize("place", ["http://127.0.0.1:9", "sqlite:///README.md"])
def test_places_where_mlflow_is_not_are_one_sentence(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README.md").write_text("This is no data base.\n" * 200)
    with pytest.raises(BadInput, match="MLflow cannot be used at ") as caught:
        trackers.tracker_of("mlflow", place, tracked.training(tmp_path / "model"))
    assert "\n" not in str(caught.value)
