"""Recognising Sentinel-2 bands by the names that people and programs give them.

A name is compared with the numbers of the bands (``B8A``, ``Band 8A``, ``S2_B04_10m``), with the
words of ESA's handbook, STAC's titles and common names, Digital Earth Africa and Australia,
TerraTorch, FORCE and spectral index packages, and with wavelengths (``665 nm``). Some words,
such as ``nir`` and STAC's ``rededge``, mean several bands: which one shows only when all names
of a file are known, so :func:`identify` takes all of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from landcover.core.bands import BANDS, L1C_BAND_NAMES

__all__ = [
    "LONGEST",
    "TOLERANCE_NM",
    "TOLERANCE_SHARE",
    "WORDS",
    "Names",
    "band_of",
    "candidates",
    "identify",
]

LONGEST: Final = 200
"""Characters of a name that are looked at."""
TOLERANCE_NM: Final = 15.0
TOLERANCE_SHARE: Final = 0.015
"""Programs state wavelengths of Sentinel-2A, 2B or the mean of both, rounded to 5 or 10 nm: B12 is
at 2202, 2186 or 2190 nm. The larger of the two tolerances applies."""

_NIR: Final = ("B08", "B8A")
_RED_EDGE: Final = ("B05", "B06", "B07", "B8A")
_SWIR: Final = ("B11", "B12")
_WORDS_OF: Final[dict[tuple[str, ...], str]] = {
    ("B01",): "coastal coastalaerosol coastalaerosols aerosol aerosols coastalblue ultrablue "
    "costalaerosol deepblue",
    ("B02",): "blue",
    ("B03",): "green",
    ("B04",): "red",
    ("B05",): "rededge1 redge1 re1 rededgei rededge071 rededge705 rededge704",
    ("B06",): "rededge2 redge2 re2 rededgeii rededge075 rededge740",
    ("B07",): "rededge3 redge3 re3 rededgeiii rededge078 rededge783",
    ("B08",): "nir1 nirbroad broadnir widenir nirwide nearinfrared1 nir842 nir833",
    ("B8A",): "rededge4 redge4 re4 rededgeiv nir2 nir08 narrownir nirnarrow nnir nirn "
    "narrownearinfrared nearinfrarednarrow nearinfrared2 nir865 nira rededge865",
    ("B09",): "nir3 nir09 watervapour watervapor vapour vapor wv watervap",
    ("B10",): "cirrus swircirrus",
    ("B11",): "swir1 swir16 swiri shortwaveinfrared1 swir1610 swir1613 swir1600",
    ("B12",): "swir2 swir22 swirii shortwaveinfrared2 swir2190 swir2200 swir2202",
    _NIR: "nir nearinfrared infrared ir",
    _RED_EDGE: "rededge redge re",
    _SWIR: "swir shortwaveinfrared",
}
WORDS: Final[dict[str, tuple[str, ...]]] = {
    word: bands for bands, words in _WORDS_OF.items() for word in words.split()
}
"""Words without spaces → the bands that they can mean."""
_LETTERS: Final[dict[str, tuple[str, ...]]] = {
    "a": ("B01",), "b": ("B02",), "g": ("B03",), "r": ("B04",), "n": _NIR, "n2": ("B8A",),
    "s1": ("B11",), "s2": ("B12",),
}  # fmt: skip
"""Names of the spectral index packages (awesome-spectral-indices, eemont), if nothing else."""

_CODE: Final = re.compile(r"(?<![a-z0-9])(b|band ?)(\d{1,2})(a?)(?![0-9a-z])")
_WAVELENGTH: Final = re.compile(r"(?<![\d.])(\d{3,4}(?:\.\d+)?|[0-2]\.\d+) ?(nm|um|µm|μm)(?![a-z])")
_RESOLUTION: Final = re.compile(r"(?<![\d.])[126]0 ?m(?:etres?|eters?)?(?![a-z])")
_SEPARATORS: Final = re.compile(r"[\s_\-–—,:;()/|\[\]'\"]+")
_NOISE: Final = frozenset(
    {"s2", "s2a", "s2b", "sentinel", "sentinel2", "msi", "l2a", "l1c", "level", "2a", "boa", "sr"}
    | {"toa", "surface", "reflectance", "nbart", "band", "bands", "channel", "vegetation"}
)
"""Words around the name of a band that do not change its meaning."""
_OTHER: Final = frozenset(
    {"angle", "azimuth", "count", "flag", "flags", "mask", "quality", "std", "stdev", "sun"}
    | {"uncertainty", "variance", "view", "zenith"}
)
"""Words that say that a layer is about a band, not the band itself."""
_OTHER_SENSORS: Final = re.compile(
    r"s[rt] b\d|sur refl|(?<![a-z])(?:landsat|modis|viirs|planetscope|l[cet]0\d)"
)
"""Names of other sensors, whose numbers mean other bands: Landsat's ``SR_B5`` is near infrared."""
_NUMBERED: Final = re.compile(r"\s*(?:b|band)?[\s_\-]*(\d{1,2})\s*", re.IGNORECASE)
_CENTRES: Final = {band.name: band.wavelength_nm for band in BANDS} | {"B10": 1373.5}


@dataclass(frozen=True)
class Names:
    """What a file's names say.

    Attributes:
        bands: the band that each name means, None if it was not understood.
        doubtful: one sentence for each word that several bands share.
        numbered: whether the names only count the bands from 1 and so say nothing.
    """

    bands: tuple[str | None, ...]
    doubtful: tuple[str, ...] = ()
    numbered: bool = False


def identify(names: Sequence[str | None]) -> Names:
    """Find the bands that a file's names mean, considering all of them together.

    Names that only count (``b1`` … ``b12``, ``Band 1``) say nothing, since Sentinel-2's own
    numbers skip 10 and have 8A. A word that means several bands (``rededge``, ``nir``, ``swir``)
    stands for those of them that no other name claims, in the file's order, if there are as many.
    """
    if _only_numbered(names):
        return Names((None,) * len(names), numbered=True)
    options = [candidates(name) for name in names]
    _apply_australian(names, options)
    taken = {found[0] for found in options if len(found) == 1}
    bands = [found[0] if len(found) == 1 else None for found in options]
    doubtful = []
    for word in (_SWIR, _NIR, _RED_EDGE):
        where = [i for i, found in enumerate(options) if found == word]
        free = [band for band in word if band not in taken]
        if word is _RED_EDGE and len(where) == 3:
            free = free[:3]
        if word is _NIR and len(where) == 1:
            free = free[:1]
        if not where or len(where) != len(free):
            continue
        for i, band in zip(where, free, strict=True):
            bands[i] = band
        taken |= set(free)
        if len(where) > 1:
            doubtful.append(
                f"{len(where)} bands are named '{_shown(names[where[0]])}'; they were taken as "
                f"{', '.join(free)} in the file's order"
            )
    return Names(tuple(bands), tuple(doubtful))


def band_of(name: str | None) -> str | None:
    """The one band that a name means regardless of other names, or None.

    ``nir`` alone means B08.
    """
    found = candidates(name)
    return found[0] if len(found) == 1 or found == _NIR else None


def candidates(name: str | None) -> tuple[str, ...]:
    """The bands that a name can mean; empty if it is not understood or contradicts itself."""
    text = _plain(name)
    if text in _LETTERS:
        return _LETTERS[text]
    if _OTHER_SENSORS.match(text):
        return ()
    waves = _WAVELENGTH.findall(text)
    text = _RESOLUTION.sub(" ", _WAVELENGTH.sub(" ", text))
    codes = list(_CODE.finditer(text))
    words = [word for word in _CODE.sub(" ", text).replace(".", " ").split() if word not in _NOISE]
    if _OTHER & set(words):
        return ()
    meant = WORDS.get("".join(words), ())
    if codes:
        return _by_number(codes, meant)
    if not words and len(waves) == 1:
        return _at_wavelength(*waves[0])
    return meant


def _by_number(codes: Sequence[re.Match[str]], meant: tuple[str, ...]) -> tuple[str, ...]:
    """The band with a number, checked against the bands that the words around it mean."""
    numbers = {_number(match) for match in codes}
    number = numbers.pop()
    if not numbers and number is not None and (not meant or number in meant):
        return (number,)
    # "Band 1: blue" counts the bands of the file; "B1 blue" is a contradiction.
    return meant if codes[0].group(1) != "b" else ()


def _plain(name: str | None) -> str:
    return _SEPARATORS.sub(" ", (name or "")[:LONGEST].lower()).strip()


def _number(match: re.Match[str]) -> str | None:
    number, letter = int(match.group(2)), match.group(3)
    band = f"B{number:02d}" if not letter else "B8A" if number == 8 else ""
    return band if band in L1C_BAND_NAMES else None


def _at_wavelength(value: str, unit: str) -> tuple[str, ...]:
    length = float(value) * (1.0 if unit == "nm" else 1000.0)
    near = [
        band
        for band, centre in _CENTRES.items()
        if abs(centre - length) <= max(TOLERANCE_NM, TOLERANCE_SHARE * centre)
    ]
    return tuple(near) if len(near) == 1 else ()


def _only_numbered(names: Sequence[str | None]) -> bool:
    """Whether the names are 1, 2, 3 … in order, with or without "band"."""
    matches = [_NUMBERED.fullmatch((name or "")[:LONGEST]) for name in names]
    numbers = [match.group(1) if match else "" for match in matches]
    counted = numbers == [str(i) for i in range(1, len(names) + 1)]
    padded = len(names) >= 12 and numbers == [f"{i:02d}" for i in range(1, len(names) + 1)]
    return bool(names) and (counted or padded)


def _apply_australian(names: Sequence[str | None], options: list[tuple[str, ...]]) -> None:
    """Digital Earth Australia calls B11 ``swir_2`` and B12 ``swir_3``: correct it in place."""
    words = [
        "".join(_SEPARATORS.sub(" ", (name or "")[:LONGEST].lower()).split()) for name in names
    ]
    if any(word.endswith("swir3") for word in words) and ("B11",) not in options:
        for i, word in enumerate(words):
            if word.endswith(("swir2", "swir3")):
                options[i] = ("B11",) if word.endswith("swir2") else ("B12",)


def _shown(name: str | None) -> str:
    return (name or "").strip()[:40]
