"""Messages are one sentence and say what to do."""

from __future__ import annotations

import pytest

from landcover.core.errors import BadInput, FetchError, LandcoverError, UnknownName
from landcover.core.text import LONGEST_LINE


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


@pytest.mark.parametrize(
    "quoted",
    ["two\nlines\r\n", "\x1b[31mred\x1b[0m", "\udcff\ud800", "\u202egnp.exe", "x" * 5_000],
)
def test_every_message_is_one_short_line(quoted: str) -> None:
    for error in (BadInput(f"'{quoted}' is no file: give another one."), FetchError(quoted)):
        assert str(error).isprintable()
        assert len(str(error)) <= LONGEST_LINE
    message = str(BadInput(f"'{quoted}' is no file: give another one."))
    assert message.startswith("'")
    assert message.endswith("is no file: give another one.")
    name = str(UnknownName("model", quoted, ["a"]))
    assert name.isprintable()
    assert "Known are: a" in name
