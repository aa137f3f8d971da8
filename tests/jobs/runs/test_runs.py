"""Test that queued runs are computed by processes of their own, whatever ends in between."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from landcover.core import files
from landcover.jobs.runs import control, folder, record
from landcover.jobs.runs.record import Run
from landcover.models import registry
from tests.conftest import ROOT
from tests.support import runs

LONG = 400
"""Epochs of a training that is interrupted."""


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "home"))
    with runs.tidy():
        yield


def in_training(run: Run) -> bool:
    assert run.state in record.ACTIVE, run.error
    return len(run.history) >= 2


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()


def gone(process: int, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while alive(process) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(process)


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.folder / folder.MODEL_FOLDER / "weights.safetensors")


def test_a_fit_ends_as_a_model_of_the_user(root: Path) -> None:
    started = control.start(runs.order(root, model="class-prior", settings={}, epochs=None))
    assert started.state in record.ACTIVE
    run = runs.wait(started.id)
    assert (run.state, run.error, run.model) == ("finished", "", "mine"), record.log_of(run.id)
    assert registry.default().load("mine", "cpu").card.training["n"] == 12
    assert record.all_runs() == (run,)
    runs.wait(run.id, lambda _: not folder.runner_lives())
    assert record.log_of(run.id).endswith("Added to your models as 'mine'.\n")


@pytest.mark.slow
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
    runs.wait(run.id, lambda _: not folder.runner_lives())
    assert record.log_of(run.id).endswith("Added to your models as 'mine'.\n")


@pytest.mark.slow
def test_a_killed_runner_interrupts_a_run_that_resumes_to_the_same_weights(root: Path) -> None:
    whole = control.start(runs.order(root, name="whole", epochs=12))
    cut = control.start(runs.order(root, name="cut", epochs=12))
    assert runs.wait(whole.id).state == "finished"
    runs.wait(cut.id, in_training)
    runner, work = runs.runner(), runs.process_of(cut.folder / "work")
    os.kill(runner, signal.SIGKILL)
    assert gone(runner)
    assert gone(work)
    found = record.run_of(cut.id)
    assert (found.state, len(found.history) < 12) == ("interrupted", True)
    resumed = runs.wait(control.resume(cut.id).id)
    assert resumed.state == "finished", record.log_of(cut.id)
    assert [epoch.epoch for epoch in resumed.history] == list(range(1, 13))
    one, two = weights(record.run_of(whole.id)), weights(resumed)
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.slow
def test_a_run_goes_on_when_the_program_that_started_it_is_killed(root: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from landcover.jobs.runs import control\n"
        "from tests.support import runs\n"
        "print(control.start(runs.order(Path(sys.argv[1]), epochs=12)).id, flush=True)\n"
        "time.sleep(600)"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", code, str(root)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with program:
        assert program.stdout is not None
        run = program.stdout.readline().strip()
        runs.wait(run, in_training)
        program.kill()
    ended = runs.wait(run)
    assert (ended.state, len(ended.history)) == ("finished", 12)


@pytest.mark.slow
def test_a_run_stops_and_goes_on(root: Path) -> None:
    run = control.start(runs.order(root, epochs=LONG))
    waiting = control.start(runs.order(root, name="waits", epochs=LONG))
    runs.wait(run.id, in_training)
    step = runs.wait(run.id, lambda found: found.step is not None and found.step.epoch > 2).step
    assert step is not None
    assert (step.epochs, step.steps) == (LONG, 3)
    assert step.seconds_left is not None
    assert control.stop(waiting.id).state == "stopped"
    control.stop(run.id)
    stopped = runs.wait(run.id, seconds=20)
    assert stopped.state == "stopped"
    done = len(stopped.history)
    control.resume(run.id)
    runs.wait(run.id, lambda found: len(found.history) > done)
    # A shutdown asks the runner to end. It leaves the run to the next one.
    runner = runs.runner()
    os.kill(runner, signal.SIGTERM)
    assert gone(runner)
    assert record.run_of(run.id).state == "queued"
    control.wake()
    runs.wait(run.id, lambda found: found.state == "running")
    runs.wait(run.id, lambda _: runs.process_of(run.folder / "work") > 0)
    os.kill(runs.process_of(run.folder / "work"), signal.SIGKILL)
    killed = runs.wait(run.id)
    assert (killed.state, "memory" in killed.error) == ("interrupted", True)
    assert not folder.runner_lives() or gone(runs.runner())


@pytest.mark.slow
def test_runs_of_data_that_vanish_fail_and_others_follow(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    files.make_folder(folder.runs())
    with runs.busy_runner():
        lost = control.start(runs.order(copy))
        found = control.start(
            runs.order(root, kind="test", model="class-prior", name="prior", settings={})
        )
        shutil.rmtree(copy)
    with ThreadPoolExecutor(4) as starters:  # many pages at the same moment
        list(starters.map(lambda _: control.wake(), range(8)))
    failed, finished = runs.wait(lost.id), runs.wait(found.id)
    assert (failed.state, "copy" in failed.error) == ("failed", True)
    assert finished.state == "finished", record.log_of(found.id)
    assert "Traceback" not in record.log_of(lost.id)
    log = (folder.runs() / "runner.log").read_text()
    assert log == "", log
    with pytest.raises(Exception, match="copy"):
        control.resume(lost.id)


def test_of_several_runners_one_works_at_a_time(root: Path) -> None:
    with runs.busy_runner():
        command = [sys.executable, "-m", "landcover.jobs.runs.runner"]
        run = control.start(runs.order(root))
        started = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
        assert [each.wait(60) for each in started] == [0, 0]
        assert record.run_of(run.id).state == "queued"
