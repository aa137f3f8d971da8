"""Places by name, without a network."""

from __future__ import annotations

import pytest

from landcover.io import gazetteer


@pytest.mark.parametrize(
    ("text", "name", "country"),
    [
        ("Vienna", "Vienna", "Austria"),
        ("  WIEN ", "Vienna", "Austria"),
        ("vienna, us", "Vienna", "United States"),
        ("Vienna, United States", "Vienna", "United States"),
        ("München", "Munich", "Germany"),
        ("koln", "Köln", "Germany"),
        ("tromso", "Tromsø", "Norway"),
        ("saint etienne", "Saint-Étienne", "France"),
        ("Cambridge, UK", "Cambridge", "United Kingdom"),
    ],
)
def test_a_town_is_found_by_any_of_its_usual_names(text: str, name: str, country: str) -> None:
    town = gazetteer.search(text)[0]
    assert (town.name, town.country) == (name, country)


def test_the_largest_of_several_towns_comes_first() -> None:
    towns = gazetteer.search("Vienna")
    people = [town.population for town in towns]
    assert len(towns) > 1
    assert people == sorted(people, reverse=True)
    assert towns[0].latitude == pytest.approx(48.21, abs=0.01)
    assert towns[0].longitude == pytest.approx(16.37, abs=0.01)
    assert towns[0].text == "Vienna, Austria (48.2085° N, 16.3721° E)"


def test_the_beginning_of_a_name_is_enough() -> None:
    assert "Ried im Innkreis" in [town.name for town in gazetteer.search("ried im")]
    assert len(gazetteer.search("san", limit=3)) == 3


@pytest.mark.parametrize(
    "text", ["", "x", "over the hills", "nowhere", "vienna, japan", "\t48", "|", "a" * 10_000]
)
def test_what_is_not_a_place_gives_nothing(text: str) -> None:
    assert gazetteer.search(text) == ()


def test_a_misspelt_name_gets_a_suggestion() -> None:
    town = gazetteer.suggest("Barcelonna")
    assert town is not None
    assert town.name == "Barcelona"
    assert gazetteer.suggest("over the hills") is None


def test_every_place_can_be_used() -> None:
    places = list(gazetteer.towns())
    assert len(places) > 100_000
    assert all(abs(place.latitude) <= 90 and abs(place.longitude) <= 180 for place in places)
    assert all(place.name and place.country and place.population >= 0 for place in places)
