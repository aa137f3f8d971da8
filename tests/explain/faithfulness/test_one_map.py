"""One map compared with chance: a map of what the net uses passes, a random one does not."""

from __future__ import annotations

from dataclasses import replace
from threading import Event

import numpy as np
import pytest
import torch
from torch import nn

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import Cancelled
from landcover.core.raster import Raster
from landcover.explain import explanation
from landcover.explain.explanation import Explanation
from landcover.explain.faithfulness.one_map import ROUNDS, check_map
from landcover.models.model import Model
from tests.support import tiny


class CornerNet(nn.Module):
    """Scores every class by the near infrared of the north-western quarter alone."""

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        height, width = pixels.shape[2] // 2, pixels.shape[3] // 2
        corner = pixels[:, 7, :height, :width].mean(dim=(1, 2))
        return self.strength * corner[:, None].repeat(1, len(CLASS_NAMES))


def model_of(strength: float) -> Model:
    return Model(tiny.tiny_model().card, CornerNet(strength), torch.device("cpu"))


@pytest.fixture
def model() -> Model:
    return model_of(20.0)


@pytest.fixture
def patch() -> Raster:
    patch = tiny.random_patch()
    data = patch.data.copy()
    data[7, :60, :60] += 0.3
    return replace(patch, data=data)


def a_map(patch: Raster, values: np.ndarray) -> Explanation:
    found = explanation.explain(tiny.tiny_model(), patch, "Arable land", "occlusion")
    return replace(found, attribution=values.astype(np.float32))


def test_a_map_of_what_the_net_uses_beats_chance(model: Model, patch: Raster) -> None:
    values = np.zeros((120, 120))
    values[:60, :60] = 1
    found = check_map(model, patch, a_map(patch, values))
    assert found.beats_chance
    assert found.gain > found.chance[-1]
    assert len(found.chance) == 2 * ROUNDS
    assert list(found.chance) == sorted(found.chance)
    assert found.sentence.startswith("On this patch the marked places matter more than random")


def test_a_map_of_other_places_does_not(model: Model, patch: Raster) -> None:
    values = np.zeros((120, 120))
    values[60:, 60:] = 1
    found = check_map(model, patch, a_map(patch, values))
    assert not found.beats_chance
    assert "matter no more than random ones" in found.sentence


def test_a_net_that_does_not_react_cannot_be_checked(patch: Raster) -> None:
    found = check_map(model_of(0.0), patch, a_map(patch, np.ones((120, 120))))
    assert found.change == 0
    assert not found.beats_chance
    assert "cannot be checked" in found.sentence


def test_it_stops_when_cancelled(model: Model, patch: Raster) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        check_map(model, patch, a_map(patch, np.ones((120, 120))), cancel=stop)


def test_the_same_seed_gives_the_same_result(model: Model, patch: Raster) -> None:
    values = np.random.default_rng(0).random((120, 120))
    first, second = (check_map(model, patch, a_map(patch, values)) for _ in range(2))
    assert first == second
