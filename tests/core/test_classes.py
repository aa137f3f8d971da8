"""The 19 classes and the 43 CORINE classes that they merge."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.core.classes import (
    BY_NAME,
    CLASS_NAMES,
    CORINE_NAMES,
    CORINE_TO_CLASS,
    EUROSAT_CLASSES,
    EVERYDAY_WORDS,
    LAND_COVERS,
    THEMES,
    from_corine,
    resolve,
)
from landcover.core.errors import UnknownName


def test_nineteen_classes_of_forty_three_with_eleven_dropped() -> None:
    assert len(CLASS_NAMES) == len(set(CLASS_NAMES)) == 19
    assert len(CORINE_TO_CLASS) == 43
    assert sum(target is None for target in CORINE_TO_CLASS.values()) == 11
    assert {t for t in CORINE_TO_CLASS.values() if t} == set(CLASS_NAMES)


def test_the_mapping_is_that_of_the_data_set() -> None:
    """The package of the data set's authors has the same mapping."""
    spec = importlib.util.find_spec("bigearthnet_common")
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse((Path(spec.origin).parent / "constants.py").read_text())
    (official,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "OLD2NEW_LABELS_DICT"
    )
    assert official == CORINE_TO_CLASS


def test_colours_are_those_of_a_merged_corine_class() -> None:
    assert all(cover.colour_of in cover.corine for cover in LAND_COVERS)
    assert len({cover.rgb for cover in LAND_COVERS}) == 19
    assert resolve("Coniferous forest").hex == "#00a600"


def test_themes_are_corines_level_one_in_order() -> None:
    seen = list(dict.fromkeys(cover.theme for cover in LAND_COVERS))
    assert tuple(seen) == THEMES
    for cover in LAND_COVERS:
        assert {code[0] for code in cover.corine} == {str(THEMES.index(cover.theme) + 1)}


@given(
    st.sets(st.sampled_from(sorted(CORINE_TO_CLASS))),
    st.sets(st.sampled_from(sorted(CORINE_NAMES))),
)
def test_a_union_of_labels_maps_to_the_union_of_classes(labels: set[str], codes: set[str]) -> None:
    more = {CORINE_NAMES[code] for code in codes}
    assert from_corine(labels | more) == from_corine(labels) | from_corine(more)


def test_an_unknown_label_is_refused() -> None:
    with pytest.raises(UnknownName, match="CORINE class 'Moon'"):
        from_corine(["Pastures", "Moon"])


@pytest.mark.parametrize("text", ["Pastures", "pastures ", "PASTURES"])
def test_a_class_is_found_in_any_case(text: str) -> None:
    assert resolve(text).name == "Pastures"


def test_an_unknown_class_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'Mixed forest'"):
        resolve("Mixd forest")


@pytest.mark.parametrize(
    ("word", "classes", "meant"),
    [
        ("lake", CLASS_NAMES, "Inland waters"),
        ("The Sea", CLASS_NAMES, "Marine waters"),
        ("vineyards", CLASS_NAMES, "Permanent crops"),
        ("lake", EUROSAT_CLASSES, "SeaLake"),
        ("forests", EUROSAT_CLASSES, "Forest"),
    ],
)
def test_an_everyday_word_suggests_a_class(word: str, classes: tuple[str, ...], meant: str) -> None:
    with pytest.raises(UnknownName, match=f"did you mean '{meant}'"):
        resolve(word, classes)


def test_everyday_words_mean_existing_classes() -> None:
    for names in EVERYDAY_WORDS.values():
        assert set(names) <= set(BY_NAME)
