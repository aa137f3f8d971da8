"""Test that runs follow the models that they name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from landcover.core.errors import BadInput
from landcover.jobs.runs import control, folder, models, record, work
from landcover.jobs.runs.testing import report_of
from landcover.models import registry, store
from tests.support import runs


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An own home with a model ``mine``, whose runner is busy, so that runs wait."""
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "home"))
    store.add(registry.default(), "class-prior", "mine")
    with runs.busy_runner():
        yield


def measured(root: Path, name: str = "measured") -> record.Run:
    order = runs.order(root, kind="test", model="mine", name=name)
    return control.start(replace(order, settings={"bootstraps": 100}))


def test_a_finished_test_and_a_training_keep_their_model(root: Path) -> None:
    tested, trained = measured(root), control.start(runs.order(root, name="other"))
    work.compute(tested.folder)
    folder.update(tested.folder, state="finished")
    folder.update(trained.folder, state="finished", model="mine")
    control.remove(trained.id)
    models.rename("mine", "better")
    control.restore(trained.id)
    assert record.run_of(trained.id).model == "better"
    found, report = record.run_of(tested.id), report_of(tested.folder)
    card = registry.default().card("better")
    assert found.order.model == report.metrics.model == "better"
    assert report.metrics.card_hash == card.hash
    assert found.name == "measured"


def test_a_test_that_waits_measures_the_renamed_model(root: Path) -> None:
    run = measured(root)
    models.rename("mine", "better")
    assert work.compute(run.folder) == ""
    assert report_of(run.folder).metrics.model == "better"


def test_a_model_under_test_is_not_renamed(root: Path) -> None:
    run = measured(root)
    folder.update(run.folder, state="running")
    with pytest.raises(BadInput, match="tests 'mine' now"):
        models.rename("mine", "better")
    assert registry.default().user_names() == ["mine"]


def test_runs_of_a_renaming_that_was_killed_follow_later(root: Path) -> None:
    run = measured(root)
    store.rename(registry.default(), "mine", "better")  # and the process ends
    models.follow()
    assert record.run_of(run.id).order.model == "better"


def test_runs_of_a_new_model_with_the_old_name_stay_with_it(root: Path) -> None:
    models.rename("mine", "better")
    store.add(registry.default(), "class-prior", "mine")
    run = measured(root)
    models.rename("better", "best")
    models.follow()
    assert record.run_of(run.id).order.model == "mine"


def test_a_damaged_run_does_not_stop_a_renaming(root: Path) -> None:
    run, other = measured(root), measured(root, "second")
    (run.folder / folder.ORDER_FILE).write_text("{")
    models.rename("mine", "better")
    assert record.run_of(other.id).order.model == "better"
