"""The totals of a net in words."""

from __future__ import annotations

import pytest

from landcover.models import registry
from landcover.models.structure import structure
from landcover.report.anatomy_text import totals_text

CNN = (
    "1.16 million parameters in 45 blocks (12 different ones). A patch of 12 bands and 120 × 120 "
    "pixels, which is 1,200 m wide, takes 528 million multiply-adds. A value of a map depends on "
    "at most 68 pixels along a side, which are 680 m."
)
PRIOR = (
    "19 parameters in 1 block. A patch of 12 bands and 120 × 120 pixels, which is 1,200 m wide, "
    "takes 0 multiply-adds."
)


@pytest.mark.parametrize(("name", "text"), [("landcover-cnn", CNN), ("class-prior", PRIOR)])
def test_totals_are_said_in_words(name: str, text: str) -> None:
    assert totals_text(structure(registry.default().card(name))) == text


def test_a_view_beyond_the_patch_is_said() -> None:
    text = totals_text(structure(registry.default().card("efficientnet-lite0")))
    assert "at most 851 pixels along a side, which are 8,510 m: more than the patch is wide" in text
