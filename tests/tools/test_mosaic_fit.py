"""From patches to predictions for left-out countries and a model, with the steps of a GPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from torch import nn

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.datasets import open_dataset
from landcover.datasets.folds import pool
from landcover.models.model import load_model
from landcover.train.class_frequencies import mean_bias
from landcover.train.recipes import out_of_fold
from landcover.train.teaching import Answers
from tests.support import tiny_teacher
from tests.support.bigearthnet_tree import PatchSpec, write_v2
from tools.gpu import mosaic_build, mosaic_fit, patches_pack
from tools.gpu.mosaic_patches import Augment, Buffers, Data, batch, drawn, read

# They fit nets, which takes a minute together.
pytestmark = pytest.mark.slow

LABELS = (("Pastures",), ("Inland waters",), ("Pastures", "Arable land"))
PLACES = {
    "Austria": "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP",
    "Serbia": "S2A_MSIL2A_20170613T101031_N9999_R022_T34TCQ",
}
EACH = 4
PICTURES = 5


def patches(country: str, split: str, rows: range) -> list[PatchSpec]:
    return [
        PatchSpec(f"{PLACES[country]}_{3 * k}_0", LABELS[k % 3], split=split, country=country)
        for k in rows
    ]


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("data")
    near = patches("Austria", "train", range(EACH - 2)) + patches(
        "Austria", "validation", range(EACH - 2, EACH)
    )
    hidden = patches("Austria", "test", range(EACH, EACH + 2))
    far = patches("Serbia", "train", range(EACH))
    return write_v2(folder / "root", near + hidden), write_v2(folder / "extra", far)


@pytest.fixture(scope="module")
def packed(roots: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    numbers = np.random.default_rng(0).integers(1, 4000, (12, 64 * PICTURES, 64), dtype=np.uint16)
    with rasterio.open(
        folder / "pictures.tif",
        "w",
        driver="GTiff",
        width=64,
        height=64 * PICTURES,
        count=12,
        dtype="uint16",
    ) as file:
        file.write(numbers)
    teacher = tiny_teacher.write_teacher(folder / "teacher.npz")
    given = (*roots, folder / "pictures.tif", folder / "out", "--teacher", teacher, "--folds", 2)
    assert patches_pack.main([str(one) for one in given]) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def data(packed: Path) -> Data:
    return read(packed, torch.device("cpu"))


def fitted(packed: Path, data: Data, out: Path, plan: str, *folds: str) -> Path:
    given = ("--data", packed, "--plan", plan, "--steps", 1, "--most", 2 * EACH, "--device", "cpu")
    for fold in folds:
        mosaic_fit.run(mosaic_fit.parsed([str(one) for one in (out, *given, "--only", fold)]), data)
    return out


def test_packed_patches_are_those_of_the_data_and_none_is_of_the_test_split(
    data: Data, roots: tuple[Path, Path]
) -> None:
    store = pool([open_dataset("bigearthnet", root) for root in roots]).load()
    assert len(data.rows) == len(store) == 2 * EACH
    assert len(data.unlabelled) == PICTURES
    assert torch.equal(data.targets[: len(store)], store.targets)
    change = data.pixels[0, : len(store)].float() / store.pixels(range(len(store)))
    # Half a step of the logarithm, and half precision.
    assert (change - 1).abs().max() < 0.01
    measured = [BAND_NAMES.index(name) for name in ("B02", "B03", "B04")]
    assert torch.equal(data.pixels[-1][:, measured], data.pixels[0][:, measured])
    assert not torch.equal(data.pixels[-1], data.pixels[0])


def test_a_rectangle_counts_by_its_area() -> None:
    draw = drawn(np.random.default_rng(0), np.arange(8), Augment(paste=1.0), subsets=3)
    area = np.prod(draw["box"][:, 1::2] - draw["box"][:, ::2], axis=1) / 120**2
    assert np.allclose(draw["pasted"], np.minimum(1, 1.6 * area))
    assert (draw["box"] % 6 == 0).all()


def test_the_answers_of_the_teacher_are_turned_and_pasted_as_the_pixels_are(data: Data) -> None:
    # Each 20 m pixel of a band takes the place of an answer.
    band = data.pixels[0, :, [BAND_NAMES.index("B05")]][:, :, ::2, ::2]
    marked = replace(data, taught=Answers(band, band))
    buffers = Buffers(8, torch.device("cpu"))
    how = Augment(paste=1.0, brightness=0.0, band_gain=0.0)
    buffers.fill(drawn(np.random.default_rng(0), np.arange(8), how, subsets=1))
    made = batch(marked, buffers)
    own = made.pixels[:, [BAND_NAMES.index("B05")]][:, :, ::2, ::2]
    assert torch.equal(made.taught().covers, own)
    assert not torch.equal(own, band[:8])


def test_joined_nets_expect_what_other_countries_show(
    packed: Path, data: Data, roots: tuple[Path, Path], tmp_path: Path
) -> None:
    run = fitted(packed, data, tmp_path / "run", "taught", "Austria")
    nets = mosaic_build.read(run, "Austria")["nets"]
    store = open_dataset("bigearthnet", roots[1]).load("train")
    without, knowing = (mosaic_build.join(nets, store, left) for left in (["Austria"], []))
    pixels = store.pixels([0, 1])
    assert without(pixels).isfinite().all()
    assert not torch.equal(without(pixels), knowing(pixels))
    # No fitted patch has the class, so that all have the score of a patch that nobody has seen.
    never = CLASS_NAMES.index("Permanent crops")
    frozen = without.taught[0](pixels)[:, never]
    assert torch.allclose(frozen.double(), mean_bias(["Austria"])[never].expand(2), atol=1e-4)


def test_a_run_becomes_predictions_and_a_model(
    packed: Path, data: Data, roots: tuple[Path, Path], tmp_path: Path
) -> None:
    run = fitted(packed, data, tmp_path / "run", "taught", *PLACES, mosaic_fit.ALL)
    given = (run, *roots, "--folds", 2)
    out = ("--predictions", tmp_path / "out", "--model", tmp_path / "model")
    assert mosaic_build.main([str(one) for one in (*given, *out)]) == 0
    found = out_of_fold.read(tmp_path / "out")
    assert [len(fold) for fold in found.folds] == [EACH, EACH]
    features = out_of_fold.read_features(tmp_path / "out")
    assert [len(one.fitted) for one in features] == [EACH, EACH]
    model = load_model(tmp_path / "model", "cpu")
    assert model.card.training["n"] == 2 * EACH
    assert model.card.explanation_scales


def test_the_mosaic_before_is_predicted_for_the_same_folds(
    packed: Path, data: Data, roots: tuple[Path, Path], tmp_path: Path
) -> None:
    run = fitted(packed, data, tmp_path / "run", "distilled", *PLACES)
    given = [str(one) for one in (run, *roots, "--folds", 2, "--predictions")]
    assert mosaic_build.main([*given, str(tmp_path / "out")]) == 0
    found = out_of_fold.read(tmp_path / "out")
    kept = mosaic_build.read(run, "Austria")
    own = next(fold for fold in found.folds if fold[0].startswith(PLACES["Austria"]))
    parts = [kept["logits"][name][0].float() for name in ("trigrid", "distilled")]
    wanted = mosaic_build.Under(nn.Identity())(0.4 * parts[0] + 0.6 * parts[1])
    assert np.allclose(found.logits_of(own), wanted.numpy(), atol=1e-4)
    assert mosaic_build.main([*given, str(tmp_path / "one"), "--part", "trigrid"]) == 0
    alone = out_of_fold.read(tmp_path / "one").logits_of(own)
    assert np.array_equal(alone, parts[0].numpy())
    with pytest.raises(SystemExit, match="no such part"):
        mosaic_build.main([*given, str(tmp_path / "none"), "--part", "tuned"])
    torch.save({**kept, "rows": kept["rows"][1:]}, mosaic_fit.file_of(run, "Austria"))
    with pytest.raises(SystemExit, match="of other patches"):
        mosaic_build.main([*given, str(tmp_path / "new")])
