"""The heads that are compared for adaptation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from landcover.adapt.head import Examples
from landcover.metrics.scores import average_precision
from tools.research.teach_heads import HEADS


def examples(seed: int, count: int) -> Examples:
    random = np.random.default_rng(seed)
    truth = random.random((count, 3)) < (0.5, 0.1, 0.8)
    features = random.normal(size=(count, 5)) + 2.0 * truth[:, :1]
    return Examples(
        features=torch.from_numpy(features).float(),
        scores=torch.from_numpy(random.normal(size=truth.shape)).float(),
        truth=truth,
        known=np.ones_like(truth),
        places=np.arange(count),
    )


@pytest.mark.parametrize("name", HEADS)
def test_every_head_learns_what_is_frequent(name: str) -> None:
    given, rest = examples(0, 40), examples(1, 200)
    before = average_precision(rest.truth.ravel(), rest.scores.numpy().ravel())
    assert average_precision(rest.truth.ravel(), HEADS[name](given, rest).ravel()) > before


@pytest.mark.parametrize("name", HEADS)
def test_without_evidence_every_head_keeps_the_answer(name: str) -> None:
    given, rest = examples(0, 5), examples(1, 20)
    unknown = Examples(**{**vars(given), "known": np.zeros_like(given.known)})
    assert HEADS[name](unknown, rest) == pytest.approx(rest.scores.numpy(), abs=1e-6)
