"""Two runs into one place: the second is refused in one sentence, and changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from landcover.cli.exit_status import BAD, DONE
from landcover.cli.main import main
from landcover.core import files
from landcover.core.classes import CLASS_NAMES
from landcover.datasets import open_dataset
from landcover.evaluate import report_files
from landcover.models.card import CARD_FILE
from landcover.train.recipes import bigearthnet
from landcover.train.recipes.order import Order
from landcover.trust import files as trust_files
from tests.support import bigearthnet_tree as tree

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs locks of POSIX")

Locked = Callable[[Path], AbstractContextManager[None]]
SET = ("--dataset", "bigearthnet")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    specs = [
        tree.PatchSpec(tree.v2_id(k), (CLASS_NAMES[k % 3],), ("train", "validation")[k % 2])
        for k in range(8)
    ]
    return tree.write_v2(tmp_path_factory.mktemp("data") / "ben", specs)


def model(out: Path, data: Path) -> Path:
    bigearthnet.make("class-prior", open_dataset("bigearthnet", data), out, Order(fit="train"))
    return out


def _report(out: Path) -> AbstractContextManager[None]:
    return report_files.writing(out, "bigearthnet-v2", "validation")


TRAIN = ["train", *SET, "--root", "{data}", "--model", "class-prior", "--out", "{out}"]
CONVERT = ["data", "convert", "{data}", "{out}"]
INDEX = ["index", "{data}", "--out", "{out}"]
SAVE = ["evaluate", "{data}", *SET, "--split", "validation", "--model", "{out}", "--save"]
DOWNLOAD = ["data", "download", "eurosat", "--to", "{out}"]
TRUST = ["{data}", *SET, "--model", "{out}", "--save"]
ON = ["--split", "validation"]


def _trust(*names: str) -> Locked:
    return lambda out: trust_files.writing(out, *names)


def _card(out: Path) -> AbstractContextManager[None]:
    return files.lock_file(out / CARD_FILE)


@pytest.mark.parametrize(
    ("words", "lock"),
    [
        pytest.param(TRAIN, files.lock, id="train"),
        pytest.param(CONVERT, files.lock, id="convert", marks=pytest.mark.slow),
        pytest.param(INDEX, files.lock_file, id="index"),
        pytest.param([*SAVE, "--bootstraps", "100"], _report, id="evaluate"),
        pytest.param(DOWNLOAD, files.lock, id="download", marks=pytest.mark.slow),
        pytest.param(["trust", "fit", *TRUST], _trust("novelty"), id="fit"),
        pytest.param(
            ["trust", "measure", *TRUST], _trust("verdict"), id="measure", marks=pytest.mark.slow
        ),
        pytest.param(
            ["trust", "measure", *TRUST],
            _trust("novelty"),
            id="measure and fit",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["trust", "stability", *TRUST, *ON],
            _trust("stability"),
            id="stability",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["trust", "neighbours", *TRUST, *ON],
            _trust("neighbours"),
            id="neighbours",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["trust", "faithfulness", *TRUST],
            _trust("faithfulness"),
            id="faithfulness",
            marks=pytest.mark.slow,
        ),
        pytest.param(["trust", "scales", *TRUST], _card, id="scales"),
    ],
)
def test_a_second_run_into_the_same_place_is_refused(
    words: list[str],
    lock: Locked,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    if words[0] in ("evaluate", "trust"):
        model(out, data)
    arguments = [word.format(data=data, out=out) for word in words]
    with lock(out):
        before = sorted(tmp_path.rglob("*"))
        assert main(arguments) == BAD
        error = capsys.readouterr().err
        assert f"is being written by another run (process {os.getpid()} since " in error
        assert error.count("\n") == 1, error
        assert sorted(tmp_path.rglob("*")) == before
    # A download needs the network; what ``trust`` saves has tests of its own, with a net.
    if words is not DOWNLOAD and words[0] != "trust":
        assert main(arguments) == DONE
        assert not [path for path in tmp_path.rglob("*") if files.is_own(path.name)]
