"""Names, colours, letters and patterns of a legend."""

from __future__ import annotations

import itertools

import pytest
from defusedxml.ElementTree import fromstring

from landcover.areas.layout import FLAGS
from landcover.areas.legend import entries, flag_entries, palette, swatch
from landcover.core import own_classes
from landcover.core.classes import BY_NAME, CLASS_NAMES
from landcover.core.covers import COVER_NAMES, COVERS
from landcover.core.own_classes import ClassLook


@pytest.mark.parametrize(
    "classes", [CLASS_NAMES, COVER_NAMES, tuple(f"cover {n}" for n in range(30)), ("", "a", "a b")]
)
def test_each_class_has_letters_and_a_colour_of_its_own(classes: tuple[str, ...]) -> None:
    found = entries(classes)
    assert [entry.name for entry in found] == list(classes)
    assert [entry.number for entry in found] == list(range(1, len(classes) + 1))
    assert len({entry.letters for entry in found}) == len(classes)
    assert len({entry.rgb for entry in found}) == len(classes)
    assert all(0 <= value <= 255 for entry in found for value in entry.rgb)


def test_neighbours_have_different_patterns() -> None:
    found = entries(CLASS_NAMES)
    assert all(one.pattern != other.pattern for one, other in itertools.pairwise(found))


def test_classes_and_covers_keep_their_colours() -> None:
    assert [entry.rgb for entry in entries(CLASS_NAMES)] == [BY_NAME[n].rgb for n in CLASS_NAMES]
    assert [entry.rgb for entry in entries(COVER_NAMES)] == [cover.rgb for cover in COVERS]
    assert palette(COVER_NAMES)[1:] == tuple(cover.rgb for cover in COVERS)


def test_flags_are_numbered_as_in_the_mask() -> None:
    found = flag_entries()
    assert [(entry.number, entry.name) for entry in found] == list(enumerate(FLAGS))
    assert len({entry.letters for entry in found}) == len(FLAGS)


@pytest.mark.parametrize("entry", [*entries(CLASS_NAMES), *flag_entries()])
def test_letters_can_be_read_on_the_colour(entry: object) -> None:
    drawn = fromstring(swatch(entry))  # type: ignore[arg-type]
    text = drawn.find("{http://www.w3.org/2000/svg}text")
    assert text.text == entry.letters  # type: ignore[attr-defined]
    low, high = sorted(map(brightness, (entry.hex, entry.ink)))  # type: ignore[attr-defined]
    assert (high + 0.05) / (low + 0.05) >= 4.5  # WCAG 2.1, level AA


def brightness(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_names_cannot_break_out_of_the_swatch() -> None:
    (entry,) = entries(('<script>"&',))
    assert fromstring(swatch(entry)).get("aria-label") == '<script>"&'


def test_classes_of_ones_own_have_their_colours_on_a_map() -> None:
    own_classes.declare({"Maize field": ClassLook(short="Maize", colour="#ffcc00")}, "2026")
    (found,) = entries(["Maize field"])
    assert (found.short, found.hex) == ("Maize", "#ffcc00")
