"""Test texts for display."""

from __future__ import annotations

import pytest

from landcover.core.text import readable, with_article


@pytest.mark.parametrize(
    ("noun", "text"), [("accuracy", "an accuracy"), ("macro AP", "a macro AP")]
)
def test_the_article_fits_the_noun(noun: str, text: str) -> None:
    assert with_article(noun) == text


@pytest.mark.parametrize(
    ("identifier", "words"),
    [("colour-statistics", "Colour statistics"), ("val_loss", "Val loss"), ("", "")],
)
def test_an_identifier_becomes_words(identifier: str, words: str) -> None:
    assert readable(identifier) == words
