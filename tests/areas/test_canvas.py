"""The layers of a map while blocks arrive, and what they say about a place."""

from __future__ import annotations

import numpy as np
import pytest

from landcover.areas import sky
from landcover.areas.canvas import Canvas
from landcover.areas.layout import NODATA, UNIT
from landcover.areas.plan import plan
from landcover.core.bands import PATCH_PIXELS
from landcover.core.errors import BadInput
from tests.support.area_maps import CLASSES, COVERS, block_map, canvas, raster_of, window


def test_blocks_arrive_in_any_order() -> None:
    made = plan(window(480, 240), step=24, block=240)
    ordered, other = (Canvas(made, CLASSES, COVERS) for _ in range(2))
    for into, indices in ((ordered, made.indices), (other, made.indices[::-1])):
        for index in indices:
            block = made.block_at(index)
            into.put(block, block_map(made, block), raster_of(block))
    assert other.done == {(0, 0), (0, 1)}
    for name in ("presence", "cover", "decision", "picture"):
        assert np.array_equal(getattr(ordered, name), getattr(other, name))
    assert (ordered.decision > 0).all()
    assert (ordered.picture[3] == 255).all()


def test_before_a_block_arrives_there_is_no_answer() -> None:
    empty = Canvas(plan(window(480, 240), step=24), CLASSES, COVERS)
    assert not empty.decision.any()
    assert not empty.picture.any()
    assert (empty.confidence == NODATA).all()
    facts = empty.facts_at(*empty.plan.window.centre)
    assert facts.presence is None
    assert facts.cover is None
    assert facts.window_flag == facts.cell_flag == NODATA
    assert facts.decided is None


def test_a_large_area_has_a_picture_of_bounded_size() -> None:
    made = plan(window(4800, 2400), step=24)
    large = Canvas(made, CLASSES, COVERS)
    assert large.picture_step == 4
    assert large.picture.shape == (4, 600, 1200)
    block = made.block_at((1, 3))
    large.put(block, block_map(made, block), raster_of(block))
    assert large.picture[3, 300:, 900:].all()
    assert not large.picture[3, :300].any()


def test_covers_and_unsure_cells_are_filtered() -> None:
    one = canvas()
    assert set(np.unique(one.shown(frozenset(COVERS), 0.0))) == {1, 2}
    assert set(np.unique(one.shown({COVERS[1]}, 0.0))) == {0, 2}
    # The first half is 0.6 sure, the second one 0.9.
    assert set(np.unique(one.shown(frozenset(COVERS), 0.7))) == {0, 2}
    assert not one.shown(frozenset(COVERS), 0.95).any()
    assert not one.shown(frozenset(), 0.0).any()


def test_a_place_has_its_window_and_its_cell() -> None:
    one = canvas()
    place = one.plan.window.part(100, 200, 1, 1).centre
    facts = one.facts_at(*place)
    assert facts.cell.covers(*place)
    assert facts.window.covers(*place)
    assert facts.window.height == PATCH_PIXELS
    middle = np.array(facts.window.pixel_of(*place))
    assert np.abs(middle - PATCH_PIXELS / 2).max() <= one.plan.step / 2 + 4
    assert facts.presence is not None
    assert facts.cover is not None
    assert list(facts.presence) == list(CLASSES)
    assert facts.decided == COVERS[0]
    assert facts.confidence == pytest.approx(0.6, abs=UNIT)
    assert facts.cell_flag == facts.window_flag == sky.CLEAR
    assert facts.cell_valid == 1.0


def test_a_hidden_cell_says_what_hides_it() -> None:
    one = canvas(cloudy=True)
    facts = one.facts_at(*one.plan.window.part(4, 4, 1, 1).centre)
    assert facts.cell_flag == facts.window_flag == sky.CLOUD
    assert facts.cover is None
    assert facts.presence is None
    assert facts.decided is None


@pytest.mark.parametrize("place", [(0.0, 0.0), (89.0, 120.0)])
def test_a_place_beside_the_map_is_refused(place: tuple[float, float]) -> None:
    with pytest.raises(BadInput, match="not on the map"):
        canvas().facts_at(*place)
