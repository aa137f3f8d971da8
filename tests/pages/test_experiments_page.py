"""The Experiments page without a browser: the list, details, a comparison, names and removal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from landcover import nets
from landcover.core import files
from landcover.jobs.runs import control, experiments, folder, record, work
from landcover.jobs.runs.order import RunOrder
from landcover.jobs.runs.record import Run
from landcover.models import registry
from pages.parts.experiments import compare
from pages.parts.shared import shown, taught, training
from pages.parts.shared.links import Link
from tests.support import runs
from tests.support.tiny import NAME, TinyNet, tiny_folder

PAGE = str(Path(__file__).parents[2] / "pages" / "experiments.py")
EPOCH = {
    "train_loss": 0.5,
    "val_loss": 0.6,
    "learning_rate": 0.001,
    "patches_per_second": 50.0,
    "seconds": 30.0,
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own, whose runner is busy, so that runs wait for it."""
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(taught.VARIABLE, "1")
    st.cache_data.clear()
    st.cache_resource.clear()
    with registry.use(registry.Registry(home=tmp_path / "home")), runs.busy_runner():
        yield tmp_path / "home"
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.patches(tmp_path_factory.mktemp("data") / "ben")


def opened(link: Link | None = None) -> AppTest:
    """The page, as an address opens it."""
    page = AppTest.from_file(PAGE, default_timeout=60)
    page.session_state["app_page"] = "by itself"
    page.session_state[shown.KEY] = link or Link()
    page.run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    kinds: tuple[Any, ...] = (
        *(page.info, page.warning, page.error, page.markdown, page.caption, page.header),
    )
    return "\n".join(str(item.value).replace("\\", "") for kind in kinds for item in kind)


def downloads(page: AppTest) -> list[str]:
    return [one.proto.label for one in page.get("download_button")]


def press(page: AppTest, label: str) -> AppTest:
    page = next(one for one in page.button if one.label == label).click().run()
    assert not page.exception
    return page


def queued(root: Path, **changes: Any) -> Run:
    """A training of a tiny net that waits."""
    return control.start(runs.order(root, **{"device": "auto", **changes}))


def ended(run: Run, *precisions: float, **facts: Any) -> Run:
    """Note on disk that a run has ended, with an epoch for each macro average precision."""
    with folder.changing():
        folder.update(run.folder, **{"state": "finished", "ended": run.created, **facts})
    epochs = [
        {"fit": "train", "epoch": k, **EPOCH, "val_macro_ap": ap, "val_micro_ap": ap + 0.1}
        for k, ap in enumerate(precisions, 1)
    ]
    lines = "".join(json.dumps(epoch) + "\n" for epoch in epochs)
    files.write_text(run.folder / folder.HISTORY_FILE, lines)
    return record.run_of(run.id)


def test_without_runs_it_lists_the_models_that_tell_of_their_training() -> None:
    page = opened()
    assert "no runs of yours yet" in said(page)
    table = page.dataframe[0].value
    assert set(table["Kind"]) == {"Past training"}
    row = table.set_index("Name").loc["landcover-cnn"]
    assert (row["Epochs"], row["Data"], row["Date"]) == (120, "BigEarthNet v2", "2026-11-24")
    assert row["Macro AP"] == pytest.approx(0.700, abs=0.001)
    assert not any(one.label.startswith("Remove") for one in page.button)


def test_a_shared_server_shows_no_runs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ended(queued(root, name="secret"), 0.4)
    monkeypatch.delenv(taught.VARIABLE)
    page = opened(Link(run=run.id))
    assert "switched off here" in said(page)
    assert "secret" not in said(page)
    assert "secret" not in set(page.dataframe[0].value["Name"])
    monkeypatch.setenv(training.VARIABLE, "1")
    assert "secret" in said(opened(Link(run=run.id)))


def test_a_training_shows_what_it_reached_and_how(root: Path, home: Path) -> None:
    trackers = {"tensorboard": str(home / "events")}
    queue = queued(root, epochs=3, seed=7, trackers=trackers)
    run = ended(queue, 0.3, 0.5, 0.4, model="mine")
    tiny = tiny_folder(home / "models" / "mine", name="mine")
    files.write_text(run.folder / folder.LOG_FILE, "epoch 1 of 3\nepoch 2 of 3\n")
    page = opened()
    row = page.dataframe[0].value.iloc[0]
    assert row.to_dict() == {
        "Name": "mine",
        "Kind": "Training",
        "Model": "landcover-cnn",
        "Data": "BigEarthNet, ben",
        "State": "finished",
        "Epochs": 3,
        "Macro AP": 0.5,
        "Micro AP": 0.6,
        "Minutes": 1.5,
        "Date": f"{run.created.astimezone():%Y-%m-%d %H:%M}",
    }
    assert "**Average precision:** macro 0.500, micro 0.600, on validation" in said(page)
    assert "**Time:** 2 min" in said(page)
    assert f"**Recorded by:** tensorboard ({home / 'events'})" in said(page)
    assert len(page.get("plotly_chart")) == 2
    settings = next(one.value for one in page.dataframe if "Setting" in one.value)
    values = settings.set_index("Setting")["Value"]
    assert (values["epochs"], values["seed"], values["net_options.width"]) == ("3", "7", "8")
    assert values["model"] == "landcover-cnn"
    assert "epoch 2 of 3" in page.code[0].value
    labels = downloads(page)
    assert "Weights, card and reports (zip)" in labels
    assert "Download the log" in labels
    assert "Use mine on Classify" in [one.label for one in page.button]
    (tiny / "card.json").unlink()
    assert "Use mine on Classify" not in [one.label for one in opened().button]


def test_a_failed_and_a_damaged_run_say_why(root: Path) -> None:
    ended(queued(root), state="failed", error="The memory is full: give a smaller batch.")
    assert "give a smaller batch" in said(opened())
    run = queued(root, name="other")
    (run.folder / folder.STATE_FILE).write_text("{")
    page = opened(Link(run=run.id))
    assert "are damaged" in said(page)
    assert "Rename" not in [one.label for one in page.button]
    press(page, f"Remove {run.id}")
    assert [one.name for one in record.all_runs()] == ["mine"]


def test_a_run_that_waits_is_followed_and_not_removed(root: Path) -> None:
    run = queued(root)
    page = opened()
    assert "Waiting or running: mine (queued (1))" in said(page)
    assert next(one for one in page.button if one.label == "Remove mine").disabled
    control.stop(run.id)
    page.run()
    assert "Waiting or running" not in said(page)
    assert "**State:** stopped" in said(page)


def test_a_run_is_renamed_removed_and_brought_back(root: Path) -> None:
    run = ended(queued(root), 0.4)
    page = opened()
    page.text_input[0].set_value("fields")
    page = press(page, "Rename")
    assert record.run_of(run.id).name == "fields"
    page.text_input[0].set_value("  ")
    page = press(page, "Rename")
    assert "A run needs a name" in said(page)
    page = press(page, "Remove fields")
    assert "fields was removed" in said(page)
    assert record.all_runs() == ()
    page = press(page, "Bring it back")
    assert "was removed" not in said(page)
    assert [one.name for one in record.all_runs()] == ["fields"]
    assert page.header[0].value == "fields"


def test_what_others_have_removed_meanwhile_is_said(root: Path) -> None:
    run = ended(queued(root), 0.4)
    page = opened()
    control.remove(run.id)
    assert "Unknown run" in said(press(page, "Remove mine"))


def test_any_name_is_only_text(root: Path) -> None:
    name = "../![x](https://example.com/x.png) <b>&</b> 山"
    order = runs.order(root, name=name, kind="test", model="class-prior", epochs=None, settings={})
    run = ended(control.start(order), state="stopped")
    for view in ("One in detail", "Two compared"):
        page = opened(Link(view=view, run=run.id))
        texts = (*page.header, *page.markdown, *page.caption, *page.info)
        assert "![x](" not in "".join(str(one.value) for one in texts)


def test_two_are_compared_with_their_curves_over_each_other(root: Path) -> None:
    first = ended(queued(root, name="one"), 0.3, 0.5)
    second = ended(queued(root, name="two", epochs=4, seed=7), 0.4, 0.45, 0.6, 0.5)
    page = opened(Link(view="Two compared", run=first.id, beside=second.id))
    tables = [one.value for one in page.dataframe]
    differing = next(one for one in tables if list(one) == ["Setting", "A", "B"])
    assert differing.set_index("Setting").T.to_dict("list") == {
        "epochs": ["2", "4"],
        "seed": ["0", "7"],
    }
    assert len(page.get("plotly_chart")) == 2
    (ap,) = [one for one in tables if "A, macro" in one]
    assert ap["epoch"].tolist() == [1, 2, 3, 4]
    assert ap["A, macro"].fillna(0).tolist() == [0.3, 0.5, 0, 0]
    assert ap["B, micro"].tolist() == pytest.approx([0.5, 0.55, 0.7, 0.6])
    assert downloads(page).count("Download CSV") == 4  # list, settings, and both charts


def test_curves_of_other_epochs_share_a_table() -> None:
    pair = [experiments.of_model(name) for name in ("landcover-cnn", "efficientnet-lite0")]
    table = compare.over_each_other(pair[0], pair[1], (("val_macro_ap", "macro"),))
    assert list(table) == ["epoch", "A, macro", "B, macro"]
    assert table["epoch"].is_monotonic_increasing
    assert table["A, macro"].count() == 6


def test_those_of_the_same_kind_are_offered_first(root: Path) -> None:
    ended(queued(root, name="one"), 0.4)
    values: dict[str, Any] = {"kind": "test", "model": "class-prior", "epochs": None}
    values["settings"] = {}
    for name in ("a test", "another"):
        ended(queued(root, name=name, **values))
    page = opened(Link(view="Two compared"))
    first, second = page.selectbox
    assert first.options[0].startswith("one, training of ")
    assert "past training" in second.options[0]
    page.selectbox[0].set_value(record.find("a test").id).run()
    assert page.selectbox[1].options[0].startswith("another, test of ")


def test_a_test_shows_its_report_and_is_compared_by_what_both_have(
    root: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(nets.NETS, NAME, TinyNet)
    tiny_folder(home / "models" / "mine", name="mine")
    order = RunOrder(
        kind="test",
        dataset="bigearthnet",
        root=root,
        model="mine",
        name="mine on ben",
        split="all",
        settings={"bootstraps": 100},
    )
    run = control.start(order)
    work.compute(run.folder)
    ended(run)
    page = opened()
    assert "The model and baselines" in said(page)
    assert "on the split all" in said(page)
    page.segmented_control(key="train_view").set_value("Confusion").run()
    assert not page.exception
    page = opened(Link(view="Two compared", run=run.id, beside="model:landcover-cnn"))
    assert "only what both have is compared" in said(page)
    assert "Only landcover-cnn has epochs" in said(page)
    for report in run.folder.glob("report/evaluation/*.json"):
        report.write_text("{")
    st.cache_resource.clear()
    assert "is damaged" in said(opened())
