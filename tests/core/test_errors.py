"""Messages are one sentence and say what to do."""

from __future__ import annotations

import pytest

from landcover.core.errors import BadInput, LandcoverError, UnknownName


def test_unknown_name_suggests_the_most_similar_and_lists_all() -> None:
    error = UnknownName("class", "pasture", ["Pastures", "Arable land"])
    assert "did you mean 'Pastures'" in str(error)
    assert "Arable land; Pastures" in str(error)
    assert isinstance(error, BadInput)
    assert isinstance(error, LandcoverError)


def test_unknown_name_suggests_nothing_if_nothing_is_similar() -> None:
    assert "did you mean" not in str(UnknownName("class", "zzzz", ["Pastures"]))


@pytest.mark.parametrize("length", [61, 100_000])
def test_a_long_name_is_cut(length: int) -> None:
    assert len(str(UnknownName("model", "x" * length, ["a"]))) < 150
