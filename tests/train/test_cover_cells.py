"""The cells of patches are those of the net, whoever asks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from landcover import nets
from landcover.core.errors import BadInput, ModelMismatch
from landcover.datasets.arrays import NativeStore
from landcover.nets.cover_head import area_cells
from landcover.train import cover_cells
from landcover.train.cover_cells import INDEX
from landcover.train.dynamic_world import COVERS
from tests.support import tiny

OPTIONS = {"stem": 4, "widths": [4, 4, 4], "blocks": [1, 1, 1], "features": 5}


def store(patches: int = 10) -> NativeStore:
    random = np.random.default_rng(0)
    sides = (4, 120), (6, 60), (2, 20)
    grids = [
        random.integers(100, 4_000, (patches, n, side, side), dtype=np.uint16) for n, side in sides
    ]
    grids[0][0, :, :, :] = 200  # dark in all bands: water
    grids[1][0] = 200
    return NativeStore(
        g10=grids[0],
        g20=grids[1],
        g60=grids[2],
        targets=torch.eye(19)[:patches],
        ids=tuple(f"patch-{k}" for k in range(patches)),
        countries=("Finland",) * patches,
    )


def test_cells_and_the_teachers_covers_are_those_of_the_net() -> None:
    torch.manual_seed(0)
    net = nets.build("taught", **OPTIONS).eval()
    patches = store()
    found = cover_cells.gather(net, patches)
    assert len(found) == 10
    with torch.inference_mode():
        expected = area_cells(net, patches.pixels([3]))[0]
    assert found.moments[3].float() == pytest.approx(expected, rel=2e-3, abs=2e-3)
    assert found.first == 12
    covers = found.covers(torch.arange(10))
    assert covers is not None
    own = found.moments[:, 12 : 12 + len(COVERS)].float()
    assert own.sum(dim=1) == pytest.approx(torch.ones(10, 15, 15), abs=5e-3)
    wet = COVERS.index("water")
    mixed = (1 - INDEX) * own[:, wet] + INDEX * found.water
    assert covers[:, wet] == pytest.approx(mixed, abs=1e-5)
    others = [k for k in range(len(COVERS)) if k != wet]
    assert torch.equal(covers[:, others], own[:, others])
    assert found.water[0].min() == 1
    assert found.water[1].mean() < 0.1


def test_a_net_that_no_teacher_taught_has_no_covers() -> None:
    net = nets.build("taught", **{**OPTIONS, "covers": 3}).eval()
    found = cover_cells.gather(net, store(2))
    assert found.first is None
    assert found.covers(torch.arange(2)) is None


def test_nets_without_cells_and_too_many_patches_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ModelMismatch, match="no cells"):
        cover_cells.gather(tiny.TinyNet(), store(1))
    monkeypatch.setattr(cover_cells, "MOST_PATCHES", 1)
    with pytest.raises(BadInput, match="at most 1 "):
        cover_cells.gather(nets.build("taught", **OPTIONS), store(2))
