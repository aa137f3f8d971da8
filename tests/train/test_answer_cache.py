"""A teacher answers once for each patch, whoever asks."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from landcover.core import files
from landcover.core.bands import BAND_NAMES
from landcover.train import answer_cache, dynamic_world
from landcover.train.answer_cache import AnswerCache
from landcover.train.dynamic_world import DynamicWorld
from landcover.train.loop import train
from landcover.train.teaching import answers
from tests.conftest import ROOT
from tests.support.tiny_teacher import write_teacher
from tests.train.test_loop import store
from tests.train.test_teaching import SMALL

SIDE = 24


@pytest.fixture
def teacher(tmp_path: Path) -> DynamicWorld:
    return dynamic_world.load(write_teacher(tmp_path / "t.npz"))


@pytest.fixture
def asked(teacher: DynamicWorld) -> list[int]:
    """How many patches the teacher was asked about at a time."""
    found: list[int] = []
    teacher.register_forward_hook(lambda _, given, __: found.append(len(given[0])))
    return found


def some(count: int = 4, seed: int = 0) -> torch.Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.rand(count, len(BAND_NAMES), SIDE, SIDE, generator=chance)


def test_answers_are_those_of_the_teacher_in_half_precision(
    teacher: DynamicWorld, tmp_path: Path
) -> None:
    wanted = answers(teacher, some())
    for folder in (None, tmp_path / "answers", tmp_path / "answers"):
        found = AnswerCache(teacher, folder).of(some())
        for own, theirs in zip(found, wanted, strict=True):
            assert own.dtype == torch.float16
            assert torch.allclose(own.float(), theirs, atol=1e-3)
    assert len(list((tmp_path / "answers").iterdir())) == 4


def test_another_run_asks_for_new_patches_only(
    teacher: DynamicWorld, asked: list[int], tmp_path: Path
) -> None:
    first = AnswerCache(teacher, tmp_path).of(some())
    assert asked == [1] * 4
    again = AnswerCache(teacher, tmp_path).of(torch.cat([some(1, seed=1), some()[[2, 0]]]))
    assert asked == [1] * 5
    assert torch.equal(again.covers[1:], first.covers[[2, 0]])
    assert torch.equal(again.features[1:], first.features[[2, 0]])


def test_another_teacher_is_asked_again(
    teacher: DynamicWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = AnswerCache(teacher, tmp_path / "a").of(some())
    other = dynamic_world.load(write_teacher(tmp_path / "u.npz", seed=1))
    second = AnswerCache(other, tmp_path / "a").of(some())
    assert not torch.equal(first.covers, second.covers)
    # Also if only the conversion of its pixels changes.
    lines = tuple((slope, offset + 99) for slope, offset in dynamic_world.TO_LEVEL_1C)
    monkeypatch.setattr(dynamic_world, "TO_LEVEL_1C", lines)
    changed = dynamic_world.load(tmp_path / "t.npz")
    third = AnswerCache(changed, tmp_path / "a").of(some())
    assert not torch.equal(first.covers, third.covers)
    assert len(list((tmp_path / "a").iterdir())) == 12


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda whole: whole[:-1],
        lambda whole: whole + b"x",
        lambda whole: bytes(len(whole)),
        lambda whole: whole[:900] + bytes([whole[900] ^ 1]) + whole[901:],
    ],
    ids=["empty", "short", "long", "zeros", "changed"],
)
def test_a_damaged_file_is_computed_again(
    teacher: DynamicWorld, asked: list[int], tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    first = AnswerCache(teacher, tmp_path).of(some(1))
    (path,) = tmp_path.glob("*.f16")
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    again = AnswerCache(teacher, tmp_path).of(some(1))
    assert len(asked) == 2
    assert torch.equal(again.features, first.features)
    assert path.read_bytes() == whole


def test_answers_for_very_many_patches_are_not_kept(teacher: DynamicWorld, tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    AnswerCache(teacher, folder, patches=answer_cache.MOST_PATCHES + 1).of(some(1))
    assert not folder.exists()


def test_a_training_asks_once_and_ends_as_without_kept_answers(
    teacher: DynamicWorld, asked: list[int], tmp_path: Path
) -> None:
    live = train(SMALL, store(6), None, tmp_path / "live", teacher=teacher)
    assert len(asked) == 6 * SMALL.epochs
    asked.clear()

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    kept = tmp_path / "answers"
    with pytest.raises(KeyboardInterrupt):
        train(SMALL, store(6), None, tmp_path / "run", stop, teacher=teacher, answers=kept)
    resumed = train(SMALL, store(6), None, tmp_path / "run", teacher=teacher, answers=kept)
    other = train(SMALL, store(6), None, tmp_path / "other", teacher=teacher, answers=kept)
    assert asked == [1] * 6
    for name, value in live.state.items():
        assert torch.equal(value, resumed.state[name]), name
        assert torch.equal(value, other.state[name]), name


KILLED = """
import sys, torch
from pathlib import Path
from landcover.train import dynamic_world
from landcover.train.answer_cache import AnswerCache
from tests.train.test_answer_cache import some
known = AnswerCache(dynamic_world.load(Path(sys.argv[1])), Path(sys.argv[2]))
while True:
    for path in Path(sys.argv[2]).glob("*.f16"):
        path.unlink()
    known.of(some(40))
"""


@pytest.mark.slow
def test_after_a_kill_the_next_run_goes_on(teacher: DynamicWorld, tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    given = [sys.executable, "-c", KILLED, str(tmp_path / "t.npz"), str(folder)]
    child = subprocess.Popen(given, cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while not list(folder.glob("*.f16")) and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        child.kill()
        child.wait()
    assert list(folder.glob("*.f16"))
    wanted = AnswerCache(teacher, None).of(some(40))
    found = AnswerCache(teacher, folder).of(some(40))
    assert torch.equal(found.covers, wanted.covers)
    assert torch.equal(found.features, wanted.features)
    assert len(list(folder.glob("*.f16"))) == 40
    assert not [path for path in folder.iterdir() if files.is_own(path.name)]
