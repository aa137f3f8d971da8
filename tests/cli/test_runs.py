"""The command ``runs``, and the options that queue."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from landcover.cli.exit_status import BAD, DONE, SOME_FAILED
from landcover.cli.main import main
from landcover.jobs.runs import folder, record
from tests.support import runs

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.patches(tmp_path_factory.mktemp("data") / "ben")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "home"))


@pytest.fixture
def busy() -> Iterator[None]:
    """The runner is busy, so that runs wait."""
    with runs.busy_runner():
        yield


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*words: object) -> tuple[int, str, str]:
        status = main([str(word) for word in words])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    settings = {"net": "trigrid", "batch": 4, "validate_every": 1, "net_options": runs.NET}
    path.write_text(json.dumps(settings))
    return path


def listed(call: Call) -> list[dict[str, Any]]:
    status, out, _ = call("runs", "list", "--json")
    assert status == DONE
    found: list[dict[str, Any]] = json.loads(out)
    return found


def train(call: Call, root: Path, config: Path, *more: object) -> tuple[int, str, str]:
    return call(
        *("train", "--dataset", "bigearthnet", "--root", root, "--config", config, "--queue"),
        *("--epochs", 1, "--device", "cpu", *more),
    )


@pytest.mark.usefixtures("busy")
def test_runs_are_queued_listed_stopped_renamed_removed_and_restored(
    call: Call, root: Path, config: Path
) -> None:
    assert call("runs")[1].startswith("There are no runs")
    assert train(call, root, config, "--register", "one")[0] == DONE
    assert train(call, root, config, "--register", "two", "--seed", 7)[0] == DONE
    two, one = listed(call)
    assert [(run["name"], run["state"], run["place"]) for run in (one, two)] == [
        ("one", "queued", 1),
        ("two", "queued", 2),
    ]
    _, out, _ = call("runs")
    assert "queued (2)" in out
    assert "train landcover-cnn on bigearthnet" in out
    shown = json.loads(call("runs", "show", "two", "--json")[1])
    assert (shown["settings"]["seed"], shown["settings"]["net_options.members"]) == (7, 2)
    assert "augmentation.brightness" not in shown["settings"]  # the file takes the place of all
    differing = json.loads(call("runs", "compare", "one", "two", "--json")[1])["differing"]
    assert differing == {"seed": [None, 7]}
    assert "other settings are the same" in call("runs", "compare", "one", "two")[1]
    assert "runs resume" in call("runs", "stop", "one")[1]
    assert call("runs", "rename", "one", "first")[0] == DONE
    assert "landcover runs restore" in call("runs", "remove", "first")[1]
    assert [run["name"] for run in listed(call)] == ["two"]
    assert call("runs", "restore", one["id"])[0] == DONE
    assert listed(call)[1]["name"] == "first"
    assert call("runs", "wait", "first")[0] == SOME_FAILED
    assert call("runs", "log", "first") == (DONE, "", "")
    assert call("runs", "resume", "first")[0] == DONE
    assert call("runs", "start")[1] == "2 runs wait or run.\n"


def test_the_training_of_a_shipped_model_is_shown_and_compared(call: Call) -> None:
    shown = json.loads(call("runs", "show", "landcover-cnn", "--json")[1])
    assert (shown["kind"], shown["epochs"], shown["settings"]["net"]) == ("past", 120, "trigrid")
    assert "epoch 120 of 120" in call("runs", "show", "landcover-cnn")[1]
    status, out, _ = call("runs", "compare", "landcover-cnn", "efficientnet-lite0", "--json")
    assert (status, json.loads(out)["differing"]["epochs"]) == (DONE, [120, 20])
    status, _, error = call("runs", "show", "class-prior")
    assert (status, error.count("\n")) == (BAD, 1)
    assert "carries neither settings nor epochs" in error


@pytest.mark.usefixtures("busy")
def test_a_test_is_queued_by_evaluate(call: Call, root: Path) -> None:
    words = ("evaluate", root, "--dataset", "bigearthnet", "--model", "class-prior", "--queue")
    assert call(*words, "--bootstraps", 100)[0] == DONE
    (run,) = record.all_runs()
    assert (run.order.kind, run.order.split, run.state) == ("test", "test", "queued")
    assert run.order.settings == {"bootstraps": 100, "allow_touching": False}
    assert listed(call)[0]["tested"] == "class-prior"
    assert call(*words, "--save")[0] == BAD


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("runs", "show", "fish"), "Unknown run 'fish'"),
        (("runs", "restore", "fish"), "Unknown removed run"),
        (("runs", "stop", "../x"), "Unknown run"),
        (("train", "--dataset", "bigearthnet", "--queue"), "--root"),
        (("train", "--dataset", "eurosat", "--root", ".", "--queue", "--out", "x"), "--register"),
        (("train", "--dataset", "bigearthnet", "--root", "/nowhere", "--queue"), "nowhere"),
    ],
)
def test_what_cannot_be_done_is_one_line(call: Call, words: tuple[str, ...], sentence: str) -> None:
    status, out, err = call(*words)
    assert (status, out) == (BAD, "")
    assert sentence in err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("busy")
def test_listing_runs_loads_no_torch(call: Call, root: Path, config: Path) -> None:
    train(call, root, config, "--register", "one")
    code = (
        "import sys; from landcover.cli.main import main\n"
        "import landcover.jobs.runs.runner\n"
        "for words in (['runs'], ['runs', '--json'], ['runs', 'log', 'one']): main(words)\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, "queued (1)" in done.stdout) == (0, True), done.stderr


@pytest.mark.slow
def test_a_queued_training_ends_as_a_model(call: Call, root: Path, config: Path) -> None:
    with runs.tidy():
        train(call, root, config, "--register", "mine")
        status, out, _ = call("runs", "wait", "mine")
        assert (status, "--model mine" in out) == (DONE, True)
        assert "epoch 1 of 1" in call("runs", "log", "mine")[1]
        shown = call("runs", "show", "mine")[1]
        assert "--model mine" in shown
        assert "landcover-cnn" in shown
        assert (folder.runs() / record.find("mine").id / "model" / "card.json").exists()
