"""What labels say of cells."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from landcover.core.classes import CLASS_NAMES
from landcover.train.cover_labels import (
    evened,
    expected_shares,
    label_shares,
    levelled,
    patch_weights,
)

CLASSES = len(CLASS_NAMES)
SEA, URBAN, ARABLE = (
    CLASS_NAMES.index(name) for name in ("Marine waters", "Urban fabric", "Arable land")
)


def labels_of(seed: int, patches: int = 6) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    labels = (torch.rand(patches, CLASSES, generator=random) < 0.2).float()
    labels[torch.arange(patches), torch.randint(CLASSES, (patches,), generator=random)] = 1
    return labels


def test_the_table_has_a_share_of_each_class() -> None:
    shares = label_shares()
    assert shares.shape == (CLASSES,)
    assert 0 < shares.min() < shares.max() <= 1
    # The sea fills what it is in; villages do not.
    assert shares[SEA] > 0.9
    assert shares[URBAN] < 0.2


def test_a_patch_of_one_label_is_full_of_it() -> None:
    labels = torch.eye(CLASSES)
    assert torch.equal(expected_shares(labels), labels)


def test_a_village_takes_less_of_a_patch_than_its_fields() -> None:
    labels = torch.zeros(1, CLASSES)
    labels[0, [URBAN, ARABLE]] = 1
    found = expected_shares(labels)[0]
    assert found.sum() == pytest.approx(1)
    assert 0.2 < found[URBAN] < found[ARABLE]


def test_known_water_takes_its_share_from_other_classes_alone() -> None:
    labels = torch.zeros(3, CLASSES)
    labels[0, [URBAN, ARABLE, SEA]] = 1
    labels[1, SEA] = 1
    labels[2, [URBAN, ARABLE]] = 1
    usual, found = expected_shares(labels), expected_shares(labels, torch.tensor([0.9, 0.2, 0.4]))
    assert found[0, SEA] == pytest.approx(0.9)
    assert found[0].sum() == pytest.approx(1)
    assert found[0, URBAN] / found[0, ARABLE] == pytest.approx(usual[0, URBAN] / usual[0, ARABLE])
    assert torch.equal(found[1:], usual[1:])


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_cells_get_labels_of_their_patch_in_plausible_areas(seed: int, trust: float) -> None:
    labels = labels_of(seed)
    random = torch.Generator().manual_seed(seed)
    chances = torch.rand(6, CLASSES, 4, 5, generator=random)
    found = evened(chances, labels, expected_shares(labels), trust, rounds=50)
    assert found.sum(dim=1) == pytest.approx(torch.ones(6, 4, 5), abs=1e-4)
    assert (found * (1 - labels)[:, :, None, None]).abs().max() == 0
    own = chances * labels[:, :, None, None]
    own = (own / own.sum(dim=1, keepdim=True)).mean(dim=(2, 3))
    wanted = (1 - trust) * own + trust * expected_shares(labels)
    assert found.mean(dim=(2, 3)) == pytest.approx(wanted, abs=0.02)


def test_cells_keep_their_order() -> None:
    labels = torch.zeros(1, CLASSES)
    labels[0, [URBAN, ARABLE]] = 1
    chances = torch.full((1, CLASSES, 1, 10), 0.1)
    chances[0, URBAN, 0] = torch.linspace(0.01, 0.9, 10)
    found = evened(chances, labels, expected_shares(labels), 0.5)[0, URBAN, 0]
    assert (found.diff() > 0).all()


def test_weights_bring_labels_nearer_to_those_of_all_countries() -> None:
    labels = torch.zeros(100, CLASSES)
    labels[:80, SEA] = 1
    labels[80:, ARABLE] = 1
    weights = patch_weights(labels)
    assert weights.mean() == pytest.approx(1)
    assert weights[0] < 0.8
    assert weights[80] > 1.5
    assert weights.max() / weights.min() <= 16.1


def test_covers_that_are_never_certain_get_their_area() -> None:
    random = torch.Generator().manual_seed(0)
    chances = torch.full((20, 8, 10, 10), 0.01)
    chances[:, 1] = 0.5 + 0.4 * torch.rand(20, 10, 10, generator=random)
    chances[:, 3] = 0.94 - chances[:, 1]
    assert (chances.argmax(dim=1) == 3).sum() == 0
    shift = levelled(chances, chances, torch.ones(20))
    assert shift.abs().max() <= 1
    mapped = (chances.log() + shift.view(1, -1, 1, 1)).argmax(dim=1)
    assert (mapped == 3).float().mean() == pytest.approx(0.24, abs=0.05)
