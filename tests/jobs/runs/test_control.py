"""Test what is done with runs without computing them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import torch

from landcover.core import limits
from landcover.core.errors import BadInput, LandcoverError, UnknownName
from landcover.jobs.runs import control, folder, record, work
from landcover.jobs.runs.order import RunOrder
from landcover.jobs.runs.record import Run
from landcover.jobs.runs.testing import report_of
from landcover.models import registry
from landcover.nets.efficientnet_lite0 import Lite0
from landcover.train.history import Epoch
from landcover.train.recipes import eurosat
from tests.support import (
    disks,
    eurosat_tree,
    imagenet_package,
    mlflow_store,
    own_folder,
    runs,
    tracked,
)
from tests.support.tiny import tiny_folder

FITTED: Final[dict[str, Any]] = {"model": "class-prior", "settings": {}, "epochs": None}
"""The training that takes least."""


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An own home, whose runner is busy, so that runs wait."""
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "home"))
    with runs.busy_runner():
        yield


def test_an_order_reads_what_it_writes(root: Path) -> None:
    order = runs.order(
        root, bands=("B04", "B08"), trackers={"tensorboard": "x"}, seed=3, teacher=Path("t.npz")
    )
    assert RunOrder.from_json(order.to_json()) == order


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"kind": "train"}',
        '{"kind": "fish", "dataset": "a", "root": "b", "model": "c", "name": "d"}',
        '{"kind": "test", "dataset": "a", "root": "b", "model": "c", "name": "d", "x": 1}',
        '{"kind": "test", "dataset": "a", "root": 1, "model": "c", "name": "d"}',
        '{"kind": "test", "dataset": "a", "root": "\\u0000", "model": "c", "name": "d"}',
        '{"kind": "test", "dataset": "a", "root": "b", "model": "c", "name": "d", "epochs": true}',
        '{"kind": "test", "dataset": "a", "root": "b", "model": "c", "name": "d", "bands": "B02"}',
    ],
)
def test_a_damaged_order_is_one_sentence(text: str) -> None:
    with pytest.raises(BadInput):
        RunOrder.from_json(text)


def test_runs_wait_in_the_order_in_which_they_were_queued(root: Path) -> None:
    first, second = (control.start(runs.order(root, name=name)) for name in ("one", "two"))
    assert [record.run_of(run.id).place for run in (first, second)] == [1, 2]
    control.stop(first.id)
    assert record.run_of(first.id).state == "stopped"
    assert record.run_of(second.id).place == 1
    control.resume(first.id)
    assert [record.run_of(run.id).place for run in (first, second)] == [2, 1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "no/slash"}, "name"),
        ({"name": "landcover-cnn"}, "shipped model"),
        ({"name": " "}, "needs a name"),
        ({"model": "fish"}, "Unknown model"),
        ({"model": "eurosat-rgb"}, "landcover-cnn"),
        ({"model": "landcover-mosaic", "settings": {}, "epochs": None}, "--teacher"),
        ({"model": "class-prior"}, "leave the"),
        ({"dataset": "fish"}, "Unknown data set"),
        ({"device": "abacus"}, "abacus"),
        ({"epochs": 0}, "epochs"),
        ({"settings": {"fish": 1}}, "fish"),
        ({"settings": {"batch": 1000}}, "smaller batch"),
        ({"settings": {"augmentation": {"brightness": "much"}, "batch": 4}}, "onfiguration"),
        ({"settings": {"net_options": {"fish": 1}, "batch": 4}}, "net_options"),
        ({"bands": ("B99",)}, "B99"),
        ({"trackers": {"fish": "x"}}, "tracker"),
        ({"trackers": {"tensorboard": __file__}}, "folder that can be written"),
        ({"trackers": {"mlflow": ""}}, "address of a server"),
        ({"model": "landcover-cnn-rgb", "bands": ("B02",)}, "cannot be chosen"),
        ({"kind": "test", "model": "class-prior", "settings": {"fish": 1}}, "fish"),
        ({"kind": "test", "model": "class-prior", "settings": {"bootstraps": 1}}, "bootstraps"),
        ({"kind": "test", "model": "class-prior", "settings": {}, "split": "fish"}, "split"),
        ({"kind": "test", "model": "eurosat-rgb", "settings": {}}, "classes"),
        ({"kind": "test", "model": "fish", "settings": {}}, "fish"),
    ],
)
def test_what_cannot_be_done_is_refused_before_it_waits(
    root: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(LandcoverError, match=words):
        control.start(runs.order(root, **changes))
    assert record.all_runs() == ()


def test_a_data_set_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere"):
        control.start(runs.order(tmp_path / "nowhere"))


def test_two_runs_cannot_make_a_model_of_the_same_name(root: Path) -> None:
    run = control.start(runs.order(root))
    with pytest.raises(BadInput, match=run.id):
        control.start(runs.order(root, name="Mine"))
    other = control.start(runs.order(root, name="other"))
    with pytest.raises(BadInput, match=run.id):
        control.rename(other.id, "mine")
    assert control.rename(other.id, "third").name == "third"


def test_a_removed_run_can_be_restored(root: Path) -> None:
    run = control.start(runs.order(root))
    with pytest.raises(BadInput, match="stop it first"):
        control.remove(run.id)
    stopped = control.stop(run.id)
    control.remove(run.id)
    assert record.all_runs() == ()
    with pytest.raises(UnknownName):
        record.run_of(run.id)
    assert control.restore(run.id) == stopped


def test_runs_of_the_same_second_are_listed_in_their_order(root: Path) -> None:
    started = [control.start(runs.order(root, name=f"n{number}")).id for number in range(6)]
    assert [run.id for run in record.all_runs()] == started[::-1]


def test_few_removed_runs_are_kept(root: Path) -> None:
    removed = []
    with limits.changed(runs_removed=2):
        for number in range(3):
            run = control.start(runs.order(root, name=f"n{number}"))
            control.stop(run.id)
            control.remove(run.id)
            removed.append(run.id)
    assert set(folder.ids(folder.trash())) == set(removed[1:])


def test_the_number_of_runs_has_a_limit(root: Path) -> None:
    with limits.changed(runs=1):
        control.start(runs.order(root))
        with pytest.raises(BadInput, match="remove some"):
            control.start(runs.order(root, name="other"))


def spoil(name: str, content: bytes | None) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        (path / name).unlink(missing_ok=True)
        if content is not None:
            (path / name).write_bytes(content)

    return change


def link_out(path: Path) -> None:
    (path / folder.ORDER_FILE).unlink()
    (path / folder.ORDER_FILE).symlink_to("/etc/passwd")


def pipe(path: Path) -> None:
    (path / folder.STATE_FILE).unlink()
    os.mkfifo(path / folder.STATE_FILE)


@pytest.mark.parametrize(
    "harm",
    [
        spoil(folder.STATE_FILE, None),
        spoil(folder.STATE_FILE, b""),
        spoil(folder.STATE_FILE, b"\xff\x00{"),
        spoil(folder.STATE_FILE, b'{"state": "queued"}'),
        spoil(folder.STATE_FILE, b'{"state": "fish", "created": "2026-01-01", "queued": "x"}'),
        spoil(folder.STATE_FILE, b"[" * 100_000),
        spoil(folder.STATE_FILE, b" " * 3_000_000),
        spoil(folder.ORDER_FILE, None),
        spoil(folder.ORDER_FILE, b"{}"),
        link_out,
        pipe,
    ],
)
def test_a_damaged_run_is_listed_with_a_sentence_and_can_be_removed(
    root: Path, harm: Callable[[Path], None]
) -> None:
    good, bad = (control.start(runs.order(root, name=name)) for name in ("good", "bad"))
    harm(bad.folder)
    found = {run.id: run for run in record.all_runs()}
    assert found[good.id].order == good.order
    assert (found[bad.id].state, found[bad.id].damaged) == ("failed", True)
    assert "remove it" in found[bad.id].error
    for act in (control.stop, control.resume):
        with pytest.raises(BadInput):
            act(bad.id)
    control.remove(bad.id)
    assert [run.id for run in record.all_runs()] == [good.id]


@pytest.mark.parametrize(
    "content", [b"\xff\n{}\n[]\nnull\n" + b"[" * 5000, b'{"epoch": "x"}', b"", b"\n" * 100]
)
def test_damaged_epochs_progress_and_logs_are_left_out(root: Path, content: bytes) -> None:
    run = control.start(runs.order(root))
    folder.update(run.folder, state="running", started=folder.now())
    for name in (folder.HISTORY_FILE, folder.PROGRESS_FILE, folder.LOG_FILE):
        (run.folder / name).write_bytes(content)
    found = record.run_of(run.id)
    assert (found.state, found.step, found.history) == ("running", None, ())
    assert len(record.log_of(run.id, 10)) <= 10


def test_other_things_in_the_folder_are_no_runs(root: Path, tmp_path: Path) -> None:
    control.start(runs.order(root))
    (folder.runs() / "20260101-000000-aaaa").symlink_to(tmp_path)
    (folder.runs() / "20260101-000000-bbbb").write_text("")
    (folder.runs() / "notes").mkdir()
    assert len(record.all_runs()) == 1
    for name in ("../runs", "20260101-000000-aaaa", ""):
        with pytest.raises(UnknownName):
            record.run_of(name)


def test_a_run_whose_runner_is_gone_is_interrupted(root: Path) -> None:
    run = control.start(runs.order(root))
    folder.update(run.folder, state="running", started=folder.now())
    assert record.run_of(run.id).state == "running"
    with runs.no_runner():
        found = record.run_of(run.id)
        assert (found.state, "resume" in found.error) == ("interrupted", True)
        with pytest.raises(BadInput, match="interrupted"):
            control.stop(run.id)


def test_a_test_has_the_report_of_the_models_page(root: Path) -> None:
    order = runs.order(root, kind="test", model="class-prior", name="prior", settings={})
    run = control.start(replace(order, settings={"bootstraps": 100}))
    assert work.compute(run.folder) == ""
    found = report_of(run.folder)
    assert (found.metrics.model, found.metrics.split, found.metrics.n) == ("class-prior", "test", 6)
    assert found.predictions.truth.sum() == 6
    assert not (registry.default().user / "class-prior").exists()


def test_a_test_without_a_report_says_so(root: Path) -> None:
    run = control.start(runs.order(root, kind="test", model="class-prior", settings={}))
    with pytest.raises(BadInput, match="did not end"):
        report_of(run.folder)


def test_the_bands_of_a_net_can_be_chosen(root: Path) -> None:
    run = control.start(runs.order(root, epochs=1, bands=("B08", "B04")))
    assert work.compute(run.folder) == "mine"
    assert registry.default().card("mine").bands == ("B04", "B08")


def test_a_run_is_recorded_by_trackers(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    places, seen = {"tensorboard": "curves"}, {"tensorboard": str(tmp_path / "curves")}
    if mlflow_store.INSTALLED:
        places["mlflow"] = "sqlite:///mine.db"
        seen["mlflow"] = f"sqlite:///{tmp_path / 'mine.db'}"
    run = control.start(runs.order(root, trackers=places))
    assert run.order.trackers == seen
    monkeypatch.chdir(run.folder)  # where a run computes
    work.compute(run.folder)
    losses = [(n, pytest.approx(one.train_loss, rel=1e-6)) for n, one in enumerate(_epochs(run), 1)]
    assert len(losses) == 2
    assert tracked.scalars(tmp_path / "curves" / "train", "train_loss") == losses
    if mlflow_store.INSTALLED:
        (recorded,) = mlflow_store.runs_in(tmp_path / "mine.db")
        assert (recorded.info.run_name, recorded.info.status) == ("mine", "FINISHED")
        assert recorded.data.params["train/batch"] == "4"
        assert mlflow_store.points(tmp_path / "mine.db", recorded, "train/train_loss") == losses


def test_a_run_s_own_folder_is_the_place_of_event_files(root: Path) -> None:
    run = control.start(runs.order(root, trackers={"tensorboard": ""}))
    assert run.order.trackers == {"tensorboard": ""}
    assert run.order.places(run.folder) == {"tensorboard": str(run.folder / "tensorboard")}


def _epochs(run: Run) -> tuple[Epoch, ...]:
    return record.run_of(run.id).history


def test_a_data_set_of_one_s_own_is_trained_on_and_tested(tmp_path: Path) -> None:
    own = own_folder.write_folder(tmp_path / "own")
    with pytest.raises(BadInput, match="19 classes"):
        control.start(
            runs.order(own, dataset="folder", model="landcover-area", settings={}, epochs=None)
        )
    trained = runs.order(own, dataset="folder", epochs=1, name="trees")
    assert control.cost_of(trained, seconds=0.1).patches >= 4
    assert work.compute(control.start(trained).folder) == "trees"
    assert registry.default().card("trees").classes == ("Open water", "Tall trees")
    tested = runs.order(own, kind="test", dataset="folder", model="trees", settings={})
    run = control.start(tested)
    work.compute(run.folder)
    assert report_of(run.folder).classes == ("Open water", "Tall trees")


def test_bands_that_the_data_lack_are_refused(tmp_path: Path) -> None:
    own = own_folder.write_folder(tmp_path / "own", bands=("B04", "B03", "B02"))
    with pytest.raises(BadInput, match="lack"):
        control.start(runs.order(own, dataset="folder"))


@pytest.mark.slow
def test_pictures_are_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "weights.pth"
    torch.save({"_conv_stem.weight": torch.ones(2)}, weights)
    imagenet_package.install(tmp_path, weights.read_bytes())
    monkeypatch.syspath_prepend(str(tmp_path))
    trunk = {f"trunk.{name}": value for name, value in Lite0().state_dict().items()}
    monkeypatch.setattr(eurosat, "imagenet_trunk", lambda: trunk)
    root = eurosat_tree.write(tmp_path / "pictures")
    order = runs.order(
        root, dataset="eurosat", model="eurosat-rgb", epochs=1, settings={"batch": 16}
    )
    with pytest.raises(BadInput, match="eurosat-rgb"):
        control.start(replace(order, model="landcover-cnn"))
    cost = control.cost_of(order, seconds=0.1)
    assert cost.patches == eurosat_tree.TRAINING
    assert cost.start == "Pre-training costs nothing here: the weights of ImageNet are installed."
    run = control.start(order)
    assert work.compute(run.folder) == "mine"
    found = record.run_of(run.id)
    assert found.fits == ("train/phase-1", "train/phase-2", "train/phase-3")[: len(found.fits)]
    assert [epoch.epoch for epoch in found.history] == list(range(1, len(found.fits) + 1))


def test_a_renamed_training_gives_its_model_the_new_name(root: Path) -> None:
    run = control.start(runs.order(root, **FITTED))
    control.rename(run.id, "better")
    assert work.compute(run.folder) == "better"
    assert registry.default().user_names() == ["better"]


@pytest.mark.slow
def test_a_training_that_was_added_before_it_was_interrupted_ends(root: Path) -> None:
    run = control.start(runs.order(root, epochs=1))
    work.compute(run.folder)
    control.stop(run.id)
    control.resume(run.id)
    assert work.compute(run.folder) == "mine"


def test_costs_are_said_beforehand(root: Path) -> None:
    cost = control.cost_of(runs.order(root), seconds=0.1)
    assert cost.seconds is not None
    assert cost.seconds > 0
    assert cost.patches == 12
    assert "12 patches" in cost.sentence
    with pytest.raises(BadInput, match="is not trained on bigearthnet"):
        control.cost_of(runs.order(root, model=registry.PICTURE_MODEL, settings={}))
    fitted = control.cost_of(runs.order(root, model="class-prior", settings={}, epochs=None))
    assert fitted.seconds is None
    tested = control.cost_of(runs.order(root, kind="test", model="class-prior", settings={}))
    assert tested.patches == 6


def test_costs_name_the_pre_training(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imagenet_package.install(tmp_path, b"no weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    scratch = runs.order(
        root, model="efficientnet-lite0", settings={"batch": 4, "start": "random"}, epochs=1
    )
    assert control.cost_of(scratch, seconds=0.1).sentence.endswith(
        "Without pre-training it usually needs more epochs."
    )
    usual = replace(scratch, settings={"batch": 4})
    with pytest.raises(BadInput, match="ImageNet weights to start from are missing"):
        control.start(usual)
    assert control.start(scratch).state == "queued"
    mosaic = runs.order(
        root, model="landcover-mosaic", settings={}, epochs=None, teacher=Path("t.npz")
    )
    assert "pre-training alone has 2,500 steps" in control.cost_of(mosaic).sentence
    assert control.cost_of(runs.order(root), seconds=0.1).start == ""


@disks.needs_mounts
def test_a_run_on_a_full_disk_fails_with_a_sentence(root: Path) -> None:
    def attempt(disk: Path) -> str:
        os.environ["LANDCOVER_HOME"] = str(disk)
        with runs.busy_runner():
            run = control.start(runs.order(root))
            folder.update(run.folder, state="running", started=folder.now())
            with (disk / "filler").open("wb", buffering=0) as filler:
                try:
                    while filler.write(bytes(65_536)):
                        pass
                except OSError:
                    pass
            try:
                work.compute(run.folder)
            except LandcoverError as error:
                folder.conclude(run.folder, state="failed", error=str(error))
            return f"{record.run_of(run.id).state}: {record.run_of(run.id).error}"

    text = disks.on_disk("size=230m", attempt)
    assert text.startswith("failed: ")
    assert "the disk is full" in text


@disks.needs_mounts
def test_no_run_is_started_without_room(root: Path) -> None:
    def attempt(disk: Path) -> str:
        os.environ["LANDCOVER_HOME"] = str(disk)
        with pytest.raises(BadInput) as caught:
            control.start(runs.order(root))
        return str(caught.value)

    assert "make room" in disks.on_disk("size=20m", attempt)


def test_the_model_of_a_test_can_be_a_folder(root: Path, tmp_path: Path) -> None:
    order = runs.order(root, kind="test", model=str(tiny_folder(tmp_path / "net")), settings={})
    with pytest.raises(LandcoverError):  # its net is not registered
        work.compute(control.start(order).folder)
