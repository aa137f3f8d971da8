"""Layers of a map as pictures for a web map."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from landcover.areas import preview
from landcover.areas.layout import NODATA
from landcover.areas.legend import PATTERNS, entries
from tests.support.area_maps import COVERS, canvas

COLOURS = {entry.name: entry.rgb for entry in entries(COVERS)}


def colours_of(rgba: np.ndarray) -> set[tuple[int, ...]]:
    found = np.unique(np.ascontiguousarray(rgba).view(np.uint32))
    return {tuple(pixel) for pixel in found.view(np.uint8).reshape(-1, 4).tolist()}


def test_a_cover_has_its_colour_and_lies_where_it_is() -> None:
    one = canvas()
    found = preview.decision_layer(one, covers=frozenset(COVERS))
    assert colours_of(found.rgba) <= {(*rgb, 255) for rgb in COLOURS.values()} | {(0, 0, 0, 0)}
    height, width = found.rgba.shape[:2]
    assert tuple(found.rgba[height // 2, width // 8]) == (*COLOURS[COVERS[0]], 255)
    assert tuple(found.rgba[height // 2, -width // 8]) == (*COLOURS[COVERS[1]], 255)
    latitude, longitude = one.plan.window.centre
    assert found.south < latitude < found.north
    assert found.west < longitude < found.east


def test_a_hidden_cover_is_transparent() -> None:
    found = preview.decision_layer(canvas(), covers=frozenset({COVERS[1]}))
    width = found.rgba.shape[1]
    assert not found.rgba[:, : width // 4, 3].any()
    assert found.rgba[:, -width // 8, 3].any()


def test_patterns_tell_covers_apart_without_colour() -> None:
    kinds = np.repeat(np.arange(len(PATTERNS)), 32)[None].repeat(32, axis=0)
    parts = np.split(preview.patterned(kinds), len(PATTERNS), axis=1)
    assert not parts[0].any()
    assert all(0.02 < part.mean() < 0.5 for part in parts[1:])
    assert all(not np.array_equal(one, other) for one, other in combinations(parts, 2))
    plain = preview.decision_layer(canvas(), covers=frozenset(COVERS))
    stroked = preview.decision_layer(canvas(), covers=frozenset(COVERS), patterns=True)
    assert np.array_equal(plain.rgba[..., 3], stroked.rgba[..., 3])
    assert len(colours_of(stroked.rgba)) > len(colours_of(plain.rgba))


def test_probabilities_get_brighter() -> None:
    one = canvas()
    layer = np.linspace(0, 250, one.decision.shape[1]).astype(np.uint8)
    values = np.broadcast_to(layer, one.decision.shape).copy()
    values[:2] = NODATA
    found = preview.probability_layer(values, one.plan.cover)
    row = found.rgba[found.rgba.shape[0] // 2].astype(int)
    light = row[row[:, 3] > 0, :3] @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(light) >= -1).all()
    assert light[-1] - light[0] > 150
    assert not found.rgba[2, :, 3].any()
    half = preview.probability_layer(values, one.plan.cover, least=0.5)
    assert not half.rgba[:, : half.rgba.shape[1] // 3, 3].any()


def test_the_ramp_ends_at_its_colours() -> None:
    assert preview.ramp(np.array([0.0, 1.0])).tolist() == [
        list(preview.RAMP[0]),
        list(preview.RAMP[-1]),
    ]


@pytest.mark.parametrize("cloudy", [False, True])
def test_flags_hide_nothing_that_is_clear(*, cloudy: bool) -> None:
    found = preview.flag_layer(canvas(cloudy=cloudy))
    assert bool(found.rgba[..., 3].any()) is cloudy


def test_the_picture_and_the_confidence_have_the_size_of_a_map() -> None:
    one = canvas()
    for found in (preview.picture_layer(one), preview.confidence_layer(one)):
        assert max(found.rgba.shape) >= preview.PIXELS
        assert (found.rgba[..., 3] > 0).mean() > 0.8


def test_numbers_have_their_colours_and_zero_is_transparent() -> None:
    one = canvas()
    colours = [(0, 0, 0), (1, 2, 3), (4, 5, 6)]
    found = preview.numbers_layer(one.decision, one.plan.cover, colours)
    assert colours_of(found.rgba) <= {(1, 2, 3, 255), (4, 5, 6, 255), (0, 0, 0, 0)}
    assert (found.rgba[..., 3] == 255).mean() > 0.8
