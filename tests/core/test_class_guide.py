"""The texts of the class guide: complete, in plain words, and found by any name."""

from __future__ import annotations

import re

import pytest

from landcover.core import class_guide
from landcover.core.classes import CLASS_NAMES, CORINE_NAMES, EUROSAT_CLASSES
from landcover.core.errors import UnknownName

EVERY = (*CLASS_NAMES, *EUROSAT_CLASSES)
JARGON = (
    "sclerophyllous", "herbaceous", "impervious", "phenology", "ericaceous", "halophilous",
    "anthropogenic", "heterogeneous", "juxtaposition", "graminaceous",
)  # fmt: skip
"""Words of the nomenclature that most people do not know."""


def test_every_class_has_a_text_in_the_order_of_the_classes() -> None:
    assert tuple(class_guide.guides()) == EVERY


@pytest.mark.parametrize("name", EVERY)
def test_a_text_is_complete(name: str) -> None:
    guide = class_guide.of_class(name)
    for text in (guide.short, guide.meaning, guide.look, *guide.pitfalls):
        assert text == text.strip()
        assert text.endswith("."), text
        assert "  " not in text
    assert guide.pitfalls
    assert len(guide.short) <= 110
    # EuroSAT's codes name similar classes only, so they are not explained.
    assert tuple(guide.corine) == (guide.cover.corine if name in CLASS_NAMES else ())
    assert set(guide.corine) <= set(CORINE_NAMES)


@pytest.mark.parametrize("name", EVERY)
def test_hard_words_are_explained_where_they_are_used(name: str) -> None:
    guide = class_guide.of_class(name)
    text = " ".join((guide.short, guide.meaning, guide.look, *guide.pitfalls)).lower()
    for word in JARGON:
        explained = word in guide.words or re.search(rf"{word} means", text)
        assert word not in text or explained, word


def test_classes_that_a_text_names_exist() -> None:
    names = {
        name.lower() for name in (*EVERY, *(g.cover.short for g in class_guide.guides().values()))
    }
    for guide in class_guide.guides().values():
        assert set(guide.nearest) <= set(CLASS_NAMES)
        for text in (guide.meaning, guide.look, *guide.pitfalls):
            for quoted in re.findall(r"'([A-Z][^']+)'", text):
                begun = quoted.removesuffix(" …").lower()
                assert any(one.startswith(begun) for one in names), quoted


def test_a_class_is_found_by_any_of_its_names() -> None:
    assert class_guide.find("inland WATERS").name == "Inland waters"
    assert class_guide.find("Moors and heath").title.startswith("Moors, heathland")
    assert class_guide.find("sea or lake").name == "SeaLake"
    assert class_guide.find("SeaLake").title == "Sea or lake"
    with pytest.raises(UnknownName, match="did you mean 'Inland waters'"):
        class_guide.find("the lake")


def test_relatives_go_both_ways() -> None:
    assert class_guide.relatives("Forest")[0] == "Broad-leaved forest"
    assert class_guide.relatives("Coniferous forest") == ("Forest",)
    assert class_guide.relatives("Highway") == ()


def test_a_class_of_ones_own_has_no_text() -> None:
    assert class_guide.knows("Urban fabric")
    assert not class_guide.knows("Sunflowers")
