"""A logistic regression on a trunk that stays as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from landcover.nets.taught import TaughtNet
from landcover.train.class_frequencies import fitted_bias
from landcover.train.frozen_head import fit_head, statistics
from tests.train.test_loop import store

SMALL: dict[str, Any] = {"stem": 4, "widths": [6, 6, 6], "blocks": [1, 1, 1]}
CPU = torch.device("cpu")


def net() -> TaughtNet:
    torch.manual_seed(0)
    made = TaughtNet(**SMALL)
    patches = store()
    made.initialise(patches.pixels(range(8)), patches.targets)
    return made.eval()


def test_the_head_tells_classes_apart_and_the_trunk_stays() -> None:
    own, patches = net(), store(48)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    fit_head(own, patches, freedom=0.1, device=CPU)
    after = own.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"norm.running_mean", "norm.running_var", "head.weight", "head.bias"}
    fresh = store(24, seed=1)
    with torch.inference_mode():
        scores = own(fresh.pixels(range(24)))[:, :3]
    assert float(((scores > 0) == (fresh.targets[:, :3] > 0)).float().mean()) > 0.9


def test_statistics_are_standardised_and_clipped_by_the_net() -> None:
    own, patches = net(), store(16)
    raw = statistics(own, patches, CPU)
    fit_head(own, patches, freedom=0.1, device=CPU)
    with torch.inference_mode():
        features = own.read(patches.pixels(range(16))).features
    spread = (raw.std(dim=0, correction=0) + 1e-5).square()
    wanted = (raw - raw.mean(dim=0)) / spread.clamp(min=own.norm.eps).sqrt()
    assert own.clip is not None
    assert torch.allclose(features.double(), wanted.clamp(-own.clip, own.clip), atol=2e-2)


def test_a_class_that_all_or_no_patches_have_gets_one_score() -> None:
    patches = store(16)
    patches.targets[:, 5] = 1
    own = net()
    fit_head(own, patches, freedom=0.1, device=CPU)
    for row in (5, 18):
        assert not own.head.weight[row].any()
        assert own.head.bias[row].item() == pytest.approx(
            float(fitted_bias(patches.targets)[row]), abs=1e-5
        )
    assert np.isfinite(own.head.weight.detach().numpy()).all()
