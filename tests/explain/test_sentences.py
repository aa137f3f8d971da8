"""The sentence about an explanation states its values and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.core.bands import RGB_BANDS
from landcover.core.classes import CLASS_NAMES
from landcover.core.raster import Provenance, Raster
from landcover.explain import explanation as explain
from landcover.explain import sentences
from landcover.explain.band_attribution import BandEvidence
from landcover.explain.explanation import Explanation
from landcover.explain.ground import LOOKS_LIKE
from landcover.trust.surfaces import SURFACES
from tests.support import tiny

WATER = "Inland waters"
PATCH = tiny.random_patch()


def explanation(values: np.ndarray, **changes: object) -> Explanation:
    base = {
        "label": WATER,
        "method": "fine-cam",
        "model": "m",
        "card_hash": "0123456789ab",
        "attribution": values.astype(np.float32),
        "unit": "logits a pixel",
        "band_share": None,
        "baseline": "average land",
        "convergence_delta": 0.001,
        "scale": 1.0,
        "scale_rule": explain.SCALE_RULE,
        "passes": 2,
        "seconds": 0.1,
    }
    return Explanation(**{**base, **changes})  # type: ignore[arg-type]


def evidence(**groups: float) -> BandEvidence:
    named = {key.replace("_", " "): value for key, value in groups.items()}
    return BandEvidence(
        label=WATER,
        model="m",
        card_hash="0123456789ab",
        score=1.0,
        bands={},
        groups=named,
        members=dict.fromkeys(named, ()),
        baseline="average land",
    )


def spots(**where: float) -> np.ndarray:
    """Make a map that is 0 except in the given quarters."""
    values = np.zeros((120, 120))
    halves = {"n": slice(0, 60), "s": slice(60, 120), "w": slice(0, 60), "e": slice(60, 120)}
    for name, value in where.items():
        values[halves[name[0]], halves[name[1]]] = value
    return values


WATER_SPECTRUM: Final = {"B02": 0.03, "B03": 0.04, "B04": 0.02, "B08": 0.01, "B11": 0.01}
FOREST_SPECTRUM: Final = {"B02": 0.02, "B03": 0.03, "B04": 0.02, "B08": 0.18, "B11": 0.08}


def lake_in_a_forest() -> Raster:
    """A patch with water in its north-western quarter and dark forest elsewhere."""
    reflectance = np.full(PATCH.data.shape, 0.05, np.float32)
    for name, value in FOREST_SPECTRUM.items():
        reflectance[PATCH.bands.index(name)] = value
        reflectance[PATCH.bands.index(name), :60, :60] = WATER_SPECTRUM[name]
    return replace(PATCH, data=reflectance)


def test_the_sentence_names_side_location_and_ground() -> None:
    patch = lake_in_a_forest()
    text = sentences.sentence(explanation(spots(nw=0.9, se=-0.3)), patch)
    assert text == (
        "Most of the evidence is for Inland waters (75%), 100% of that in the north-west. Per "
        "pixel it is strongest on water: 4.0 times the average, on 25% of the patch."
    )
    against = sentences.sentence(explanation(spots(nw=0.3, se=-0.9)), patch)
    assert against == (
        "Most of the evidence is against Inland waters (75%), 100% of that in the south-east. Per "
        "pixel it is strongest on dark vegetation: 1.3 times the average, on 75% of the patch."
    )


def test_evidence_for_a_forest_on_a_lake_is_called_context() -> None:
    found = explanation(spots(nw=0.9, ne=0.3, sw=0.3, se=0.3), label="Coniferous forest")
    text = sentences.sentence(found, lake_in_a_forest())
    assert text.endswith(
        "Per pixel it is strongest on water: 2.0 times the average, on 25% of the patch; that is "
        "context, because Coniferous itself does not look like this."
    )
    even = explanation(spots(nw=1, ne=1, sw=1, se=1), label="Coniferous forest")
    assert sentences.sentence(even, lake_in_a_forest()).endswith(
        "Per pixel it is about the same on all kinds of ground."
    )


def test_a_patch_of_one_kind_of_ground_is_named() -> None:
    reflectance = np.full(PATCH.data.shape, 0.05, np.float32)
    for name, value in WATER_SPECTRUM.items():
        reflectance[PATCH.bands.index(name)] = value
    patch = replace(PATCH, data=reflectance)
    sea = explanation(spots(nw=1, ne=1, sw=1, se=1), label="Marine waters")
    assert sentences.sentence(sea, patch).endswith("Nearly the entire patch is water.")
    forest = explanation(spots(nw=1, ne=1, sw=1, se=1), label="Coniferous forest")
    assert sentences.sentence(forest, patch).endswith(
        "Nearly the entire patch is water; that is context, because Coniferous itself does not "
        "look like this."
    )


def test_kinds_of_ground_are_known_for_all_land_covers() -> None:
    assert set(LOOKS_LIKE) == set(CLASS_NAMES)
    assert {name for names in LOOKS_LIKE.values() for name in names} <= set(SURFACES)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (spots(nw=1, ne=1), "in the north."),
        (spots(sw=1, nw=1), "in the west."),
        (spots(nw=1, ne=1, sw=1, se=1), "spread over the entire picture"),
        (spots(sw=1, ne=0.1), "in the south-west."),
    ],
)
def test_the_part_with_most_of_the_evidence_is_named(values: np.ndarray, words: str) -> None:
    assert words in sentences.sentence(explanation(values), PATCH)


def test_weak_and_mixed_evidence_is_named() -> None:
    weak = sentences.sentence(explanation(spots(nw=0.01)), PATCH, evidence(visible=5.0))
    assert weak.startswith("This map has little evidence for or against Inland waters: its values")
    assert "visible" not in weak
    mixed = sentences.sentence(explanation(spots(nw=0.5, se=-0.5)), PATCH)
    assert "is mixed: 50% for it and 50% against it" in mixed
    assert "north" not in mixed


def test_groups_of_bands_are_named_by_their_sign() -> None:
    found = explanation(spots(nw=1))
    both = sentences.sentence(found, PATCH, evidence(visible=1.24, red_edge=-0.5, atmosphere=0.2))
    expected = "the visible bands raise its score (+1.2 logits), the red edge bands lower it (−0.5)"
    assert expected in both
    against = sentences.sentence(found, PATCH, evidence(visible=-0.4, red_edge=-0.6))
    assert "the red edge bands lower its score (−0.6 logits)" in against
    neither = sentences.sentence(found, PATCH, evidence(visible=0.02, red_edge=-0.03))
    assert "no group of bands alone changes its score much" in neither


def test_an_inexact_sum_is_stated() -> None:
    text = sentences.sentence(explanation(spots(nw=1), convergence_delta=0.4), PATCH)
    assert "the sum is off by 40%, so this is inexact" in text
    assert "inexact" not in sentences.sentence(explanation(spots(nw=1)), PATCH)


def test_a_picture_has_no_compass_directions_and_no_ground() -> None:
    picture = Raster(
        bands=RGB_BANDS,
        data=np.full((3, 120, 120), 0.5, np.float32),
        valid=np.ones((120, 120), bool),
        provenance=Provenance(source="x.png", level="RGB"),
    )
    text = sentences.sentence(explanation(spots(ne=1)), picture)
    assert "in the upper right" in text
    assert "Per pixel" not in text


def test_pixels_without_data_count_for_neither_side() -> None:
    valid = np.ones((120, 120), bool)
    valid[:60] = False
    patch = replace(PATCH, valid=valid)
    found = explanation(spots(nw=1, se=-0.5))
    assert sentences.sides(found, valid).in_favour == 0
    assert "evidence is against Inland waters (100%)" in sentences.sentence(found, patch)


@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4), st.sampled_from(CLASS_NAMES))
def test_any_map_has_one_sentence_with_valid_shares(values: list[float], label: str) -> None:
    nw, ne, sw, se = values
    found = explanation(spots(nw=nw, ne=ne, sw=sw, se=se), label=label)
    text = sentences.sentence(found, PATCH, evidence(visible=values[0]))
    assert text.endswith(".")
    assert "nan" not in text
    assert all(
        0 <= int(number) <= 100 for number in re.findall(r"(\d+)%", text.split(" of full")[-1])
    )
    parts = sentences.sides(found, PATCH.valid)
    assert 0.5 <= parts.leading <= 1
    assert 0 <= parts.gathered <= 1 + 1e-9


def test_a_real_explanation_has_a_sentence() -> None:
    model = tiny.tiny_model()
    patch: Raster = tiny.random_patch()
    for method in explain.METHODS:
        text = sentences.sentence(explain.explain(model, patch, WATER, method), patch)
        assert "Inland waters" in text
