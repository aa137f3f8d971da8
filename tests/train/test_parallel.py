"""Training with several processes: same results as with one, lost processes, sharing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from landcover import nets
from landcover.core.errors import BadInput
from landcover.train import distributed
from landcover.train.augment import Augmentation
from landcover.train.checkpoint import CHECKPOINT_FILE
from landcover.train.configuration import TrainConfig
from landcover.train.distributed import ProcessGroup, shards_for
from landcover.train.history import HISTORY_FILE
from landcover.train.loading import Piece
from landcover.train.loop import Run
from tests.conftest import ROOT
from tests.train.test_loop import store

CONFIG = TrainConfig(
    net_options={"members": 2, "width": 4, "stem": 4, "spectral": 8, "dropout": 0.3},
    epochs=3,
    batch=11,
    shards=2,
    learning_rate=1e-2,
    validate_every=1,
    device="cpu",
    precision="float32",
    augmentation=Augmentation(paste=0.3, blend=0.3),
)


def start(
    out: Path, config: TrainConfig, processes: int = 1, **environment: str
) -> list[subprocess.Popen[str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), **environment}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.parallel_child", str(out), config.to_json()],
            cwd=ROOT,
            env={**base, "RANK": str(rank), "WORLD_SIZE": str(processes), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]


def end(children: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    said = [child.communicate(timeout=120)[1] for child in children]
    return [(child.returncode, text) for child, text in zip(children, said, strict=True)]


def history(out: Path, rank: int = 0) -> list[list[float]]:
    return json.loads(out.with_suffix(f".{rank}.json").read_text())  # type: ignore[no-any-return]


def state(out: Path, rank: int = 0) -> dict[str, torch.Tensor]:
    return torch.load(out.with_suffix(f".{rank}.pt"), weights_only=True)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    assert end(start(out, CONFIG)) == [(0, "")]
    return out


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.slow
def test_two_processes_get_the_same_weights_as_one(alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert end(start(out, CONFIG, 2)) == [(0, ""), (0, "")]
    # Both end with the same weights, to the last bit, running statistics included.
    first, second = state(out, 0), state(out, 1)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert history(out, 0) == history(out, 1)
    same(first, state(alone))
    for one, two in zip(history(alone), history(out), strict=True):
        assert two == pytest.approx(one, rel=1e-5)


@pytest.mark.slow
def test_a_lost_process_is_reported_by_the_other_and_the_run_can_be_resumed(
    alone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    children = start(out, replace(CONFIG), 2)
    waited = time.monotonic() + 60
    while not (out / CHECKPOINT_FILE).exists():
        assert time.monotonic() < waited
        time.sleep(0.005)
    children[1].send_signal(signal.SIGKILL)
    (status, said), _ = end(children)
    if (out / HISTORY_FILE).read_text().count("\n") <= CONFIG.epochs:
        assert status == 1
        assert said.startswith("error: Another process of this training")
        assert said.count("\n") == 1
    # One process can resume a run of two.
    assert end(start(out, CONFIG)) == [(0, "")]
    same(state(out), state(alone))


@pytest.mark.slow
def test_processes_with_different_patches_are_stopped(tmp_path: Path) -> None:
    ended = end(start(tmp_path / "run", CONFIG, 2, ONE_LESS="1"))
    assert [status for status, _ in ended] == [1, 1]
    assert all("found different checkpoints or patches" in said for _, said in ended)


def test_a_batch_in_shards_gives_the_gradients_of_one_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without random numbers and batch statistics, pieces sum to the result of the full batch."""
    plain = Augmentation(symmetries=False, brightness=0, band_gain=0)
    config = replace(CONFIG, augmentation=plain, net="class-free", net_options={}, shards=1)
    monkeypatch.setitem(nets.NETS, "class-free", _Linear)
    runs = [Run(replace(config, shards=shards), store(22)) for shards in (1, 2, 5)]
    for run in runs:
        assert len(list(run.steps())) == 2
    for run in runs[1:]:
        for name, value in runs[0].state.net.state_dict().items():
            torch.testing.assert_close(
                run.state.net.state_dict()[name], value, rtol=1e-4, atol=1e-6
            )


class _Linear(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(12, 19)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(pixels.mean(dim=(2, 3)))
        return logits


def test_each_piece_goes_to_one_process() -> None:
    pieces = [Piece(torch.tensor([k])) for k in range(6)]
    shared = [ProcessGroup(rank, 3).share_of(pieces) for rank in range(3)]
    assert [piece for part in shared for piece in part] == pieces
    assert {len(part) for part in shared} == {2}


def test_the_number_of_shards_follows_the_processes_or_is_refused() -> None:
    assert shards_for(1, ProcessGroup(0, 2)) == 2
    assert shards_for(8, ProcessGroup(0, 4)) == 8
    with pytest.raises(BadInput, match="8 shards cannot be shared evenly by 3"):
        shards_for(8, ProcessGroup(0, 3))


def test_environment_variables_of_torchrun_are_read_or_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert distributed.requested() == ProcessGroup()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert distributed.requested() == ProcessGroup(1, 2)
    for rank in ("2", "-1", "one"):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(BadInput, match="start with torchrun"):
            distributed.requested()
