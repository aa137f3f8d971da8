"""Metadata of a stack's header: type of the pixels, stated scale, level, baseline and date."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from rasterio.io import DatasetReader

from landcover.core.errors import BadInput
from landcover.io.band_order import BandOrder
from landcover.io.guard import FILE, tags_of
from landcover.io.names import baseline_in, level_in, time_in
from landcover.io.scaling import OFFSET_BASELINE, PLAIN, SHIFTED, Scaling

__all__ = [
    "STATED",
    "TYPES",
    "Facts",
    "check_kind",
    "facts_of",
    "stated_scaling",
]

TYPES: Final = frozenset(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)) | {
    "float32",
    "float64",
}
"""Types of pixels that can hold reflectance."""

STATED: Final[dict[tuple[float, float], Scaling | None]] = {
    (1.0, 0.0): None,
    (0.0001, 0.0): PLAIN,
    (0.0001, -0.1): SHIFTED,
    (1.0, -1000.0): SHIFTED,
}
"""Scale and offset stated in a file → the scaling; None if they are the default."""

_TIME_TAGS: Final = re.compile("acquisition|sensing|^datetime$|^date$", re.IGNORECASE)


@dataclass(frozen=True)
class Facts:
    """Metadata from the tags and the name of a file."""

    level: str | None
    baseline: str | None
    offset_stated: bool
    acquired: datetime | None
    notes: tuple[str, ...]

    @property
    def newer(self) -> bool:
        """Whether this processing baseline adds 1000 to the digital numbers."""
        return self.baseline is not None and OFFSET_BASELINE <= float(self.baseline) < 90


def check_kind(raster: DatasetReader) -> None:
    """Check that the pixels have a type that stacks have.

    Raises:
        BadInput: it is a photo, or its pixels are complex or of several types, or have 8 bits
            and no stated scale.
    """
    kinds = sorted(set(raster.dtypes))
    if raster.count in {3, 4} and kinds == ["uint8"]:
        raise BadInput(
            f"{FILE} is an RGB photo of 8 bits, which has no reflectance: "
            "give a GeoTIFF with the twelve Sentinel-2 Level-2A bands."
        )
    bands = f"{raster.count} band{'s' * (raster.count != 1)} of type {', '.join(kinds)}"
    if len(kinds) != 1 or kinds[0] not in TYPES:
        raise BadInput(
            f"{FILE} has {bands}: give the twelve Level-2A bands as "
            "uint16 or int16 digital numbers (reflectance × 10000)."
        )
    if kinds[0] in {"uint8", "int8"} and set(raster.scales) == {1.0}:
        raise BadInput(
            f"{FILE} has {bands}, which is too coarse for digital numbers and does not show its "
            "scale: export uint16 digital numbers (reflectance × 10000), or state the scale in "
            "the file (gdal_edit -scale, for example 0.01 for percent)."
        )


def stated_scaling(raster: DatasetReader, order: BandOrder) -> Scaling | None:
    """The scaling that the file's own scale and offset state, None if it states none.

    Raises:
        BadInput: they differ between the bands, or the scale is not a positive number.
    """
    pairs = [(raster.scales[i - 1], raster.offsets[i - 1]) for i in order.indexes]
    for (scale, offset), meaning in STATED.items():
        if all(np.allclose(pair, (scale, offset), rtol=1e-4, atol=1e-9) for pair in pairs):
            return meaning
    scale, offset = pairs[0]
    if len(set(pairs)) > 1 or not (math.isfinite(scale * offset) and 0 < scale < 1):
        raise BadInput(
            f"{FILE} states a scale of {scale:g} and an offset of {offset:g} for its first band, "
            "and other bands may differ, which cannot give reflectance: export digital numbers "
            "(reflectance × 10000) without a scale, or state 0.0001."
        )
    shift = f" {'+' if offset > 0 else '−'} {abs(offset):g}" if offset else ""
    return Scaling(scale, offset, f"reflectance = number × {scale:g}{shift}")


def facts_of(raster: DatasetReader, name: str) -> Facts:
    """Read the metadata in tags and name; a date from the file's time stamp gets a note."""
    tags = tags_of(raster)
    levels = [level_in(value) for key, value in tags.items() if "level" in key.lower()]
    level = next((found for found in levels if found), None) or level_in(name)
    times = [time_in(value) for key, value in tags.items() if _TIME_TAGS.search(key)]
    acquired = next((found for found in times if found), None) or time_in(name)
    notes: tuple[str, ...] = ()
    if acquired is None:
        stamp = tags.get("TIFFTAG_DATETIME", "").replace(":", "-", 2)
        if (acquired := time_in(stamp)) is not None:
            notes = ("the date is the file's own time stamp, which may not be the sensing date",)
    offsets = [value for key, value in tags.items() if "add_offset" in key.lower()]
    return Facts(
        level=level,
        baseline=_baseline(tags, name),
        offset_stated=any("-1000" in value for value in offsets),
        acquired=acquired,
        notes=notes,
    )


def _baseline(tags: dict[str, str], name: str) -> str | None:
    for key, value in tags.items():
        if "baseline" in key.lower() and (found := re.fullmatch(r"\s*N?0?(\d)\.?(\d\d)\s*", value)):
            return f"0{found.group(1)}.{found.group(2)}"
    return baseline_in(name)
