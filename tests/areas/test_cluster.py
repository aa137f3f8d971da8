"""Maps on a real Dask cluster of processes on this machine."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest
from distributed import Client, LocalCluster

from landcover.areas.cluster import DaskExecutor, executor_of
from landcover.areas.job import finished_blocks, map_block
from landcover.core.errors import BadInput, Cancelled, ModelMismatch
from landcover.core.raster import Raster
from landcover.io import samples
from tests.areas.test_job import parts_of, same, task_of

pytestmark = [pytest.mark.enable_socket, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def sample() -> Raster:
    return samples.read_sample("finland-lake")


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    # A process that starts imports the file of __main__, which a test of a page before this one
    # leaves to be that page.
    with (
        mock.patch.dict(sys.modules, {"__main__": ModuleType("__main__")}),
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
        ) as cluster,
    ):
        yield cluster


@pytest.mark.slow
def test_a_map_with_a_killed_worker_is_the_local_one(
    sample: Raster, cluster: LocalCluster, tmp_path: Path
) -> None:
    task = task_of(sample)
    executor = executor_of(cluster.scheduler_address)
    parts = parts_of(task, tmp_path)
    blocks = finished_blocks(task, parts, executor)
    first = next(blocks)
    assert executor.text == "2 workers"
    with Client(cluster) as client:
        victim = client.submit(os.getpid, pure=False).result()
    os.kill(victim, signal.SIGKILL)
    found = dict([first, *blocks])
    assert sorted(block.index for block in found) == sorted(task.plan.indices)
    for block, one in found.items():
        assert same(one, map_block(task, block.index))


@pytest.mark.slow
def test_a_cluster_reports_the_users_errors_and_stops(
    sample: Raster, cluster: LocalCluster, tmp_path: Path
) -> None:
    task = task_of(sample)
    executor = DaskExecutor(address=cluster.scheduler_address)
    other = type(task)(
        plan=task.plan,
        imagery=task.imagery,
        model=task.model,
        model_hash=task.model_hash,
        version="0.0.1",
    )
    with pytest.raises(ModelMismatch, match="same version"):
        list(executor.run(other, other.plan.indices, None))
    stop = threading.Event()
    blocks = finished_blocks(task, parts_of(task, tmp_path), executor, cancel=stop)
    next(blocks)
    stop.set()
    with pytest.raises(Cancelled):
        list(blocks)


@pytest.mark.slow
def test_a_scheduler_that_is_killed_is_one_sentence_and_nothing_is_lost(
    sample: Raster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with contextlib.ExitStack() as stack:
        own = []
        for words in (
            ["dask_scheduler", "--port", address.rpartition(":")[2], "--no-dashboard"],
            ["dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"],
        ):
            command = [sys.executable, "-m", f"distributed.cli.{words[0]}", *words[1:]]
            own.append(subprocess.Popen(command, cwd=tmp_path, **quiet))
            stack.callback(own[-1].wait)
            stack.callback(own[-1].kill)
        task = task_of(sample)
        executor = DaskExecutor(address=address, seconds=60)
        parts = parts_of(task, tmp_path)
        blocks = finished_blocks(task, parts, executor)
        first, _ = next(blocks)
        capfd.readouterr()
        own[0].kill()
        with pytest.raises(BadInput, match=f"{address} is gone: start it again"):
            list(blocks)
        assert capfd.readouterr().err == ""
    assert first.index in parts.open()


def test_a_scheduler_that_is_not_there_is_one_sentence(sample: Raster) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    task = task_of(sample)
    executor = executor_of(f"tcp://127.0.0.1:{port}")
    executor.seconds = 0.5
    with pytest.raises(BadInput, match="No Dask scheduler answers"):
        list(executor.run(task, task.plan.indices, None))


@pytest.mark.parametrize("text", ["", "here", "http://10.0.0.1:8786", "tcp://nowhere", "local:0"])
def test_addresses_are_checked(text: str) -> None:
    with pytest.raises(BadInput, match=r"scheduler|process"):
        executor_of(text)


def test_a_cluster_on_this_machine_can_be_asked_for() -> None:
    assert executor_of("local:3") == DaskExecutor(processes=3)
    assert executor_of("local").processes is None


def test_nothing_to_do_needs_no_cluster(sample: Raster) -> None:
    assert not list(DaskExecutor(address="tcp://127.0.0.1:1").run(task_of(sample), (), None))
