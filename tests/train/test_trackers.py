"""Trackers: their table, where they may write, and what a training leaves in real event files."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from landcover.core.errors import BadInput, UnknownName
from landcover.train import trackers
from landcover.train.callbacks import active_callbacks
from tests.support import tracked


def test_a_tracker_is_named_with_its_place(tmp_path: Path) -> None:
    assert trackers.named(["tensorboard=a=b", "mlflow=https://x"]) == {
        "tensorboard": "a=b",
        "mlflow": "https://x",
    }
    for texts in (["tensorboard"], ["mlflow="], ["mlflow=a", "mlflow=b"]):
        with pytest.raises(BadInput, match="tracker"):
            trackers.named(texts)
    for make in (
        lambda: trackers.named(["wandb=x"]),
        lambda: trackers.tracker_of("wandb", "x", tracked.training(tmp_path)),
    ):
        with pytest.raises(UnknownName, match="tensorboard"):
            make()


def test_event_files_have_the_curves_and_settings_of_each_fit(tmp_path: Path) -> None:
    training = tracked.training(tmp_path / "model")
    with trackers.tracking({"tensorboard": str(tmp_path / "curves")}, training):
        (log,) = active_callbacks()
        log.epoch("train", tracked.ENTRY, 2)
        log.epoch("train", replace(tracked.ENTRY, epoch=2), 2)
        log.epoch("train+validation", tracked.ENTRY, 1)
    fit = tmp_path / "curves" / "train"
    assert tracked.scalars(fit, "train_loss") == [(1, 0.5), (2, 0.5)]
    events = tracked.events(fit)
    assert "val_loss" not in events.Tags()["scalars"], "it was not measured"
    (text,) = events.Tensors("settings/text_summary")
    (lines,) = text.tensor_proto.string_val
    assert b'- dataset: "bigearthnet"' in lines
    assert b"- batch: 6" in lines
    assert (tmp_path / "curves" / "train+validation").is_dir()


@pytest.mark.parametrize(
    ("name", "place", "match"),
    [
        ("mlflow", "https://me:secret@example.org", "MLFLOW_TRACKING_PASSWORD"),
        ("mlflow", "http://[", "address of a server"),
        ("mlflow", "https://a.example\nb", "address of a server"),
        ("mlflow", "databricks", "address of a server"),
        ("mlflow", "file:///tmp/x", "address of a server"),
        ("mlflow", "sqlite:///", "address of a server"),
        ("mlflow", "sqlite:///missing/curves.db", "file 'missing/curves.db' cannot be made"),
        ("mlflow", "sqlite:///.", "cannot be made"),
        ("mlflow", "sqlite:///" + 5000 * "x", "cannot be made"),
        ("tensorboard", "file.txt", "folder that can be written, not 'file.txt'"),
        ("tensorboard", "file.txt/below", "folder that can be written"),
        ("tensorboard", "a\0b", "folder that can be written"),
        ("tensorboard", "~nobody-here/curves", "folder that can be written"),
        ("tensorboard", 5000 * "x", "folder that can be written"),
        ("wandb", "x", "tensorboard"),
    ],
)
def test_places_that_cannot_be_used_are_one_sentence(
    name: str, place: str, match: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").touch()
    with pytest.raises((BadInput, UnknownName), match=match) as caught:
        trackers.tracker_of(name, place, tracked.training(tmp_path / "model"))
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_places_are_seen_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trackers.Kind, "missing", "")
    checked = trackers.checked({"tensorboard": "curves", "mlflow": "sqlite:///mine.db"})
    assert checked == {
        "tensorboard": str(tmp_path / "curves"),
        "mlflow": f"sqlite:///{tmp_path / 'mine.db'}",
    }
    address = {"mlflow": "https://mlflow.example.org:5000/a"}
    assert trackers.checked(address) == address


def test_a_tracker_that_is_not_installed_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, place in (("tensorboard", str(tmp_path)), ("mlflow", "https://example.org")):
        for module in [one for one in sys.modules if one.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(BadInput, match=rf"pip install 'landcover\[{name}\]'"):
            trackers.tracker_of(name, place, tracked.training(tmp_path / "model"))


def test_a_tracker_that_is_half_installed_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(BadInput, match=r"pip install 'landcover\[tensorboard\]'"):
        trackers.tracker_of("tensorboard", str(tmp_path), tracked.training(tmp_path / "model"))
