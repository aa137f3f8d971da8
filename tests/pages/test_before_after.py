"""The answer of an adapted model beside that of the model it comes from."""

from __future__ import annotations

import pytest

from landcover import nets
from landcover.adapt.adaptation import adapt
from pages.parts.classify import before_after
from pages.parts.classify.before_after import Change
from tests.adapt.test_adaptation import WATER, corrected
from tests.support.tiny import NAME, TinyNet, result_of, tiny_model


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(nets.NETS, NAME, TinyNet)


def test_the_largest_change_comes_first_and_is_named() -> None:
    model, given = tiny_model(), corrected(20)
    adapted, dark = adapt(model, given, "own").model, given[1][1]
    before, after = result_of(model, dark), result_of(adapted, dark)
    first, *others = before_after.changes(before, after)
    assert first.label == WATER
    assert first.by > before_after.NOTICEABLE
    assert first.after == after.prediction.of(WATER).probability
    assert all(abs(one.by) < before_after.DRAWN for one in others)
    said = before_after.headline(before, after)
    assert said.count("%") == 2
    assert WATER in said


def test_an_answer_that_stays_is_said_to_stay() -> None:
    same = result_of(tiny_model(), corrected(1)[0][1])
    assert "by less than 5 percentage points" in before_after.headline(same, same)


def test_the_table_has_no_negative_zero() -> None:
    rows = before_after.table([Change(WATER, 0.5, 0.25), Change(WATER, 0.5, 0.49999)])
    assert list(rows["Change in points"]) == ["-25.0", "+0.0"]
