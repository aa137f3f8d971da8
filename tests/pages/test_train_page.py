"""The Train page without a browser: data, form, order, runs and results. Only work is not started."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from landcover import nets
from landcover.core import files
from landcover.core.bands import BAND_NAMES
from landcover.datasets.example_folder import write_example
from landcover.jobs.runs import control, folder, record, work
from landcover.jobs.runs.order import RunOrder
from landcover.jobs.runs.record import Run
from landcover.models import registry, store
from pages.parts.shared import taught, training
from tests.support import imagenet_package
from tests.support.eurosat_tree import write as write_eurosat
from tests.support.tiny import NAME, TinyNet, tiny_folder

PAGE = str(Path(__file__).parents[2] / "pages" / "train.py")
EPOCH = {
    "train_loss": 0.5,
    "val_loss": 0.6,
    "val_macro_ap": 0.4,
    "val_micro_ap": 0.5,
    "learning_rate": 0.001,
    "patches_per_second": 50.0,
    "seconds": 1.0,
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own, whose runner seems to be at work, so that runs wait for it."""
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(taught.VARIABLE, "1")
    st.cache_data.clear()
    st.cache_resource.clear()
    files.make_folder(folder.runs())
    with (
        registry.use(registry.Registry(home=tmp_path / "home")),
        files.lock_file(folder.runner_lock()),
    ):
        yield tmp_path
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_example(tmp_path_factory.mktemp("data") / "six")


def opened(root: Path | None = None, kind: str = "bigearthnet", **state: Any) -> AppTest:
    """The page, with a folder typed in."""
    page = AppTest.from_file(PAGE, default_timeout=60)
    page.session_state["app_page"] = "by itself"
    page.session_state["train_dataset"] = kind
    page.session_state["train_root"] = "" if root is None else str(root)
    for key, value in state.items():
        page.session_state[key] = value
    page.run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    kinds: tuple[Any, ...] = (
        *(page.info, page.success, page.warning, page.error, page.markdown, page.caption),
        *(page.subheader,),
    )
    return "\n".join(str(item.value).replace("\\", "") for kind in kinds for item in kind)


def press(page: AppTest, label: str) -> AppTest:
    page = next(one for one in page.button if one.label.startswith(label)).click().run()
    assert not page.exception
    return page


def number(page: AppTest, label: str) -> Any:
    return next(one for one in page.number_input if one.label == label)


def ordered() -> RunOrder:
    """The order of the only run."""
    (run,) = record.all_runs()
    return run.order


def queued(root: Path, **changes: Any) -> Run:
    """A run that waits."""
    values: dict[str, Any] = {
        "kind": "train",
        "dataset": "bigearthnet",
        "root": root,
        "model": "class-prior",
        "name": "mine",
    }
    return control.start(RunOrder(**{**values, **changes}))


def note(run: Run, epochs: int = 0, **facts: Any) -> None:
    """Note on disk what a runner would: state, and epochs."""
    with folder.changing():
        folder.update(run.folder, **facts)
    lines = [json.dumps({"fit": "train", "epoch": k + 1, **EPOCH}) + "\n" for k in range(epochs)]
    files.write_text(run.folder / folder.HISTORY_FILE, "".join(lines))


def test_on_a_shared_server_it_says_that_nothing_is_trained_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(taught.VARIABLE)
    page = opened(home)
    assert "switched off here" in said(page)
    assert not page.text_input
    monkeypatch.setenv(training.VARIABLE, "1")
    assert opened().text_input


def test_the_example_is_written_and_counted(home: Path) -> None:
    page = press(opened(), "Try it with the six example patches")
    assert "3 train, 1 validation and 1 test patches. 1 with clouds" in said(page)
    assert (home / "home" / "examples" / "six-patches" / "train.csv").is_file()


@pytest.mark.parametrize("typed", ["/no/such/folder", "~nobody-here/data", "\0", "x" * 900])
def test_a_folder_that_cannot_be_read_has_one_sentence(home: Path, typed: str) -> None:  # noqa: ARG001
    page = opened(Path("/"))
    page.text_input(key="train_root").set_value(typed).run()
    assert not page.exception
    assert len(page.error) <= 1
    assert not any(one.label == "Start training" for one in page.button)


def test_data_of_another_kind_are_refused(home: Path, example: Path) -> None:  # noqa: ARG001
    page = opened(example, "eurosat")
    assert "is not EuroSAT RGB" in said(page)


def test_data_without_a_split_are_not_trained_on(home: Path, tmp_path: Path) -> None:  # noqa: ARG001
    root = write_eurosat(tmp_path / "eurosat")
    (root / "locations.csv").unlink()
    page = opened(root, "eurosat")
    assert "78 pictures without a split" in said(page)
    assert "no training and validation split" in said(page)


def test_the_order_names_only_what_differs(home: Path, example: Path) -> None:  # noqa: ARG001
    press(opened(example), "Start training")
    order = ordered()
    assert (order.kind, order.dataset, order.root) == ("train", "bigearthnet", example)
    assert (order.model, order.name, order.fit) == ("landcover-cnn", "my-cnn", "train")
    assert (order.epochs, order.seed, order.bands, order.device) == (None, None, (), "auto")
    # What three patches need: a batch of them, and as many members as that feeds.
    assert order.settings == {"batch": 3, "validate_every": 6, "net_options": {"members": 1}}


def test_the_order_has_what_was_chosen(home: Path, example: Path) -> None:  # noqa: ARG001
    page = opened(example)
    page.multiselect[0].set_value(["B08", "B04", "B03"])
    page.segmented_control(key="train_augmentation").set_value("None")
    page.segmented_control(key="train_fit").set_value("train+validation")
    number(page, "Epochs").set_value(2)
    number(page, "Net: width").set_value(8)
    number(page, "Seed").set_value(5)
    page.select_slider[0].set_value(0.001)
    page.run()
    page.text_input(key="train_name_landcover-cnn_0").set_value("fields").run()
    press(page, "Start training")
    order = ordered()
    assert order.name == "fields"
    assert order.bands == tuple(name for name in BAND_NAMES if name in {"B03", "B04", "B08"})
    assert (order.epochs, order.seed, order.fit) == (2, 5, "train+validation")
    assert order.settings["learning_rate"] == 0.001
    assert order.settings["net_options"] == {"members": 1, "width": 8}
    assert order.settings["augmentation"] == {
        "symmetries": False,
        "brightness": 0.0,
        "band_gain": 0.0,
    }


def test_the_parameters_follow_the_bands(home: Path, example: Path) -> None:  # noqa: ARG001
    page = opened(example)
    assert "The net has 290,307 parameters" in said(page)
    page.multiselect[0].set_value(["B04"]).run()
    assert "290,307" not in said(page)
    page.multiselect[0].set_value(["B11"]).run()
    assert "needs a band that is measured at 10 m" in said(page)


def test_a_name_that_is_taken_is_refused_before_anything_runs(home: Path, example: Path) -> None:  # noqa: ARG001
    page = opened(example)
    page.text_input(key="train_name_landcover-cnn_0").set_value("landcover-mosaic").run()
    assert "is the name of a shipped model" in said(page)
    assert not any(one.label == "Start training" for one in page.button)


def test_what_cannot_be_started_is_said(home: Path, example: Path) -> None:  # noqa: ARG001
    page = opened(example)
    page.selectbox(key="train_model_False_False").set_value("landcover-mosaic").run()
    press(page, "Start training")
    assert "learns from Dynamic World" in said(page)
    assert record.all_runs() == ()


def test_a_training_is_recorded_where_the_form_says(
    home: Path, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "mlflow.py").touch()  # where it is not installed
    monkeypatch.syspath_prepend(str(home))
    page = opened(example)
    page.checkbox(key="train_tensorboard").set_value(True)
    page.text_input(key="train_mlflow").set_value("databricks").run()
    assert len(page.error) == 1
    assert "MLflow's place is the address of a server (https://…) or a file" in said(page)
    assert not any(one.label == "Start training" for one in page.button)
    page.text_input(key="train_mlflow").set_value("https://mlflow.example.org").run()
    page = press(page, "Start training")
    assert ordered().trackers == {"tensorboard": "", "mlflow": "https://mlflow.example.org"}
    (run,) = record.all_runs()
    assert f"tensorboard --logdir {run.folder / 'tensorboard'}" in [one.value for one in page.code]
    assert "Recorded in MLflow: https://mlflow.example.org" in said(page)


def test_trackers_that_are_not_installed_or_not_for_visitors_have_no_field(
    home: Path,  # noqa: ARG001
    example: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("mlflow", "tensorboard"):
        monkeypatch.setitem(sys.modules, name, None)
    page = opened(example)
    assert "run `pip install 'landcover[mlflow]'` and start" in said(page)
    assert "run `pip install 'landcover[tensorboard]'` and start" in said(page)
    monkeypatch.delenv(taught.VARIABLE)
    monkeypatch.setenv(training.VARIABLE, "1")
    page = opened(example)
    assert "landcover[mlflow]" not in said(page)
    keys = [one.key for one in (*page.checkbox, *page.text_input)]
    assert not {"train_mlflow", "train_tensorboard"} & set(keys)


def test_pictures_have_their_own_model_and_phases(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = home / "weights.pth"
    torch.save({"_conv_stem.weight": torch.ones(2)}, weights)
    imagenet_package.install(home, weights.read_bytes())
    monkeypatch.syspath_prepend(str(home))
    page = opened(write_eurosat(tmp_path / "eurosat"), "eurosat")
    page.checkbox(key="train_own_epochs").set_value(True).run()
    number(page, "Epochs of each phase").set_value(1).run()
    press(page, "Start training")
    assert (ordered().model, ordered().epochs) == ("eurosat-rgb", 1)


def test_a_model_whose_weights_to_start_from_are_not_installed_says_so(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imagenet_package.install(home, b"no weights")
    monkeypatch.syspath_prepend(str(home))
    page = opened(write_eurosat(tmp_path / "eurosat"), "eurosat")
    assert "The ImageNet weights to start from are missing: install them" in said(page)
    assert "Or switch pre-training off." in said(page)
    assert not any(one.label == "Start training" for one in page.button)
    page.checkbox(key="train_start_eurosat-rgb").set_value(False).run()
    assert "are missing" not in said(page)
    press(page, "Start training")
    assert ordered().settings == {"start": "random"}


def test_runs_wait_in_their_order_are_stopped_and_resumed(home: Path, example: Path) -> None:  # noqa: ARG001
    queued(example, name="first")
    queued(example, name="second")
    page = opened()
    assert "second waits" in said(page)
    assert "Number 2 in the queue" in said(page)
    page = press(page, "Stop first")
    assert "first was stopped" in said(page)
    assert "Number 1 in the queue" in said(page)
    page = press(page, "Resume first")
    assert "first waits" in said(page)
    assert "Number 2 in the queue" in said(page)


def test_a_failed_run_says_why(home: Path, example: Path) -> None:  # noqa: ARG001
    note(queued(example), state="failed", error="The memory is full: give a smaller batch.")
    page = opened()
    assert "mine failed" in said(page)
    assert "give a smaller batch" in said(page)
    assert [one.label for one in page.button if "mine" in one.label] == ["Resume mine"]
    assert {"More on Experiments", "All experiments"} <= {one.label for one in page.button}


def test_a_finished_run_shows_its_curves_and_leads_on(home: Path, example: Path) -> None:  # noqa: ARG001
    note(queued(example), epochs=3, state="finished", model="mine")
    page = opened()
    assert "mine is finished" in said(page)
    assert len(page.get("plotly_chart")) == 2
    (table,) = [one.value for one in page.dataframe if "train_loss" in one.value]
    assert table["val_macro_ap"].tolist() == [0.4, 0.4, 0.4]
    labels = [one.label for one in page.button]
    assert "Use mine on Classify" in labels
    assert not any(label.startswith(("Stop", "Resume")) for label in labels)


def test_a_damaged_run_does_not_break_the_page(home: Path, example: Path) -> None:  # noqa: ARG001
    run = queued(example)
    (run.folder / folder.STATE_FILE).write_text("{")
    page = opened()
    assert "are damaged" in said(page)


def test_a_test_ends_with_the_views_of_the_models_page(
    home: Path, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(nets.NETS, NAME, TinyNet)
    tiny_folder(home / "home" / "models" / "mine")
    page = opened(example, train_what="Test a model")
    page.selectbox(key="train_test_model_False").set_value("mine").run()
    page.segmented_control(key="train_test_split_test_validation_train_all").set_value("all").run()
    press(page, "Start the test")
    (run,) = record.all_runs()
    assert (run.order.kind, run.order.model, run.order.split) == ("test", "mine", "all")
    work.compute(run.folder)
    note(run, state="finished")
    page = opened(example, train_what="Test a model")
    assert "The model and baselines" in [one.value for one in page.header]
    page.segmented_control(key="train_view").set_value("Failures").run()
    assert not page.exception
    assert "the worst first" in said(page)
    assert sum(one.label == "Explain this patch" for one in page.button) == 5
    page = press(page, "Show it on Models too")
    assert "The page Models shows this report of mine now" in said(page)
    assert (home / "home" / "models" / "mine" / "evaluation").is_dir()
    store.remove(registry.default(), "mine")
    page = opened(example, train_what="Test a model")
    assert "The model 'mine' of this test was removed" in said(page)


def test_the_result_that_was_waited_for_is_shown(home: Path, example: Path) -> None:
    assert home.is_dir()
    made = list[Run]()
    page = opened(example, train_what="Test a model")
    for split in ("test", "all"):
        made.append(queued(example, kind="test", name=split, split=split))
        work.compute(made[-1].folder)
        note(made[-1], state="finished", ended=folder.now())
        page.run()
        assert page.selectbox(key="train_result").value == made[-1].id
        count = "1 patch was" if split == "test" else "5 patches were"
        assert f"Only {count} measured" in said(page)
    page.selectbox(key="train_result").set_value(made[0].id).run()
    assert page.selectbox(key="train_result").value == made[0].id, "as the user chose"
