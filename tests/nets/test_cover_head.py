"""The cover of a cell: exclusive, of the cell and its neighbours, and the same in any area."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from landcover.core.classes import CLASS_NAMES
from landcover.core.covers import COVER_NAMES, COVERS, cover_of
from landcover.core.errors import ModelMismatch
from landcover.nets.adapted import Adapted
from landcover.nets.cover_head import CoverHead, WaterMap, area_cells, area_net
from landcover.nets.mosaic import Mosaic
from landcover.nets.taught import TaughtNet

SMALL = {"stem": 4, "widths": (4, 4, 4), "blocks": (1, 1, 1), "covers": 9, "features": 4}


def head(channels: int = 10, sides: tuple[int, ...] = (1, 3, 7)) -> CoverHead:
    torch.manual_seed(0)
    made = CoverHead(channels, sides=sides)
    for name in ("weight", "bias", "mean"):
        getattr(made, name).copy_(torch.randn_like(getattr(made, name)))
    return made


def test_each_class_is_in_one_cover() -> None:
    names = [name for cover in COVERS for name in cover.classes]
    assert sorted(names) == sorted(CLASS_NAMES)
    assert all(CLASS_NAMES[k] in COVERS[number].classes for k, number in enumerate(cover_of()))
    assert len(set(COVER_NAMES)) == len({cover.rgb for cover in COVERS}) == len(COVERS)


def test_covers_exclude_each_other() -> None:
    found = head()(torch.randn(2, 10, 9, 12))
    assert found.shape == (2, len(COVER_NAMES), 9, 12)
    assert found.min() >= 0
    assert found.sum(dim=1) == pytest.approx(torch.ones(2, 9, 12), abs=1e-5)


def test_the_input_stays_as_it_is() -> None:
    cells = torch.randn(1, 10, 5, 5)
    before = cells.clone()
    head()(cells)
    assert torch.equal(cells, before)


def test_a_cell_depends_on_cells_within_reach_alone() -> None:
    made = head()
    assert made.reach == 3
    cells = torch.randn(1, 10, 21, 21)
    other = cells.clone()
    other[:, :, 10, 10] += 3.0
    moved = (made(cells) - made(other)).abs().amax(dim=1)[0] > 1e-6
    rows, columns = torch.nonzero(moved, as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (7, 13, 7, 13)


def test_a_block_with_its_surroundings_gets_the_answers_of_the_area() -> None:
    made, cells = head(), torch.randn(1, 10, 30, 30)
    own = made(cells[:, :, 7:23, 7:23])[:, :, 3:-3, 3:-3]
    assert own == pytest.approx(made(cells)[:, :, 10:20, 10:20], abs=1e-5)


def test_sides_and_channels_are_checked() -> None:
    with pytest.raises(ValueError, match="odd"):
        CoverHead(10, sides=(2,))
    with pytest.raises(ValueError, match="odd"):
        CoverHead(10, sides=(99,))
    with pytest.raises(ValueError, match="even"):
        CoverHead(11)
    with pytest.raises(ValueError, match="among the means"):
        CoverHead(10, water=WaterMap(5, 1.0))
    with pytest.raises(ValueError, match="not below 0"):
        CoverHead(10, water=WaterMap(4, -1.0))


def test_a_map_of_water_decides_where_statistics_say_nothing() -> None:
    made = CoverHead(10, water=WaterMap(2, 3.0))
    cells = torch.zeros(1, 10, 1, 4)
    cells[0, 2, 0] = torch.tensor([0.0, 0.1, 0.9, 1.0])
    water = made(cells)[0, COVER_NAMES.index("Water"), 0]
    assert (water.diff() > 0).all()
    assert water[1] < 0.01
    assert water[2] > 0.9


def test_water_is_told_from_the_cell_alone() -> None:
    made = CoverHead(2, sides=(3,))
    made.weight[17:, 0] = 1.0  # the first statistic makes both classes of water likely
    made.weight[0, 0] = 1.0  # and built-up land
    cells = torch.zeros(1, 2, 5, 5)
    cells[0, :, 2, 2] = torch.tensor([2.0, 4.0])
    logits = made.class_logits(cells)[0]
    assert logits[18, 2, 2] > 1.9
    assert logits[18, 2, 3] == pytest.approx(0)
    assert logits[0, 2, 3] == pytest.approx(logits[18, 2, 2] / 9)


def test_the_cells_of_a_mosaic_are_those_of_its_first_taught_net() -> None:
    torch.manual_seed(0)
    mosaic = Mosaic(taught=[SMALL, SMALL], shares=[1, 1]).eval()
    pixels = torch.rand(1, 12, 48, 72)
    own = mosaic.taught[0]
    assert isinstance(own, TaughtNet)
    adapted = Adapted(mosaic, features=4, classes=19)
    with torch.inference_mode():
        expected = own.cells(own.bands(pixels))
        for net in (mosaic, own, adapted):
            assert area_net(net) is own
            assert torch.equal(area_cells(net, pixels), expected)
    assert expected.shape == (1, 2 * (4 + 4 + 4 + 9 + 4), 6, 9)
    with pytest.raises(ModelMismatch, match="no cells"):
        area_net(nn.Identity())
