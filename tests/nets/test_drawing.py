"""Places and sizes of the blocks of a net in a drawing, compared with numbers by hand."""

from __future__ import annotations

import math
from functools import cache

import pytest
from torch import Tensor, nn

from landcover.models import registry
from landcover.models.structure import structure
from landcover.nets.anatomy import INPUT, Anatomy, anatomy_of
from landcover.nets.drawing import Drawing, drawing_of
from landcover.train.recipes import structures
from tests.nets.test_anatomy import ESTIMATED, PATCH, built

SHIPPED = registry.default().shipped_names()


@cache
def found(name: str) -> Anatomy:
    if name in SHIPPED:
        return structure(registry.default().card(name))
    return structures.structure(name)


def places(drawing: Drawing) -> dict[str, tuple[int, int]]:
    return {box.name: (box.column, box.lane) for box in drawing.boxes}


@pytest.mark.parametrize("name", sorted({*SHIPPED, *structures.names()}))
def test_no_block_or_line_of_any_model_lies_on_another(name: str) -> None:
    drawing = drawing_of(found(name))
    place = places(drawing)
    assert len(set(place.values())) == len(drawing.boxes)
    for line in drawing.lines:
        (first, own), (last, _) = place[line.source], place[line.target]
        assert first < last
        passed = {(column, line.lane) for column in range(first + 1, last)}
        assert not passed & set(place.values())
        assert line.lane == own or last > first + 1
    for box in drawing.boxes:
        assert 0 < box.height <= 1
        assert 0 < box.width <= 1
        assert box.label
        assert box.height <= drawing.lanes[box.lane]
        assert box.column < drawing.columns
    assert {line.target for line in drawing.lines} == {box.name for box in drawing.boxes} - {INPUT}
    assert sum(box.share for box in drawing.boxes) == pytest.approx(1) or name in {
        "band-statistics", "class-prior",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted({*SHIPPED, *structures.names()}))
def test_lines_beside_each_other_come_from_one_block(name: str) -> None:
    """Where two lines run in one lane and column, both lead from the same block."""
    drawing = drawing_of(found(name))
    place = places(drawing)
    sources: dict[tuple[int, int], set[str]] = {}
    for line in drawing.lines:
        for column in range(place[line.source][0] + 1, place[line.target][0]):
            sources.setdefault((column, line.lane), set()).add(line.source)
    assert all(len(each) == 1 for each in sources.values())


def test_sizes_and_shares_are_those_computed_by_hand() -> None:
    anatomy = found("landcover-cnn")
    drawing = drawing_of(anatomy)
    pixels, fine = drawing.box(INPUT), drawing.box("members.0.fine")
    head = drawing.box("members.0.head")
    assert (pixels.height, fine.height, head.height) == (1, 60 / 120, 1 / 120)
    # The widest block, behind the scores, has the 416 features of four members.
    assert drawing.box("cam_layer").width == 1
    assert fine.width == pytest.approx(math.log(24 + 1) / math.log(4 * 416 + 1))
    assert fine.share == pytest.approx(4 * 60 * 60 * 24 * 4 * 9 / 527_903_616)
    assert (fine.part, fine.label) == ("members.0", "fine")
    assert drawing.box("members.0.shapes.1").label == "shapes.1"
    assert fine.group is not None
    assert fine.group.copies == 4


def test_stems_beside_each_other_have_lanes_and_a_skipping_line_has_its_own() -> None:
    drawing = drawing_of(found("landcover-cnn"))
    place = places(drawing)
    stems = [place[f"members.0.{name}"] for name in ("fine", "middle", "coarse", "spectrum.0")]
    assert [column for column, _ in stems] == [1, 1, 1, 1]
    assert len({lane for _, lane in stems}) == 4
    way = ("fine", "shapes.0", "shapes.1", "layout.0", "layout.1")
    assert [place[f"members.0.{name}"] for name in way] == [
        (column, stems[0][1]) for column in range(1, 6)
    ]
    assert place["cam_layer"] == (6, stems[0][1])
    (skip,) = (line for line in drawing.lines if line.source == "members.0.shapes.1"
               and line.target == "cam_layer")  # fmt: skip
    assert drawing.lanes[skip.lane] == 0
    assert skip.lane < stems[0][1]


def test_the_members_of_a_mixture_are_drawn_apart() -> None:
    drawing = drawing_of(found("landcover-mosaic"))
    lanes = {
        part: {box.lane for box in drawing.boxes if box.part == part and box.name != "prior"}
        for part in ("taught.0", "lites.0")
    }
    assert max(lanes["taught.0"]) < min(lanes["lites.0"])
    assert drawing.box("prior").column == drawing.columns - 1
    # The stages of a trunk follow each other, so that they are no members.
    assert {box.part for box in drawing_of(found("efficientnet-lite0")).boxes} == {""}


def test_a_net_in_a_net_is_drawn_behind_what_is_before_it() -> None:
    drawing = drawing_of(anatomy_of(built("estimated-bands", **ESTIMATED), (4, 120, 120)))
    assert drawing.box("estimate").column == 1
    assert drawing.box("net.members.0.fine").column == 2
    assert drawing.box("net.members.0.fine").part == "net.members.0"


class Repeated(nn.Module):
    """A layer that is computed again from its own output."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again = nn.Conv2d(12, 8, 1), nn.Conv2d(8, 8, 1)
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        once = self.again(self.first(pixels))
        return self.last(self.again(once))  # type: ignore[no-any-return]  # a tensor


def test_a_block_that_is_computed_again_has_no_line_to_itself() -> None:
    drawing = drawing_of(anatomy_of(Repeated().eval(), PATCH))
    assert places(drawing) == {INPUT: (0, 0), "first": (1, 0), "again": (2, 0), "last": (3, 0)}
    assert [(line.source, line.target) for line in drawing.lines] == [
        (INPUT, "first"), ("first", "again"), ("again", "last"),
    ]  # fmt: skip
