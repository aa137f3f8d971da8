"""Learning a teacher's answers for each pixel, beside labels or without."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput
from landcover.train import dynamic_world, loop
from landcover.train.answer_cache import AnswerCache
from landcover.train.augment import Augmentation
from landcover.train.configuration import TrainConfig
from landcover.train.dynamic_world import COVERS, FEATURES, DynamicWorld
from landcover.train.loading import Loader
from landcover.train.loop import train
from landcover.train.teaching import FEATURE_WEIGHT, GRID, Answers, answers, distance
from tests.support.tiny_teacher import write_teacher
from tests.train.test_loop import store

SMALL = TrainConfig(
    net="taught",
    net_options={"stem": 4, "widths": [6, 6, 6], "blocks": [1, 1, 1]},
    epochs=2,
    batch=3,
    teach=1.0,
    labels=0.0,
    augmentation=Augmentation(paste=0.5, few_bands=0.5),
    precision="float32",
    device="cpu",
)


@pytest.fixture
def teacher(tmp_path: Path) -> DynamicWorld:
    return dynamic_world.load(write_teacher(tmp_path / "t.npz"))


def test_the_distance_is_zero_from_the_same_answers_and_grows(teacher: DynamicWorld) -> None:
    wanted = answers(teacher, torch.rand(2, len(BAND_NAMES), 12, 12))
    assert wanted.covers.shape == (2, len(COVERS), 6, 6)
    assert torch.allclose(wanted.covers.sum(dim=1), torch.ones(2, 6, 6), atol=1e-5)
    assert torch.allclose(wanted.features.norm(dim=1), torch.ones(2, 6, 6), atol=1e-5)
    assert float(distance(wanted.covers.log(), 12 * wanted.features, wanted)) == pytest.approx(
        0, abs=1e-5
    )
    turned = distance(wanted.covers.log(), -wanted.features, wanted)
    assert float(turned) == pytest.approx(2 * FEATURE_WEIGHT, abs=1e-4)
    even = distance(torch.zeros_like(wanted.covers), wanted.features, wanted)
    uniform = torch.full_like(wanted.covers, 1 / len(COVERS))
    divergence = F.kl_div(uniform.log(), wanted.covers, reduction="none").sum(dim=1).mean()
    assert float(even) == pytest.approx(float(divergence), abs=1e-4)


@pytest.mark.slow
def test_the_net_comes_closer_to_the_teacher(teacher: DynamicWorld, tmp_path: Path) -> None:
    config = replace(
        SMALL, epochs=8, learning_rate=1e-2, ema=0.0, augmentation=Augmentation(few_bands=0.3)
    )
    result = train(config, store(6), None, tmp_path / "run", teacher=teacher)
    losses = [epoch.train_loss for epoch in result.history]
    assert losses[-1] < 0.8 * losses[0]


def test_labels_count_as_weighted(teacher: DynamicWorld) -> None:
    batch = next(loop.Run(SMALL, store(6), None, teacher).loader.batches())

    def loss(labels: float, teach: float) -> float:
        config = replace(SMALL, labels=labels, teach=teach)
        run = loop.Run(config, store(6), None, teacher)
        return run.objective.loss(run.state.net.eval(), batch).item()

    alone, taught = loss(1, 1e-9), loss(0, 1)
    assert loss(0.5, 2) == pytest.approx(0.5 * alone + 2 * taught, rel=1e-4)


def test_without_labels_the_head_does_not_change(teacher: DynamicWorld, tmp_path: Path) -> None:
    begun = loop.Run(SMALL, store(6), None, teacher).state.net.state_dict()
    result = train(SMALL, store(6), None, tmp_path / "run", teacher=teacher)
    assert torch.equal(result.state["head.weight"], begun["head.weight"])
    assert not torch.equal(result.state["trunk.covers.weight"], begun["trunk.covers.weight"])


def test_the_teacher_sees_every_measured_band_in_its_own_light(teacher: DynamicWorld) -> None:
    config = replace(SMALL, augmentation=Augmentation(symmetries=False, few_bands=1.0))
    patches = store(6)
    run = loop.Run(config, patches, None, teacher)
    batch = next(run.loader.batches())
    assert batch.answers is not None
    pixels = patches.pixels(range(len(patches)))
    known = AnswerCache(teacher, None).of(pixels)
    for seen, all_of_them in zip(batch.answers, known, strict=True):
        assert all(any(torch.equal(one, each) for each in all_of_them) for one in seen)
    away = torch.cdist(batch.pixels.flatten(1), pixels.flatten(1))
    assert float(away.min()) > 1
    plain = Loader(patches, replace(config, teach=0.0, labels=1.0), run.loader.generator,
                   run.group, run.device)  # fmt: skip
    assert next(plain.batches()).answers is None


def test_answers_of_blended_patches_keep_their_direction_only(teacher: DynamicWorld) -> None:
    known = AnswerCache(teacher, None).of(torch.rand(3, len(BAND_NAMES), 24, 24))
    how = Augmentation(symmetries=False, blend=1.0)
    arrangement = how.drawn(3, 24, torch.Generator().manual_seed(0))
    blended = known.map(lambda each: arrangement.of(each, pixel=GRID))
    assert torch.allclose(blended.covers.sum(dim=1), torch.ones(3, 12, 12).half(), atol=5e-3)
    equal = distance(blended.covers.float().log(), 7 * blended.features, blended)
    assert float(equal) == pytest.approx(0, abs=1e-3)


def test_an_interrupted_pre_training_resumes_exactly(teacher: DynamicWorld, tmp_path: Path) -> None:
    whole = train(SMALL, store(6), None, tmp_path / "whole", teacher=teacher)

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(SMALL, store(6), None, tmp_path / "cut", stop, teacher=teacher)
    resumed = train(SMALL, store(6), None, tmp_path / "cut", teacher=teacher)
    assert all(torch.equal(value, resumed.state[name]) for name, value in whole.state.items())


@pytest.mark.parametrize("teach", [0.0, 0.5])
def test_weight_without_teacher_and_teacher_without_weight_are_refused(
    teacher: DynamicWorld, tmp_path: Path, teach: float
) -> None:
    given = teacher if teach == 0 else None
    config = replace(SMALL, teach=teach, labels=1.0)
    with pytest.raises(BadInput, match="set teach to 0"):
        train(config, store(), None, tmp_path, teacher=given)


def test_a_net_that_predicts_no_answers_is_refused(teacher: DynamicWorld, tmp_path: Path) -> None:
    config = replace(SMALL, net="spectral-lite0", net_options={})
    with pytest.raises(BadInput, match="set net to 'taught'"):
        train(config, store(), None, tmp_path, teacher=teacher)


@pytest.mark.parametrize(
    ("labels", "teach", "match"),
    [(-1.0, 1.0, "at least 0"), (1.0, -0.1, "at least 0"), (0.0, 0.0, "must be above 0")],
)
def test_weights_out_of_range_are_refused(labels: float, teach: float, match: str) -> None:
    with pytest.raises(BadInput, match=match):
        TrainConfig(labels=labels, teach=teach)


def test_labels_do_not_hold_for_parts_of_patches() -> None:
    crops = Augmentation(crop=72)
    with pytest.raises(BadInput, match="crop needs labels at 0"):
        TrainConfig(augmentation=crops)
    assert replace(SMALL, augmentation=crops).augmentation.crop == 72


def test_a_net_learns_from_parts_of_patches(teacher: DynamicWorld, tmp_path: Path) -> None:
    config = replace(SMALL, augmentation=replace(SMALL.augmentation, crop=24))
    batch = next(loop.Run(config, store(6), None, teacher).loader.batches())
    assert batch.answers is not None
    assert batch.pixels.shape[2:] == (24, 24)
    assert batch.answers.features.shape[1:] == (FEATURES, 12, 12)
    result = train(config, store(6), None, tmp_path, teacher=teacher)
    assert all(epoch.train_loss < 20 for epoch in result.history)


def test_answers_are_plain_tensors_without_gradients(teacher: DynamicWorld) -> None:
    pixels = torch.rand(1, len(BAND_NAMES), 12, 12, requires_grad=True)
    found = answers(teacher, pixels)
    assert isinstance(found, Answers)
    assert found.features.shape[1] == FEATURES
    assert not found.covers.requires_grad
