"""Reading JSON from outside: cards, reports, catalogues' items, files of labels.

Python's reader accepts more than JSON and has no limits: numbers of thousands of digits, NaN,
nesting that exhausts the stack of whatever walks over the values later, repeated keys, of which
programs read different ones, and halves of surrogate pairs, which cannot be written anywhere.
"""

from __future__ import annotations

import json
import math
import re
from functools import partial
from typing import Any, Final, NoReturn

from landcover.core import limits
from landcover.core.text import plain

__all__ = ["BadJson", "parse"]

_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""An escape in a text of JSON; its group is half a surrogate pair."""


class BadJson(ValueError):
    """The text is not JSON, or more than is read; the message is the end of a sentence."""


def parse(data: bytes | str, *, most_bytes: int | None = None) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON from outside.

    Halves of surrogate pairs become U+FFFD.

    Args:
        data: UTF-8.
        most_bytes: its size limit; by default that of :mod:`landcover.core.limits`.

    Raises:
        BadJson: it is not JSON, too large or too deep, or has an absurd number, a repeated key
            or too many values.
    """
    now = limits.current()
    if len(data) > (now.json_bytes if most_bytes is None else most_bytes):
        raise BadJson("it is too large")
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        if "\\ud" in text or "\\uD" in text:
            text = _ESCAPE.sub(lambda found: "\\ufffd" if found[1] else found[0], text)
        # Each value is followed by a comma, or is the last one of a list or an object.
        if text.count(",") + text.count("[") + text.count("{") >= now.json_values:
            raise BadJson(f"it has more than {now.json_values:,} values")
        values = json.loads(
            text,
            parse_int=partial(_whole, most=now.json_digits),
            parse_float=partial(_fraction, most=now.json_digits),
            parse_constant=_constant,
            object_pairs_hook=_table,
        )
    except RecursionError:
        raise BadJson("it is nested too deeply") from None
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise BadJson("it is not JSON") from None
    _check(values, now.json_depth, now.json_values)
    return values


def _whole(digits: str, most: int) -> int:
    if len(digits) > most:
        raise BadJson(f"it has a number of {len(digits):,} digits")
    return int(digits)


def _fraction(digits: str, most: int) -> float:
    if len(digits) > most:
        raise BadJson(f"it has a number of {len(digits):,} digits")
    number = float(digits)
    if not math.isfinite(number):
        raise BadJson(f"its number {digits} is out of range")
    return number


def _constant(name: str) -> NoReturn:
    raise BadJson(f"it has the number {name}, which JSON does not have")


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise BadJson(f"it has the key '{plain(twice)[:40]}' twice")
    return table


def _check(values: object, deepest: int, most: int) -> None:
    """Check depth and number of values, level by level."""
    level, count = [values], 0
    for _ in range(deepest):
        count += len(level)
        if count > most:
            raise BadJson(f"it has more than {most:,} values")
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise BadJson("it is nested too deeply")
