"""Identifying the bands of a stack by their names, else by the documented order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from landcover.core.bands import BAND_NAMES, L1C_BAND_NAMES
from landcover.core.errors import BadInput
from landcover.io.band_names import Names, candidates, identify
from landcover.io.guard import FILE, GEOTIFF
from landcover.io.sidecars import name_in, names_beside

__all__ = ["DOCUMENTED", "REQUIRED", "BandOrder", "band_order", "order_of"]

REQUIRED: Final = ("B02", "B03", "B04")
"""The bands that every stack must have: blue, green and red."""
DOCUMENTED: Final[dict[int, tuple[str, ...]]] = {12: BAND_NAMES, 13: L1C_BAND_NAMES}
"""Number of bands without names → their order."""
_COLOURS: Final = {
    ColorInterp.red: "red",
    ColorInterp.green: "green",
    ColorInterp.blue: "blue",
    ColorInterp.nir: "nir",
}
_DESCRIPTIONS: Final = "band descriptions"
_QUOTED: Final = 6
_HOW: Final = "name the bands in the file (rasterio: file.set_band_description(1, 'B02'))"


@dataclass(frozen=True)
class BandOrder:
    """Positions of a patch's bands in a file.

    Attributes:
        bands: names in the order of :data:`~landcover.core.bands.L1C_BAND_NAMES`: the twelve of
            Level-2A, the thirteen of Level-1C, or those of them that the file has.
        indexes: index of each band in the file, counted from 1.
        description: how the order is known, for the provenance.
        notes: sentences on names that were not understood or are doubtful, for the provenance.
        alpha: index of the file's alpha channel, which is a mask; None if it has none.
    """

    bands: tuple[str, ...]
    indexes: tuple[int, ...]
    description: str
    notes: tuple[str, ...] = ()
    alpha: int | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """The bands of Level-2A that the file lacks."""
        return tuple(band for band in BAND_NAMES if band not in self.bands)


def order_of(header: DatasetReader) -> BandOrder:
    """Find the order of an open file's bands.

    Raises:
        BadInput: as for :func:`band_order`.
    """
    names, origin = _names_of(header)
    last = header.colorinterp[-1] == ColorInterp.alpha and not candidates(names[-1])
    alpha = header.count if last and (header.count != len(BAND_NAMES) or any(names)) else None
    count = header.count - (alpha is not None)
    if count <= len(_COLOURS) and not any(names):
        names = [_COLOURS.get(colour) for colour in header.colorinterp]
        origin = "colours of the bands"
    found = band_order(names[:count])
    said = found.description.replace(_DESCRIPTIONS, origin)
    return BandOrder(found.bands, found.indexes, said, found.notes, alpha)


def _names_of(header: DatasetReader) -> tuple[list[str | None], str]:
    """Names of a file's bands, one for each, and where they were found."""
    count = header.count
    if any(header.descriptions):
        return list(header.descriptions), _DESCRIPTIONS
    # Only GeoTIFF: GDAL 3.10 can loop for ever over the metadata of JPEG 2000.
    if header.driver == GEOTIFF:
        items = [name_in(header.tags(i)) for i in range(1, count + 1)]
        if any(items):
            return items, "names in the metadata of the bands"
        tags = header.tags()  # as GDAL converts them from ENVI
        listed = [tags.get(f"Band_{i}") for i in range(1, count + 1)]
        if any(listed):
            return listed, "names in the metadata of the file"
    beside = names_beside(header)
    return (beside, "names in the sidecar .aux.xml") if any(beside) else ([None] * count, "")


def band_order(descriptions: Sequence[str | None]) -> BandOrder:
    """Find the order of a file's bands from their descriptions.

    Any bands that include B02, B03 and B04 are enough; other layers, such as a scene
    classification, are ignored. If the descriptions name no band, twelve bands are taken as
    B01 … B12 and thirteen as Level-1C, in the documented order. If some of twelve or thirteen
    bands have no description, the others must agree with the documented order.

    Args:
        descriptions: one for each band, None if it has none.

    Raises:
        BadInput: B02, B03 or B04 is missing, a band is named twice, or nothing shows which bands
            these are.
    """
    names = identify(descriptions)
    _check_once(descriptions, names)
    found = [band for band in names.bands if band]
    blank = [not (text or "").strip() or names.numbered for text in descriptions]
    if len(names.bands) in DOCUMENTED and (not found or _some(blank, found)):
        return _documented(descriptions, names, found)
    if not set(REQUIRED) <= set(found):
        raise BadInput(_refusal(descriptions, names, found))
    bands = tuple(band for band in L1C_BAND_NAMES if band in found)
    indexes = tuple(names.bands.index(band) + 1 for band in bands)
    rest = len(names.bands) - len(bands)
    said = _DESCRIPTIONS + _ignored(rest)
    return BandOrder(bands, indexes, said, _notes(descriptions, names))


def _some(blank: list[bool], found: list[str]) -> bool:
    """Whether bands without a description are needed."""
    return any(blank) and not set(BAND_NAMES) <= set(found)


def _check_once(descriptions: Sequence[str | None], names: Names) -> None:
    twice = next((band for band, n in Counter(names.bands).items() if band and n > 1), None)
    if twice is None:
        return
    pairs = zip(descriptions, names.bands, strict=True)
    both = [str(text) for text, band in pairs if band == twice]
    raise BadInput(
        f"{FILE} names band {twice} more than once in its band descriptions "
        f"({_quoted(both)}): keep one of each, or remove the descriptions to use the order "
        "B01 … B12."
    )


def _documented(
    descriptions: Sequence[str | None], names: Names, found: Sequence[str]
) -> BandOrder:
    documented = DOCUMENTED[len(names.bands)]
    pairs = enumerate(zip(names.bands, documented, strict=True), 1)
    clash = [(i, band) for i, (band, want) in pairs if band not in {None, want}]
    if clash:
        raise BadInput(
            f"{FILE} names only {len(found)} of its {len(names.bands)} bands, and its band "
            f"{clash[0][0]} is {clash[0][1]} instead of {documented[clash[0][0] - 1]}: "
            "describe all bands, or arrange them in the order B01 … B12."
        )
    agree = f"; {len(found)} {_DESCRIPTIONS} agree" if found else ""
    said = f"documented order {documented[0]} … {documented[-1]} (of {len(documented)}){agree}"
    indexes = tuple(range(1, len(documented) + 1))
    return BandOrder(documented, indexes, said, _notes(descriptions, names))


def _notes(descriptions: Sequence[str | None], names: Names) -> tuple[str, ...]:
    unknown = _unknown(descriptions, names)
    said = f"band names that were not understood: {_quoted(unknown)}"
    return (*names.doubtful, *((said,) if unknown else ()))


def _unknown(descriptions: Sequence[str | None], names: Names) -> list[str]:
    if names.numbered:
        return []
    pairs = zip(descriptions, names.bands, strict=True)
    return [text for text, band in pairs if text and text.strip() and band is None]


def _quoted(names: Sequence[str]) -> str:
    clean = ["".join(c for c in name if c.isprintable()).strip() for name in names[:_QUOTED]]
    more = f" and {len(names) - _QUOTED} more" if len(names) > _QUOTED else ""
    return ", ".join(f"'{name[:40]}'" for name in clean) + more


def _ignored(rest: int) -> str:
    return f" ({rest} other band{'s' * (rest > 1)} ignored)" if rest else ""


def _refusal(descriptions: Sequence[str | None], names: Names, found: Sequence[str]) -> str:
    count = len(names.bands)
    bands = f"{count} band{'s' * (count != 1)}"
    unknown = _unknown(descriptions, names)
    if names.numbered:
        first = _quoted([str(descriptions[0])])
        return (
            f"{FILE} has {bands} that are only numbered ({first} …), which does not show which of "
            f"Sentinel-2's they are: {_HOW}."
        )
    lacks = [band for band in REQUIRED if band not in found]
    if found or unknown:
        lack = f"{', '.join(lacks)} {'are' if len(lacks) > 1 else 'is'} missing"
        odd = f" (names that were not understood: {_quoted(unknown)})" if unknown else ""
        return f"{FILE} has {bands}, and {lack}{odd}: give at least B02, B03 and B04, and {_HOW}."
    return (
        f"{FILE} has {bands} without names, which does not show which of Sentinel-2's they are: "
        f"{_HOW}, or give all twelve Level-2A bands in the order "
        "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12."
    )
