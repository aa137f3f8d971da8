"""Deciding by the pixels what a stack's header leaves open: scale, fill values and level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.core.bands import NODATA
from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray
from landcover.io.fill import CUSTOMARY, equal_in_all_bands, find_fill_values, is_fill
from landcover.io.guard import FILE
from landcover.io.level import CIRRUS, PIXELS_OF_1C, is_empty, level_of_pixels
from landcover.io.regrid import Raw
from landcover.io.sampling import SAMPLE_PIXELS
from landcover.io.scale_by_content import (
    BRIGHTEST,
    DARKEST,
    HINT,
    OFFSET_NUMBER,
    check_reflectance,
    recognise_scaling,
    wrapped,
)
from landcover.io.scaling import (
    DARK_LOW,
    PERCENT,
    PLAIN,
    SHIFTED,
    UNITY,
    Scaling,
    darkest,
    looks_shifted,
    valid_numbers,
)
from landcover.io.stack_header import Facts

__all__ = ["Content", "Stated", "content_of", "settled_content"]

_LARGEST: Final = 1e10
"""No form of reflectance has larger numbers, also if they wrapped around in 32 bits; floats such as
-3.4e38 are fill values."""
_ENOUGH: Final = 100_000
"""Number of pixels that are enough for percentiles."""
_ABOVE: Final = 10.0
"""A reflectance above this is a fill value, not a measurement."""


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What the header states.

    Attributes:
        bands: names of the bands that were read, in their order.
        scaling: the scaling by the file's own scale and offset; None if it states none.
        facts: level, processing baseline and offset.
    """

    bands: tuple[str, ...]
    scaling: Scaling | None
    facts: Facts

    @property
    def offset_open(self) -> bool:
        """Whether only the pixels can show if the offset of baseline 04.00 was removed."""
        return self.scaling is None and (self.facts.newer or self.facts.offset_stated)


@dataclass(frozen=True, kw_only=True)
class Content:
    """How the numbers of a file are read.

    Attributes:
        bands: names of the bands to keep.
        scaling: from numbers to reflectance.
        scaling_text: the scaling and its reason, for the provenance.
        fill_values: undeclared numbers that mark pixels without data.
        level: product level.
        notes: for the provenance.
    """

    bands: tuple[str, ...]
    scaling: Scaling
    scaling_text: str
    fill_values: tuple[float, ...] = ()
    level: str
    notes: tuple[str, ...] = ()

    def mask(self, raw: Raw, bands: Sequence[str]) -> Raw:
        """Keep the bands and the valid pixels of what was read; numbers stay as stored."""
        numbers = raw.numbers
        if tuple(bands) != self.bands:
            numbers = numbers[[bands.index(name) for name in self.bands]]
        valid = raw.valid & ~_gaps(numbers, self.fill_values)
        valid &= valid_numbers(numbers, shifted=self.scaling is SHIFTED)
        for pixels in numbers:
            valid &= self._is_reflectance(pixels)
        return Raw(numbers, valid, raw.window)

    def with_fill_values_of(self, raw: Raw, bands: Sequence[str]) -> Content:
        """Add fill values of a part of the file, in areas that the sample missed."""
        kept = raw.numbers[[bands.index(name) for name in self.bands]]
        found = find_fill_values(kept, raw.valid)
        more = tuple(value for value in found if value not in self.fill_values)
        return replace(
            self, fill_values=self.fill_values + more, notes=self.notes + _fill_notes(more)
        )

    def _is_reflectance(self, pixels: npt.NDArray[Any]) -> BoolArray | np.bool_:
        """Which pixels ``(y, x)`` of one band can be reflectance."""
        scale, offset = self.scaling.scale, self.scaling.offset
        low, high = (DARKEST - offset) / scale, (_ABOVE - offset) / scale
        first = 2**16 - OFFSET_NUMBER
        # Nearly always all are, which their range shows in a fifth of the time; NaN fails it.
        if pixels.size and pixels.min() >= low and pixels.max() <= min(high, first - 1):
            return np.True_
        # NaN and infinities fail these comparisons too.
        found: BoolArray = (pixels >= low) & (pixels <= high)
        if first * scale + offset > BRIGHTEST and (pixels >= first).any():
            found &= ~wrapped(pixels)
        return found


def settled_content(raw: Raw, stated: Stated) -> Content | None:
    """How a part of a file is read, if it needs no sample of the rest to be read like the rest.

    This is so if integers are digital numbers by the file's statement or, without one, by their
    range, and no pixel looks like a fill value. None if a sample must decide.
    """
    if raw.numbers.dtype.kind == "f" or stated.offset_open:
        return None
    if "B10" in stated.bands and stated.facts.level is None:
        return None
    if equal_in_all_bands(raw.numbers, raw.valid).any():
        return None
    try:
        found = content_of(raw, stated)
    except BadInput:
        return None
    usual = found.scaling is (stated.scaling or PLAIN)
    return found if usual and found.mask(raw, stated.bands).valid.any() else None


def content_of(sample: Raw, stated: Stated) -> Content:
    """Decide how a file is read, from a sample of its pixels.

    Raises:
        BadInput: the numbers cannot be reflectance at any scale, or not at the stated one.
    """
    sample = _thinned(sample)
    kept, why = _filled_bands(sample, stated)
    numbers = sample.numbers[[stated.bands.index(name) for name in kept]]
    fill_values = find_fill_values(numbers, sample.valid)
    measured = sample.valid & ~_gaps(numbers, fill_values)
    valid = measured & valid_numbers(numbers)
    for band in numbers:
        valid &= (band >= -_LARGEST) & (band <= _LARGEST)
    pixels = numbers[:, valid]
    pixels = pixels[:, :: max(1, pixels.shape[1] // _ENOUGH)]
    if not pixels.size:
        _check_some_number(numbers, measured)
        scaling = stated.scaling or (UNITY if numbers.dtype.kind == "f" else PLAIN)
        level = stated.facts.level or ("L1C" if "B10" in kept else "L2A")
        return Content(
            bands=kept,
            scaling=scaling,
            scaling_text=scaling.description,
            fill_values=fill_values,
            level=level,
            notes=_fill_notes(fill_values),
        )
    scaling, scaling_text = _scaling(pixels, kept, stated)
    found = Content(
        bands=kept,
        scaling=scaling,
        scaling_text=scaling_text,
        fill_values=fill_values,
        level="L2A",
        notes=_fill_notes(fill_values),
    )
    return _with_level(found, scaling.of(pixels).astype(np.float32), stated, why)


def _thinned(sample: Raw) -> Raw:
    """Every n-th pixel, so that a decision costs the same for a sample of any size."""
    step = int(np.ceil(np.sqrt(max(1.0, sample.valid.size / SAMPLE_PIXELS))))
    return Raw(sample.numbers[:, ::step, ::step], sample.valid[::step, ::step], sample.window)


def _filled_bands(sample: Raw, stated: Stated) -> tuple[tuple[str, ...], str]:
    """The bands without an empty B10, and a note if it is empty; Level-1C keeps its B10."""
    bands = stated.bands
    if "B10" not in bands or stated.facts.level == "L1C":
        return bands, ""
    measured = sample.valid & ~equal_in_all_bands(sample.numbers, sample.valid)
    if not is_empty(sample.numbers[bands.index("B10")][measured]):
        return bands, ""
    kept = tuple(name for name in bands if name != "B10")
    return kept, "B10 has a single value everywhere and was left out"


def _fill_notes(fill_values: tuple[float, ...]) -> tuple[str, ...]:
    return tuple(
        f"pixels with {value:g} in all bands were taken as without data, though the file does not "
        "declare this value"
        for value in fill_values
    )


def _gaps(numbers: npt.NDArray[Any], fill_values: tuple[float, ...]) -> BoolArray:
    # A negative customary fill value is no reflectance, so one band with it is enough.
    single = [value for value in fill_values if value in CUSTOMARY and value < 0]
    return is_fill(numbers, fill_values, any_band=False) | is_fill(numbers, single, any_band=True)


def _check_some_number(numbers: npt.NDArray[Any], valid: BoolArray) -> None:
    """Check that a sample without usable pixels has none because it is empty."""
    values = numbers[:, valid]
    if (np.isfinite(values) & (values != NODATA)).any():
        raise BadInput(
            f"{FILE} holds only fill values or numbers beyond ±{_LARGEST:,.0f}, which are not "
            f"reflectance: {HINT}."
        )


def _scaling(
    pixels: npt.NDArray[Any], bands: tuple[str, ...], stated: Stated
) -> tuple[Scaling, str]:
    """The scaling, and its description for the provenance."""
    if stated.scaling is not None:
        check_reflectance(stated.scaling.of(pixels), bands, stated.scaling)
        return stated.scaling, f"{stated.scaling.description}, as the file states"
    scaling, clause = recognise_scaling(pixels, bands, floats=pixels.dtype.kind == "f")
    dark = darkest(scaling.of(pixels))
    if scaling is PLAIN and stated.offset_open:
        facts = stated.facts
        why = f"baseline {facts.baseline}" if facts.newer else "the offset in the tags"
        if looks_shifted(dark):
            return SHIFTED, f"{SHIFTED.description}: {why}, confirmed by the dark pixels"
        removed = f"{why}, but the dark pixels show that it was removed"
        return PLAIN, f"{PLAIN.description}: {removed}"
    if not clause:
        return scaling, scaling.description
    if scaling is PERCENT and pixels.dtype.kind in "iu":
        clause += ", in whole steps that are coarse for dark bands"
    agree = "agree" if dark < DARK_LOW else "neither confirm nor contradict it"
    return scaling, f"{scaling.description}: {clause}; the darkest pixels ({dark:.3f}) {agree}"


def _with_level(
    found: Content, reflectance: npt.NDArray[np.float32], stated: Stated, why: str
) -> Content:
    """Add the level: what the file states, else what the pixels show, else what the bands mean."""
    shown = level_of_pixels(reflectance, found.bands)
    level = stated.facts.level or shown or ("L1C" if "B10" in found.bands else "L2A")
    notes = found.notes + ((why,) if why else ())
    bands = found.bands
    if level == "L2A" and "B10" in bands:
        _check_cirrus(reflectance[bands.index("B10")])
        bands = tuple(name for name in bands if name != "B10")
        notes += ("B10 was left out, which Level-2A does not have",)
    if stated.facts.level is None and level == "L1C" and "B10" not in bands:
        notes += (PIXELS_OF_1C,)
    return replace(found, bands=bands, level=level, notes=notes)


def _check_cirrus(reflectance: npt.NDArray[np.float32]) -> None:
    """Check that a band of a Level-2A file can be B10, in which the air absorbs nearly all."""
    if float(np.median(reflectance)) > CIRRUS:
        raise BadInput(
            f"{FILE} is as bright in B10 as a surface, though only high clouds are bright there, "
            "so its bands are in another order: name the bands in the file, or give the twelve "
            "of Level-2A."
        )
