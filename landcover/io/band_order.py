"""Identifying the bands of a stack by their descriptions, else by the documented order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from landcover.core.bands import BAND_NAMES, L1C_BAND_NAMES
from landcover.core.errors import BadInput
from landcover.io.guard import FILE
from landcover.io.names import band_of

__all__ = ["BandOrder", "band_order"]


@dataclass(frozen=True)
class BandOrder:
    """Positions of a patch's bands in a file.

    Attributes:
        bands: names in the patch's order: twelve for Level-2A, thirteen for Level-1C.
        indexes: index of each band in the file, counted from 1.
        description: how the order is known, for the provenance.
    """

    bands: tuple[str, ...]
    indexes: tuple[int, ...]
    description: str


def band_order(descriptions: Sequence[str | None]) -> BandOrder:
    """Find the order of a file's bands from their descriptions.

    If the descriptions name all twelve bands, they decide; further bands, such as a scene
    classification, are ignored, and B10 means Level-1C. If they name no band, twelve bands are
    taken as B01 … B12 and thirteen as Level-1C, in the documented order. If they name some
    bands, these must agree with the documented order.

    Args:
        descriptions: one for each band, None if it has none.

    Raises:
        BadInput: the number of bands is wrong, bands are missing, or one is named twice.
    """
    named = [band_of(text) for text in descriptions]
    counts = Counter(band for band in named if band)
    twice = [band for band, count in counts.items() if count > 1]
    if twice:
        raise BadInput(
            f"{FILE} names band {twice[0]} more than once in its band descriptions: "
            "correct them, or remove them to use the order B01 … B12."
        )
    if set(BAND_NAMES) <= set(counts):
        bands = L1C_BAND_NAMES if "B10" in counts else BAND_NAMES
        indexes = tuple(named.index(band) + 1 for band in bands)
        rest = len(named) - len(bands)
        return BandOrder(bands, indexes, "band descriptions" + _ignored(rest))
    documented = {12: BAND_NAMES, 13: L1C_BAND_NAMES}.get(len(named))
    if documented is None or len(counts) == len(named):
        raise BadInput(_count_message(len(named), list(counts)))
    clash = [
        (i, found)
        for i, (found, want) in enumerate(zip(named, documented, strict=True), 1)
        if found not in {None, want}
    ]
    if clash:
        raise BadInput(
            f"{FILE} names only {len(counts)} of its {len(named)} bands, and its band "
            f"{clash[0][0]} is {clash[0][1]} instead of {documented[clash[0][0] - 1]}: "
            "describe all bands, or arrange them in the order B01 … B12."
        )
    agree = f"; {len(counts)} band descriptions agree" if counts else ""
    said = f"documented order {documented[0]} … {documented[-1]} (of {len(documented)}){agree}"
    return BandOrder(documented, tuple(range(1, len(documented) + 1)), said)


def _ignored(rest: int) -> str:
    return f" ({rest} other band{'s' * (rest > 1)} ignored)" if rest else ""


def _count_message(count: int, found: list[str]) -> str:
    missing = [band for band in BAND_NAMES if band not in found]
    lack = f", and {', '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing"
    return (
        f"{FILE} has {count} band{'s' * (count != 1)}"
        f"{lack if found else ''}: give all twelve Level-2A bands, in the order "
        "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12 or named in the band descriptions."
    )
