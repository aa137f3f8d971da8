"""``evaluate`` and ``compare`` from the command line: options, errors, JSON and text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from landcover import nets
from landcover.cli.main import main
from landcover.datasets import open_dataset
from landcover.metrics.scores import METRICS
from landcover.models import registry
from landcover.train.recipes import bigearthnet
from landcover.train.recipes.order import Order
from tests.support import tiny
from tests.support.bigearthnet_tree import PatchSpec, v2_id, write_table, write_v2

FOREST, PASTURES = "Mixed forest", "Pastures"
SPLITS = ("train", "validation", "test")
SPECS = [
    PatchSpec(v2_id(k, row=20 * s), (FOREST,) if k % 2 else (PASTURES, FOREST)[: 1 + k // 6], split)
    for s, split in enumerate(SPLITS)
    for k in range(12)
]
FEW = ["--bootstraps", "100"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_v2(tmp_path_factory.mktemp("cli_evaluate") / "bigearthnet", SPECS)


@pytest.fixture(scope="module")
def made(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo")
    dataset = open_dataset("bigearthnet", root)
    for name in ("band-statistics", "class-prior"):
        bigearthnet.make(name, dataset, folder / name, Order(fit="train+validation"))
    return folder


@pytest.fixture
def zoo(made: Path, tmp_path: Path) -> Iterator[Path]:
    with registry.use(registry.Registry(shipped=made, home=tmp_path / "home")):
        yield made


@pytest.fixture
def moved(root: Path, tmp_path: Path) -> Path:
    """The same folder, with a test patch that touches the training split."""
    (tmp_path / "BigEarthNet-S2").symlink_to(root / "BigEarthNet-S2")
    specs = [
        PatchSpec(x.patch_id, x.labels, "test" if x.patch_id == v2_id(3) else x.split)
        for x in SPECS
    ]
    write_table(tmp_path / "metadata.parquet", specs)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main([str(argument) for argument in arguments])
    return status, *capsys.readouterr()


def test_compare_reads_saved_reports_of_evaluate(
    zoo: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("band-statistics", "class-prior"):
        status, out, err = run(
            capsys, "evaluate", root, "--dataset", "bigearthnet", "--model", name, *FEW,
            "--save", "--json", "--unit", "block",
        )  # fmt: skip
        assert status == 0
        said = json.loads(out)
        assert set(METRICS) <= set(said)
        assert said["bootstrap"]["unit"] == "block"
        assert said["split_distances_m"] == {
            "train-validation": 24_000,
            "train-test": 48_000,
            "validation-test": 24_000,
        }
        assert (said["touching"], said["apart"]) == (0, None)
        assert len(err.splitlines()) == 2
    assert not list(zoo.rglob("evaluation")), "nothing is written into shipped models"
    other = registry.default().folder("class-prior")
    arguments = ("compare", "band-statistics", other, "--dataset", "bigearthnet")
    status, out, _ = run(capsys, *arguments, *FEW, "--json")
    assert status == 0
    saved = json.loads(out)
    assert saved["overall"]["macro_ap"]["better"] == "a"
    # The models give the same values as their reports.
    status, out, _ = run(capsys, *arguments[:3], root, "--dataset", "bigearthnet", *FEW, "--json")
    assert status == 0
    again = json.loads(out)
    assert again["n"] == saved["n"] == 12
    for name, gap in saved["overall"].items():
        assert again["overall"][name]["difference"] == pytest.approx(gap["difference"], abs=1e-5)
    status, out, _ = run(capsys, *arguments, *FEW)
    assert status == 0
    assert "paired bootstrap resamples" in out


def test_a_test_patch_next_to_a_training_patch_is_refused(
    zoo: Path, moved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("evaluate", moved, "--dataset", "bigearthnet", "--model", "class-prior", *FEW)
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("error: 1 of the 13 patches of the split 'test' touch patches of 'train'")
    assert len(err.splitlines()) == 1
    status, out, _ = run(capsys, *arguments, "--allow-touching", "--json")
    assert status == 0
    said = json.loads(out)
    assert (said["n"], said["touching"], said["apart"]["n"]) == (13, 1, 12)
    assert said["apart"]["confidence_intervals"]["micro_ap"] is not None
    status, out, _ = run(capsys, *arguments, "--allow-touching")
    assert "WARNING: 1 of these 13 patches" in out
    assert "the other 12 alone: macro_ap" in out
    status, _, err = run(
        capsys, "train", "--dataset", "bigearthnet", "--root", moved, "--model", "class-prior",
        "--out", zoo / "never",
    )  # fmt: skip
    assert status == 2
    assert "touch patches of 'train'" in err
    assert not (zoo / "never").exists()


@pytest.mark.usefixtures("zoo")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("compare", "band-statistics", "no-such", "--dataset", "bigearthnet"), "Unknown model"),
        (("compare", "band-statistics", "/etc", "--dataset", "bigearthnet"), "is not a model folder"),
        (
            ("compare", "band-statistics", "class-prior", "--dataset", "bigearthnet", "--split",
             "validation"),
            "has no report on bigearthnet",
        ),
        (("compare", "band-statistics", "class-prior", "nowhere", "--dataset", "bigearthnet"),
         "no folder 'nowhere'"),
        (("compare", "band-statistics"), "required"),
        (("evaluate", ".", "--dataset", "bigearthnet", "--unit", "country"), "invalid choice"),
        (("evaluate", ".", "--dataset", "bigearthnet", "--bootstraps", "1000000"), "at most"),
        (("evaluate", ".", "--dataset", "bigearthnet", "--strict", "--allow-touching"),
         "not allowed"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(
    arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert sentence in err
    assert len(err.splitlines()) == 1


def test_a_report_of_other_weights_is_not_compared(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    folder = tmp_path / "mine"
    tiny.tiny_folder(folder, name="mine")
    status, _, _ = run(
        capsys, "evaluate", root, "--dataset", "bigearthnet", "--card", folder, *FEW, "--save"
    )
    assert status == 0
    arguments = ("compare", folder, folder, "--dataset", "bigearthnet-v2", *FEW)
    assert run(capsys, *arguments)[0] == 0
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "title": "Another"}))
    status, _, err = run(capsys, *arguments)
    assert status == 2
    assert "another card or other weights" in err
