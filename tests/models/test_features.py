"""Features are the inputs of the last layer, also when threads share the net."""

from __future__ import annotations

import copy
import threading

import pytest
import torch
from torch import Tensor, nn

from landcover.core.errors import ModelMismatch
from landcover.io import samples
from landcover.models import features, registry
from landcover.models.model import Model
from tests.support import tiny
from tests.support.examples import sampled

EXPLAINABLE = [
    name
    for name in registry.default().names()
    if registry.default().card(name).explainable and name in registry.default().for_patches()
]


def pixels_of(model: Model, count: int = 2) -> Tensor:
    return torch.stack([model.tensor(samples.read_sample(name)) for name in samples.NAMES[:count]])


def heads_of(model: Model) -> list[nn.Linear]:
    found = [m for m in model.net.modules() if isinstance(m, nn.Linear)]
    return [head for head in found if head.out_features == len(model.card.classes)]


@pytest.mark.parametrize("name", sampled(EXPLAINABLE, ["landcover-cnn"]))
def test_the_pass_gives_the_scores_of_the_net(name: str) -> None:
    model = registry.default().load(name)
    pixels = pixels_of(model)
    found, scores = features.features_and_scores(model, pixels)
    with torch.no_grad():
        torch.testing.assert_close(scores, model.scores(pixels), rtol=1e-4, atol=1e-4)
    assert found.dtype == torch.float32
    assert not found.requires_grad
    assert found.isfinite().all()
    assert not torch.allclose(found[0], found[1], atol=0.1)


@pytest.mark.parametrize("name", ["landcover-cnn", "resnet", "efficientnet-lite0"])
def test_the_last_layers_compute_the_logits_from_the_features(name: str) -> None:
    """The features are complete: the last layers need nothing else."""
    model = tiny.load(name)
    found, scores = features.features_and_scores(model, pixels_of(model))
    parts = found.split([head.in_features for head in heads_of(model)], dim=1)
    with torch.no_grad():
        logits = [head(part) for head, part in zip(heads_of(model), parts, strict=True)]
    torch.testing.assert_close(torch.stack(logits).mean(dim=0), scores, rtol=1e-3, atol=1e-3)


def test_the_features_of_a_mosaic_are_those_of_all_its_parts() -> None:
    model = registry.default().load("landcover-mosaic")
    found = features.features(model, pixels_of(model))
    assert found.shape[1] == sum(head.in_features for head in heads_of(model))
    for part in found.split([head.in_features for head in heads_of(model)], dim=1):
        assert not torch.allclose(part[0], part[1], atol=0.1)


def test_features_do_not_depend_on_the_batch() -> None:
    model = registry.default().load("landcover-cnn")
    pixels = pixels_of(model, 3).repeat(4, 1, 1, 1)
    assert len(pixels) > features.BATCH_SIZE
    together = features.features(model, pixels)
    alone = torch.cat([features.features(model, pixels[k : k + 1]) for k in range(3)])
    torch.testing.assert_close(together, alone.repeat(4, 1), rtol=1e-3, atol=1e-3)


def test_an_empty_batch_gives_empty_features() -> None:
    found, scores = features.features_and_scores(tiny.tiny_model(), torch.empty(0, 12, 120, 120))
    assert found.shape == (0, 8)
    assert scores.shape == (0, 19)


def test_features_depend_on_the_weights_and_do_not_change_them() -> None:
    model = tiny.tiny_model()
    before = copy.deepcopy(model.net.state_dict())
    first = features.features(model, model.tensor(tiny.random_patch())[None])
    assert all(torch.equal(before[k], v) for k, v in model.net.state_dict().items())
    with torch.no_grad():
        model.net.get_parameter("conv.weight").mul_(2.0)
    second = features.features(model, model.tensor(tiny.random_patch())[None])
    assert not torch.allclose(first, second)


def test_threads_can_share_a_model() -> None:
    model = tiny.tiny_model()
    many = [model.tensor(tiny.random_patch(seed))[None] for seed in range(4)]
    expected = [features.features(model, pixels) for pixels in many]
    wrong: list[int] = []

    def look(which: int) -> None:
        found = [features.features(model, many[which]) for _ in range(20)]
        wrong.extend(which for one in found if not torch.equal(one, expected[which]))

    threads = [threading.Thread(target=look, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_forest_has_no_features() -> None:
    model = registry.default().load("band-statistics")
    with pytest.raises(
        ModelMismatch, match=r"computes no features of a patch: choose a neural network"
    ):
        features.features(model, pixels_of(model))
