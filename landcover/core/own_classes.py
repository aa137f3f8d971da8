"""Class lists of one's own: what a name may be, and how a class of that name is shown.

A model or a data set can have any classes. Each has a look: a short name, a colour, a
description. A name has one look in the whole program, so that the same class has the same colour
beside another model: that of the newest model or data set with it (:func:`declare`). A name that
nothing has declared, such as in a report whose model is gone, gets a colour computed from the name.

Names appear in HTML, Markdown, CSV and the styles of maps, and they come from files of others. So
they have letters, digits, blanks and a few signs that mean nothing in any of these.
"""

from __future__ import annotations

import colorsys
import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import Final

from pydantic import field_validator

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.core.schema import Schema
from landcover.core.text import plain

__all__ = [
    "LONGEST_DESCRIPTION",
    "LONGEST_NAME",
    "LONGEST_SHORT",
    "OWN_SET",
    "ClassLook",
    "check_names",
    "colours",
    "declare",
    "forget",
    "is_name",
    "look_of",
    "made_up",
]

OWN_SET: Final = "own"
"""Class set of a card whose classes are those of one's own data."""
LONGEST_NAME: Final = 100
LONGEST_SHORT: Final = 30
LONGEST_DESCRIPTION: Final = 500
"""Most characters of a class's name, short name and description."""
_NAME: Final = re.compile(r"[^\W_][\w \-.,'()/&+%]*")
_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_TURN: Final = 0.618_033_988_75
"""Part of the colour circle between two hues: the golden section keeps hues apart."""
_SHADES: Final = ((0.42, 0.70), (0.60, 0.75), (0.30, 0.60))
"""Lightness and saturation, in turn, of colours in a row."""
_KEPT: Final = 5_000
"""Most declared looks; a server reads models of many users."""


class ClassLook(Schema):
    """How a class of one's own is shown.

    Attributes:
        short: name for narrow places.
        colour: as ``#rrggbb``.
        description: what belongs to the class; may be empty.
    """

    short: str
    colour: str
    description: str = ""

    @field_validator("short")
    @classmethod
    def _short_name(cls, short: str) -> str:
        if not is_name(short.removesuffix("…"), LONGEST_SHORT):
            raise ValueError("no short name")
        return short

    @field_validator("colour")
    @classmethod
    def _is_colour(cls, colour: str) -> str:
        if not _COLOUR.fullmatch(colour):
            raise ValueError("no colour")
        return colour.lower()

    @field_validator("description")
    @classmethod
    def _is_line(cls, text: str) -> str:
        if len(text) > LONGEST_DESCRIPTION or not text.isprintable() or set(text) & set("<>"):
            raise ValueError("no description")
        return text


def is_name(text: str, longest: int = LONGEST_NAME) -> bool:
    """Whether a text can be the name of a class."""
    return len(text) <= longest and text == text.strip() and bool(_NAME.fullmatch(text))


def check_names(names: Sequence[str]) -> None:
    """Check the names of a class list.

    Raises:
        BadInput: there is none or there are too many, one is twice, or one cannot be a name.
    """
    most = limits.current().own_classes
    if not names:
        raise BadInput("There is no class: give each patch the names of its classes.")
    if len(names) > most:
        raise BadInput(
            f"There are {len(names):,} classes and at most {most:,} are possible: check that the "
            "labels are classes, or merge some."
        )
    for name in names:
        if not is_name(name):
            raise BadInput(
                f"'{plain(name)[:60]}' cannot be the name of a class: use at most {LONGEST_NAME} "
                "letters, digits, blanks and the signs - _ . , ' ( ) / & + %, a letter or digit "
                "first."
            )
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise BadInput(f"The class '{name}' is named twice: spell it in one way.")
        seen.add(name.casefold())


def colours(count: int) -> tuple[str, ...]:
    """As many colours that differ from each other, as ``#rrggbb``."""
    return tuple(_hex(0.58 + k * _TURN, k) for k in range(count))


@lru_cache(maxsize=1_000)
def made_up(name: str) -> ClassLook:
    """The look of a class of which only the name is known: always the same for a name."""
    digest = hashlib.sha256(name.encode("utf-8", "replace")).digest()
    colour = _hex(int.from_bytes(digest[:4], "big") / 2**32, digest[4])
    short = name if is_name(name, LONGEST_SHORT) else _shortened(name)
    return ClassLook(short=short, colour=colour)


def declare(looks: Mapping[str, ClassLook], since: str) -> None:
    """Make looks known; the newest of a name counts.

    Args:
        looks: name → its look.
        since: when the model or data set with these classes was made, in ISO 8601.
    """
    with _lock:
        for name, look in looks.items():
            if name not in _looks or _looks[name][0] <= since:
                _looks[name] = since, look
                _looks.move_to_end(name)
        while len(_looks) > _KEPT:
            _looks.popitem(last=False)


def forget() -> None:
    """Forget all declared looks."""
    with _lock:
        _looks.clear()


def look_of(name: str) -> ClassLook | None:
    """The declared look of a name; None if nothing has declared it."""
    found = _looks.get(name)
    return None if found is None else found[1]


_looks: OrderedDict[str, tuple[str, ClassLook]] = OrderedDict()
_lock = Lock()


def _shortened(name: str) -> str:
    """The start of a long name, cut between words where possible."""
    clean = " ".join("".join(c if c.isalnum() else " " for c in name).split())
    start = clean[: LONGEST_SHORT - 1]
    words = start.rpartition(" ")[0] if " " in start[LONGEST_SHORT // 2 :] else start
    return f"{words}…" if words else "Class"


def _hex(hue: float, number: int) -> str:
    lightness, saturation = _SHADES[number % len(_SHADES)]
    rgb = colorsys.hls_to_rgb(hue % 1.0, lightness, saturation)
    return "#{:02x}{:02x}{:02x}".format(*(round(255 * part) for part in rgb))
