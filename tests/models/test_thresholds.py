"""A user's text becomes an aim with the card's thresholds for it, or one sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.models.thresholds import AIMS, LEVELS, available_aims, parse_aim, thresholds_for
from tests.support.tiny import tiny_card


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("f1", "f1"),
        (" F2 ", "f2"),
        ("precision=0.8", "precision-0.8"),
        ("Precision = 80%", "precision-0.8"),
        ("recall-0.95", "recall-0.95"),
        ("recall=.5", "recall-0.5"),
        ("recall=0.90", "recall-0.9"),
        ("precision=0.81", "precision-0.85"),
        ("precision=0.65", "precision-0.65"),
    ],
)
def test_aims_are_parsed(text: str, name: str) -> None:
    assert parse_aim(text).name == name


@pytest.mark.parametrize(
    "text", ["", "f3", "precision", "precision=", "precision=0.49", "recall=0.96", "recall=1e9",
             "precision=99%", "precision=٠.٨", "recall=-0.8", "recall=nan", "f1\x00"],
)  # fmt: skip
def test_invalid_aims_give_one_sentence(text: str) -> None:
    with pytest.raises(BadInput, match=r"is not an aim: give f1, f2"):
        parse_aim(text)


@given(st.floats(0.5, 0.95))
def test_a_level_in_between_is_rounded_up(level: float) -> None:
    found = parse_aim(f"precision={level:.6f}").level
    assert found is not None
    assert found in LEVELS
    assert round(level, 6) - 1e-9 <= found < level + 0.05 + 1e-6


def test_names_contain_the_level() -> None:
    assert len(AIMS) == 2 + 2 * len(LEVELS)
    for name, aim in AIMS.items():
        assert parse_aim(name) == aim
        if aim.level is not None:
            assert name == f"{aim.kind}-{aim.level:g}"
            assert f"{aim.level:.0%}" in aim.title


def test_classes_without_a_threshold_for_the_aim_fall_back_and_are_listed() -> None:
    own = dict.fromkeys(CLASS_NAMES[:3], 0.9)
    card = tiny_card(b"", aims={"precision-0.8": own})
    assert [aim.name for aim in available_aims(card)] == ["f1", "precision-0.8"]
    usual = thresholds_for(card)
    assert (usual.of, usual.fallback) == (card.thresholds, ())
    found = thresholds_for(card, "precision=0.8")
    assert found.aim == "precision-0.8"
    assert found.fallback == CLASS_NAMES[3:]
    assert found.of == {**card.thresholds, **own}
    with pytest.raises(BadInput, match="Tiny net has no thresholds for the aim 'f2'"):
        thresholds_for(card, "f2")
