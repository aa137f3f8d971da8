"""What each class means, how it looks from above, and what misleads: texts in plain words.

The texts are in ``class_guide.toml``. Nothing in them is measured: what the classes reflect is in
:mod:`landcover.core.spectra`, and what a model confuses is in its evaluation.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from landcover.core.classes import (
    BY_NAME,
    CLASS_NAMES,
    CLASS_SETS,
    EUROSAT_CLASSES,
    LandCover,
    resolve,
)

__all__ = ["GUIDE", "Guide", "find", "guides", "knows", "of_class", "relatives"]

GUIDE: Final = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True, kw_only=True)
class Guide:
    """The text of one class.

    Attributes:
        name: of the class, in full.
        short: one sentence.
        meaning: what belongs to it and what does not.
        look: its look in true and false colours, and through the year.
        pitfalls: what misleads people and models.
        corine: code of each CORINE class that it merges → what that class is.
        words: term that not everybody knows → what it means.
        nearest: classes of the 19 that are like a class of EuroSAT.
    """

    name: str
    short: str
    meaning: str
    look: str
    pitfalls: tuple[str, ...]
    corine: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    nearest: tuple[str, ...] = ()

    @property
    def cover(self) -> LandCover:
        """Short name, theme, colour and CORINE codes of the class."""
        return BY_NAME[self.name]

    @property
    def class_set(self) -> str:
        """The class set that has the class, of :data:`landcover.core.classes.CLASS_SETS`."""
        return next(key for key, names in CLASS_SETS.items() if self.name in names)

    @property
    def title(self) -> str:
        """The name to read: EuroSAT writes names such as SeaLake as one word."""
        return self.cover.short if self.name in EUROSAT_CLASSES else self.name


@cache
def guides() -> Mapping[str, Guide]:
    """Return all texts by the name of the class: the 19, then EuroSAT's ten."""
    with GUIDE.open("rb") as file:
        found = tomllib.load(file)["class"]
    lists = ("pitfalls", "nearest")
    return {
        one["name"]: Guide(**{**one, **{key: tuple(one.get(key, ())) for key in lists}})
        for one in found
    }


def of_class(name: str) -> Guide:
    """Return the text of a class by its full name, which must be one of :func:`guides`."""
    return guides()[name]


def knows(name: str) -> bool:
    """Return whether a class has a text: a class of a data set of one's own has none."""
    return name in BY_NAME


def find(name: str) -> Guide:
    """Find the text of a class of any set by its full or short name, ignoring case.

    Raises:
        UnknownName: no class has that name; the message suggests the one that is meant.
    """
    return of_class(resolve(name, (*CLASS_NAMES, *EUROSAT_CLASSES)).name)


def relatives(name: str) -> tuple[str, ...]:
    """Return the classes of the other set that are like a class."""
    own = of_class(name)
    if name in EUROSAT_CLASSES:
        return own.nearest
    return tuple(one.name for one in guides().values() if name in one.nearest)
