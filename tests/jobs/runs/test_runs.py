"""Test that queued runs are computed by a process of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from landcover.jobs.runs import control, folder, record
from landcover.models import registry
from tests.support import runs


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.patches(tmp_path_factory.mktemp("data") / "ben")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "home"))
    with runs.tidy():
        yield


def test_a_training_ends_as_a_model_of_the_user(root: Path) -> None:
    started = control.start(runs.order(root))
    assert started.state in record.ACTIVE
    run = runs.wait(started.id)
    assert (run.state, run.error, run.model) == ("finished", "", "mine"), record.log_of(run.id)
    assert [epoch.epoch for epoch in run.history] == [1, 2]
    assert run.fits == ("train", "train")
    assert "epoch 2 of 2" in record.log_of(run.id)
    assert registry.default().load("mine", "cpu").card.training["epochs"] == 2
    assert (run.folder / folder.MODEL_FOLDER / "weights.safetensors").exists()
    assert record.all_runs() == (run,)
