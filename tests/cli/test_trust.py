"""``trust faithfulness`` and ``scales`` from the command line: output, files and errors."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from landcover import nets
from landcover.cli import trust
from landcover.core.errors import BadInput
from landcover.datasets import open_dataset
from landcover.explain import explanation
from landcover.explain.faithfulness import protocol, ratings
from landcover.models import registry
from landcover.models.card import read_card
from landcover.models.model import load_model
from landcover.train.recipes import model_folder
from tests.support import tiny
from tests.support.bigearthnet_tree import PatchSpec, v2_id, write_v2

SPECS = [
    PatchSpec(v2_id(k, row=20 * s), ("Mixed forest",), split)
    for s, split in enumerate(("train", "validation", "test"))
    for k in range(6)
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_v2(tmp_path_factory.mktemp("cli_trust") / "bigearthnet", SPECS)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    # Two methods are enough here; other tests measure all.
    some = {name: explanation.METHODS[name] for name in ("grad-cam", "integrated-gradients")}
    monkeypatch.setattr(explanation, "METHODS", some)
    return tiny.tiny_folder(tmp_path / "model")


def run(
    capsys: pytest.CaptureFixture[str], *arguments: object, action: str = "faithfulness"
) -> tuple[int, str, str]:
    parser = argparse.ArgumentParser()
    trust.add_commands(parser.add_subparsers())
    options = parser.parse_args(["trust", action, *map(str, arguments)])
    status = options.command(options)
    return status, *capsys.readouterr()


def test_ratings_are_printed_and_saved(
    root: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = (
        root,
        "--dataset",
        "bigearthnet",
        "--card",
        folder,
        "--patches",
        4,
        "--device",
        "cpu",
    )
    status, out, err = run(capsys, *command, "--save", "--json")
    assert status == 0
    assert err == f"Written: {folder / 'trust' / 'faithfulness.json'}\n"
    said = json.loads(out)
    assert set(said["methods"]) == {"grad-cam", "integrated-gradients"}
    origin = said["measured_on"]
    assert origin["split"] == "validation"
    assert origin["drawn_from"] == 6
    assert origin["maps"] == []
    # The card names another data set, so it is unknown whether the model was trained on this one.
    assert origin["seen_in_training"] is None
    assert len(set(origin["patches"])) == said["n"] == 4
    assert set(origin["patches"]) <= {v2_id(k, row=20) for k in range(6)}
    kept = ratings.load(folder)
    assert kept is not None
    assert kept.as_dict() == said

    status, out, _ = run(capsys, *command)
    assert status == 0
    assert f"4 patches of {origin['dataset']}, split validation" in out
    assert all(kept.verdict(name).word in out for name in kept.methods)
    assert "best: " in out
    status, out, _ = run(capsys, *command, "--markdown")
    assert status == 0
    assert out.startswith(f"### {tiny.NAME} (")
    assert "\n| method | verdict |" in out


def test_saved_ratings_are_printed_without_a_data_set(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BadInput, match="There are no saved ratings: give ROOT to measure"):
        run(capsys, "--card", folder)
    some = [tiny.random_patch(seed) for seed in range(4)]
    kept = protocol.measure(tiny.tiny_model(), some)
    ratings.save(kept, folder)
    status, out, _ = run(capsys, "--card", folder, "--json")
    assert status == 0
    assert json.loads(out) == kept.as_dict()
    # Without a model, those of all registered models that have some.
    with registry.use(registry.Registry(shipped=folder.parent)):
        assert run(capsys)[1].count("best: ") == 1


def test_a_folder_without_maps_is_refused(
    root: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BadInput, match="has no land-cover maps"):
        run(capsys, root, "--dataset", "bigearthnet", "--card", folder, "--maps", tmp_path)


@pytest.mark.data
def test_pointing_is_measured_on_real_maps(
    root: Path, folder: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = shared_data / "scenes" / "terramind"
    status, out, _ = run(
        capsys, root, "--dataset", "bigearthnet", "--card", folder, "--maps", maps,
        "--patches", 4, "--device", "cpu", "--json",
    )  # fmt: skip
    assert status == 0
    said = json.loads(out)
    assert len(said["measured_on"]["maps"]) == 3
    for found in said["methods"].values():
        pointed = found["pointing"]["maps"]
        assert pointed["places"] == 3
        assert 6 <= pointed["n"] <= 12
        assert 0.1 <= pointed["share"] <= 0.7


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--split", "test"], "'test', which is only for the final evaluation of a model"),
        (["--patches", "3"], "--patches must be between 4 and 500"),
        (["--patches", "501"], "--patches must be between 4 and 500"),
        (["--device", "abacus"], "Unknown device 'abacus'"),
    ],
)
def test_bad_options_are_refused(
    root: Path,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    with pytest.raises(BadInput, match=sentence):
        run(capsys, root, "--dataset", "bigearthnet", "--card", folder, *arguments)


def test_the_same_patches_are_drawn_each_time(root: Path) -> None:
    from landcover import datasets  # noqa: PLC0415

    dataset = datasets.open_dataset("bigearthnet", root)
    options = argparse.Namespace(split="train", patches=5)
    first, second = (trust.chosen_patches(dataset, options) for _ in range(2))
    assert first[1] == second[1]
    assert len(set(first[1])) == 5
    for one, two in zip(first[0], second[0], strict=True):
        np.testing.assert_array_equal(one.valid, two.valid)
    options.patches = 100
    assert len(trust.chosen_patches(dataset, options)[1]) == 6


@pytest.mark.data
def test_sampled_pictures_fit_the_models(shared_data: Path) -> None:
    from landcover import datasets  # noqa: PLC0415

    dataset = datasets.open_any("eurosat", shared_data / "eurosat")
    options = argparse.Namespace(split="validation", patches=4)
    pictures, names = trust.chosen_patches(dataset, options)
    assert len(pictures) == len(names) == 4
    model = registry.default().load(registry.PICTURE_MODEL, "cpu")
    assert all(model.tensor(picture).shape == (3, 64, 64) for picture in pictures)


def test_scales_are_those_of_the_validation_patches_and_change_the_card(
    root: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_card(folder)
    command = (root, "--card", folder, "--device", "cpu")
    status, out, _ = run(capsys, *command, action="scales")
    assert status == 0
    assert [line.partition(":")[0] for line in out.splitlines()] == [
        "grad-cam",
        "integrated-gradients",
    ]
    assert read_card(folder) == before
    status, out, err = run(capsys, *command, "--save", "--json", action="scales")
    assert status == 0
    assert err == f"Written: {folder / 'card.json'}\n"
    said, after = json.loads(out), read_card(folder)
    assert said["scales"] == after.explanation_scales
    assert said["card_hash"] == after.hash != before.hash
    assert after.with_fields(explanation_scales=before.explanation_scales) == before
    model = load_model(folder, "cpu")
    patches = model_folder.some_patches(open_dataset("bigearthnet", root))
    expected = explanation.explanation_scale(model, patches, "grad-cam")
    assert after.explanation_scales["grad-cam"] == pytest.approx(expected)
