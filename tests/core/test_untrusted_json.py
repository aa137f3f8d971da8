"""JSON from outside: limits, and what Python's reader lets through."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.core import limits
from landcover.core.untrusted_json import BadJson, parse

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",)), max_size=4), inner)
    ),
    max_leaves=10,
)


@given(values)
def test_plain_values_are_read_as_python_does(value: Any) -> None:
    for ascii_only in (True, False):
        assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1" * 400, "number of 400 digits"),
        ("[0." + "1" * 400 + "]", "digits"),
        ("1" * 5000, "digits"),
        ("1e999", "out of range"),
        ("[NaN]", "NaN"),
        ("-Infinity", "Infinity"),
        ("[" * 51 + "]" * 51, "nested"),
        ("[" * 500_000, "nested|not JSON"),
        ('{"a":' * 300_000, "nested|not JSON"),
        ('{"a": 1, "a": 2}', "key 'a' twice"),
        ('{"\\u001b[31m": 1, "\\u001b[31m": 2}', "twice"),
        ("{", "not JSON"),
        ("", "not JSON"),
        (b"\xff", "not JSON"),
        ("[" + "0," * 1_000_000 + "0]", "1,000,000 values"),
        (" " * 20_000_001, "too large"),
    ],
)
def test_what_is_refused(text: str | bytes, why: str) -> None:
    begun = time.monotonic()
    with pytest.raises(BadJson, match=why) as error:
        parse(text)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 120
    assert time.monotonic() - begun < 10


def test_the_limits_can_be_changed() -> None:
    with limits.changed(json_depth=60):
        parse("[" * 55 + "]" * 55)
    with pytest.raises(BadJson, match="too large"):
        parse("[1]", most_bytes=2)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\ud800"', "\ufffd"),
        (r'"a\uDC00b\uD83D"', "a\ufffdb\ufffd"),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\\ud800"', r"\ud800"),
        (r'"\\\ud800"', "\\\ufffd"),
        (r'{"\udfff": 1}', {"\ufffd": 1}),
    ],
)
def test_half_a_surrogate_pair_is_replaced(text: str, value: object) -> None:
    found = parse(text)
    assert found == value
    json.dumps(found, ensure_ascii=False).encode()
