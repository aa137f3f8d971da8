"""Test the choice of the next window to correct."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from landcover import nets
from landcover.adapt.corrections import pixels_sha256
from landcover.adapt.suggestion import choose, next_to_correct
from landcover.core.errors import BadInput
from landcover.core.progress import Progress
from tests.support import tiny


def test_the_least_similar_window_comes_first() -> None:
    """Three groups of windows: after one of each, any may come."""
    random = np.random.default_rng(0)
    group = np.arange(30) % 3
    features = torch.from_numpy(5 * np.eye(3)[group] + 0.1 * random.normal(size=(30, 3))).float()
    scores = torch.zeros(30, 2)
    corrected = np.zeros(30, dtype=bool)
    corrected[group == 0] = True
    chosen = next_to_correct(features, scores, corrected, 2)
    assert sorted(group[chosen]) == [1, 2]
    assert corrected.sum() == 10


def test_without_corrections_it_begins_somewhere_and_ends_when_none_is_left() -> None:
    random = np.random.default_rng(1)
    features = torch.from_numpy(random.normal(size=(6, 4))).float()
    chosen = next_to_correct(features, torch.zeros(6, 2), np.zeros(6, dtype=bool), 10)
    assert sorted(chosen) == list(range(6))
    assert next_to_correct(features, torch.zeros(6, 2), np.ones(6, dtype=bool)) == []


def test_windows_that_are_corrected_are_not_chosen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    windows, reports = [tiny.random_patch(seed) for seed in range(4)], list[Progress]()
    corrected = {pixels_sha256(windows[2])}
    chosen = choose(tiny.tiny_model(), windows, corrected, 9, reports.append, total=4)
    assert sorted(chosen) == [0, 1, 3]
    assert (reports[-1].done, reports[-1].total) == (4, 4)
    with pytest.raises(BadInput):
        choose(tiny.tiny_model(), [], corrected, 1)
