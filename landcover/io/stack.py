"""Reading stacks: all Sentinel-2 bands of a place in one GeoTIFF or JPEG 2000 file."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader

from landcover.core.bands import ALIGNMENT, PATCH_PIXELS, PIXEL_M
from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray, Provenance, Raster
from landcover.core.window import Cut, Window
from landcover.io.band_order import BandOrder, band_order
from landcover.io.guard import (
    FILE,
    Part,
    RasterFile,
    check_size,
    named,
    open_raster,
    shown,
    tags_of,
)
from landcover.io.names import baseline_in, level_in, time_in
from landcover.io.regrid import Raw, crs_name, is_10_m, needed, regrid, target_of, window_of
from landcover.io.scaling import (
    OFFSET_BASELINE,
    PLAIN,
    SHIFTED,
    UNITY,
    Scaling,
    darkest,
    looks_shifted,
    valid_numbers,
)

__all__ = [
    "FLOAT_FILL",
    "FLOAT_HIGH",
    "FLOAT_LOW",
    "FLOAT_TYPES",
    "INTEGER_TYPES",
    "SAMPLE_PIXELS",
    "SAMPLE_SIDE",
    "SAMPLE_SQUARES",
    "STATED",
    "Facts",
    "check_kind",
    "facts_of",
    "read_stack",
    "stated_scaling",
]

INTEGER_TYPES: Final = ("uint16", "int16")
FLOAT_TYPES: Final = ("float32", "float64")

STATED: Final[dict[tuple[float, float], Scaling | None]] = {
    (1.0, 0.0): None,
    (0.0001, 0.0): PLAIN,
    (0.0001, -0.1): SHIFTED,
    (1.0, -1000.0): SHIFTED,
}
"""Scale and offset stated in a file → the scaling; None if they are the default."""

FLOAT_LOW: Final = -0.5
FLOAT_HIGH: Final = 3.0
"""In a float stack of reflectance, all but one percent at either end is in this range."""
FLOAT_FILL: Final = 10.0
"""A float with a larger absolute value is not reflectance but a fill value such as -9999."""

SAMPLE_PIXELS: Final = 1_000_000
"""Number of pixels sampled to find the scaling of a file that fits into memory."""
SAMPLE_SQUARES: Final = 4
SAMPLE_SIDE: Final = 256
"""A larger file is sampled by 4 × 4 squares with this number of pixels along a side."""

_TIME_TAGS: Final = re.compile("acquisition|sensing|^datetime$|^date$", re.IGNORECASE)


@dataclass(frozen=True)
class Facts:
    """Metadata from the tags and the name of a file."""

    level: str
    baseline: str | None
    offset_stated: bool
    acquired: datetime | None
    notes: tuple[str, ...]

    @property
    def newer(self) -> bool:
        """Whether this processing baseline adds 1000 to the digital numbers."""
        return self.baseline is not None and OFFSET_BASELINE <= float(self.baseline) < 90


@dataclass(frozen=True)
class _Stack:
    """Contents of a stack's header."""

    order: BandOrder
    alpha: bool
    stated: Scaling | None
    facts: Facts
    window: Window

    @property
    def unsettled(self) -> bool:
        """Whether only the pixels can show if the offset of baseline 04.00 was removed."""
        return self.stated is None and (self.facts.newer or self.facts.offset_stated)


def read_stack(source: Path | bytes, name: str, cut: Cut | None = None) -> Raster:
    """Read a stack of twelve Level-2A bands (or thirteen Level-1C ones) as reflectance.

    Pixels are int16 or uint16 digital numbers (reflectance × 10000), or floats that are
    plausible reflectance. A projected north-up grid of 10 m is kept; any other is resampled to
    10 m in the UTM zone of the place by nearest neighbour, so that each pixel keeps its
    spectrum. The scale and offset stated in the file are applied. If its baseline or tags imply
    the offset of baseline 04.00, but not whether it was removed, the dark pixels of the entire
    file decide. The provenance states what was done.

    Of a file of any size only the blocks that a cut touches are read, and a sample of the others
    if the pixels must decide on the scaling. A file on another grid that fits into memory is
    resampled completely, because the result depends on it.

    Args:
        source: a file (also JPEG 2000), or the bytes of one (GeoTIFF only).
        name: name of the file in the provenance and in messages; it may contain the date.
        cut: the square to read; None for everything.

    Returns:
        The square, or the entire raster of at least 120 × 120 pixels.

    Raises:
        BadInput: it is not such a stack; the message says why and what to do.
    """
    with named(name), open_raster(source) as file:
        if cut is None:
            file.check_whole()
        stack = _stack_of(file.header, name)
        if cut is None:
            return _whole(file, stack, name)
        if is_10_m(stack.window):
            row, col = _corner(stack.window, cut)
            raw, resampling = _read(file, stack, (row, col, cut.size, cut.size)), "none"
        elif file.fits:
            return _whole(file, stack, name, cut.size).cut(cut)
        else:
            target, resampling = target_of(stack.window)
            row, col = _corner(target, cut)
            window = target.part(row, col, cut.size, cut.size)
            raw = regrid(_read(file, stack, needed(stack.window, window)), window)
        sample = _sample(file, stack, raw)
    return _raster(raw, stack, name, sample, resampling)


def _stack_of(header: DatasetReader, name: str) -> _Stack:
    check_kind(header)
    # An alpha channel after the bands is a mask, not a band.
    alpha = header.count in {13, 14} and header.colorinterp[-1] == ColorInterp.alpha
    order = band_order(header.descriptions[:-1] if alpha else header.descriptions)
    stated = stated_scaling(header, order)
    if stated is None and header.dtypes[0] in FLOAT_TYPES:
        stated = UNITY
    return _Stack(order, alpha, stated, facts_of(header, order, name), window_of(header))


def _whole(file: RasterFile, stack: _Stack, name: str, least: int = PATCH_PIXELS) -> Raster:
    raw, resampling = _read(file, stack), "none"
    if raw.numbers.dtype.kind == "f":
        _check_floats(raw.numbers, stack.stated or UNITY)
    if not is_10_m(raw.window):
        target, resampling = target_of(raw.window)
        check_size(target.width, target.height, len(raw.numbers), raw.numbers.itemsize)
        raw = regrid(raw, target)
    if not raw.valid.any():
        raise _no_data()
    _check_side(raw.window, least)
    return _raster(raw, stack, name, raw, resampling)


def _corner(window: Window, cut: Cut) -> tuple[int, int]:
    """Row and column of a cut's upper left pixel."""
    _check_side(window, cut.size)
    return cut.corner_in((window.height, window.width), where=window, step=ALIGNMENT)


def _check_side(window: Window, least: int) -> None:
    if min(window.height, window.width) < least:
        raise BadInput(
            f"{FILE} covers {window.width} × {window.height} pixels of 10 m: "
            f"give at least {least} × {least} ({least * PIXEL_M} m)."
        )


def _no_data() -> BadInput:
    return BadInput(f"{FILE} has no data in any pixel: choose another part or another date.")


def _read(file: RasterFile, stack: _Stack, part: Part | None = None) -> Raw:
    """Read the stack's bands of a part of the file, and where they are valid."""
    numbers = file.read(stack.order.indexes, part)
    valid = _declared_valid(file, stack, numbers, part)
    if numbers.dtype.kind == "f":
        # NaN and infinities fail this comparison too.
        limit = FLOAT_FILL / (stack.stated or UNITY).scale
        valid &= (np.abs(numbers) <= limit).all(axis=0)
    valid &= valid_numbers(numbers, shifted=stack.stated is SHIFTED)
    return Raw(numbers, valid, stack.window if part is None else stack.window.part(*part))


def _sample(file: RasterFile, stack: _Stack, raw: Raw) -> Raw:
    """Pixels from all over the file, from which the scaling is derived.

    All parts of a file must get the same scaling. If the header defines it, the part that was
    read is used.

    Raises:
        BadInput: the floats are not reflectance, or no pixel has data.
    """
    floats = raw.numbers.dtype.kind == "f"
    if not floats and not stack.unsettled and raw.valid.any():
        return raw
    sample = _lattice(file, stack) if file.fits else _squares(file, stack)
    if floats:
        _check_floats(sample.numbers, stack.stated or UNITY)
    if sample.valid.any():
        return sample
    if file.fits and sample.valid.size == stack.window.height * stack.window.width:
        raise _no_data()
    return raw


def _lattice(file: RasterFile, stack: _Stack) -> Raw:
    """Every n-th pixel along both sides of the entire file, read strip by strip."""
    height, width = stack.window.height, stack.window.width
    step = math.ceil(math.sqrt(height * width / SAMPLE_PIXELS))
    block = file.header.block_shapes[0][0]
    rows = step * math.ceil(max(SAMPLE_SIDE, block) / step)
    parts = []
    for row in range(0, height, rows):
        strip = _read(file, stack, (row, 0, min(rows, height - row), width))
        thin = strip.numbers[:, ::step, ::step].copy(), strip.valid[::step, ::step].copy()
        parts.append(Raw(*thin, strip.window))
    return _joined(parts)


def _squares(file: RasterFile, stack: _Stack) -> Raw:
    """Squares spread evenly over the entire file."""
    height, width = stack.window.height, stack.window.width
    side = min(SAMPLE_SIDE, height, width)
    places = [(i + 0.5) / SAMPLE_SQUARES for i in range(SAMPLE_SQUARES)]
    corners = [(int((height - side) * y), int((width - side) * x)) for y in places for x in places]
    return _joined([_read(file, stack, (*corner, side, side)) for corner in corners])


def _joined(parts: Sequence[Raw]) -> Raw:
    """Stack parts of equal width below each other; their position does not matter."""
    numbers = np.concatenate([part.numbers for part in parts], axis=1)
    return Raw(numbers, np.concatenate([part.valid for part in parts]), parts[0].window)


def _raster(raw: Raw, stack: _Stack, name: str, sample: Raw, resampling: str) -> Raster:
    """Convert what was read to reflectance, with the scaling derived from a sample."""
    scaling, said = _scaling(stack, sample)
    reflectance = scaling.apply(raw.numbers, raw.valid)
    valid = raw.valid & valid_numbers(raw.numbers, shifted=scaling is SHIFTED)
    reflectance[:, ~valid] = 0
    zeros = int(((raw.numbers == 0).any(axis=0) & valid).sum())
    notes = stack.facts.notes
    if zeros and scaling is not UNITY:
        notes += (f"{zeros} pixels have DN 0 in some band, taken as a reflectance of 0",)
    return Raster(
        data=reflectance,
        valid=valid,
        crs=crs_name(raw.window),
        transform=raw.window.transform,
        acquired=stack.facts.acquired,
        bands=stack.order.bands,
        provenance=Provenance(
            source=shown(name),
            level=stack.facts.level,
            baseline=stack.facts.baseline,
            scaling=said,
            resampling=resampling,
            band_order=stack.order.description,
            notes=notes,
        ),
    )


def check_kind(raster: DatasetReader) -> None:
    """Check that the pixels have a type that stacks have.

    Raises:
        BadInput: it is a photo, or its pixels are neither 16-bit integers nor floats.
    """
    kinds = sorted(set(raster.dtypes))
    if raster.count in {3, 4} and kinds == ["uint8"]:
        raise BadInput(
            f"{FILE} is an RGB photo of 8 bits, which has no reflectance: "
            "give a GeoTIFF with the twelve Sentinel-2 Level-2A bands."
        )
    if len(kinds) != 1 or kinds[0] not in INTEGER_TYPES + FLOAT_TYPES:
        raise BadInput(
            f"{FILE} has {raster.count} band{'s' * (raster.count != 1)} of type "
            f"{', '.join(kinds)}: give the twelve Level-2A bands as "
            "uint16 or int16 digital numbers (reflectance × 10000)."
        )


def stated_scaling(raster: DatasetReader, order: BandOrder) -> Scaling | None:
    """The scaling that the file's own scale and offset state, None if it states none.

    Raises:
        BadInput: they are not those of Sentinel-2.
    """
    pairs = {(raster.scales[i - 1], raster.offsets[i - 1]) for i in order.indexes}
    for (scale, offset), meaning in STATED.items():
        if all(np.allclose(pair, (scale, offset), rtol=1e-4, atol=1e-9) for pair in pairs):
            return meaning
    raise BadInput(
        f"{FILE} states a scale or offset other than Sentinel-2's (0.0001 and 0 or -0.1): "
        "export digital numbers (reflectance × 10000) without a scale."
    )


def facts_of(raster: DatasetReader, order: BandOrder, name: str) -> Facts:
    """Read the metadata in tags and name; a date from the file's time stamp gets a note."""
    tags = tags_of(raster)
    levels = [level_in(value) for key, value in tags.items() if "level" in key.lower()]
    level = next((found for found in levels if found), None) or level_in(name)
    if "B10" in order.bands:
        level = "L1C"
    times = [time_in(value) for key, value in tags.items() if _TIME_TAGS.search(key)]
    acquired = next((found for found in times if found), None) or time_in(name)
    notes: tuple[str, ...] = ()
    if acquired is None:
        stamp = tags.get("TIFFTAG_DATETIME", "").replace(":", "-", 2)
        if (acquired := time_in(stamp)) is not None:
            notes = ("the date is the file's own time stamp, which may not be the sensing date",)
    offsets = [value for key, value in tags.items() if "add_offset" in key.lower()]
    return Facts(
        level=level or "L2A",
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


def _declared_valid(
    file: RasterFile,
    stack: _Stack,
    numbers: npt.NDArray[Any],
    part: Part | None,
) -> BoolArray:
    """Pixels that neither the file's nodata value nor its mask excludes."""
    header = file.header
    valid = np.ones(numbers.shape[1:], dtype=np.bool_)
    if stack.alpha:
        valid &= file.read([header.count], part)[0] > 0
    elif MaskFlags.per_dataset in header.mask_flag_enums[0]:
        valid &= file.read_mask(part)
    for pixels, index in zip(numbers, stack.order.indexes, strict=True):
        declared = header.nodatavals[index - 1]
        # 0 is checked over all bands together, because dark water has single zeros.
        if declared is not None and declared != 0:
            valid &= pixels != declared
    return valid


def _check_floats(numbers: npt.NDArray[Any], scaling: Scaling) -> None:
    """Check that floats are reflectance."""
    limit = FLOAT_FILL / scaling.scale
    values = numbers[(np.abs(numbers) <= limit) & (numbers != 0)]
    finite = int((np.isfinite(numbers) & (numbers != 0)).sum())
    if values.size < finite / 2:
        raise BadInput(
            f"{FILE} contains floats that are not reflectance (most exceed {limit:g}): "
            "export digital numbers as uint16 (reflectance × 10000), or reflectance from 0 to 1."
        )
    if not values.size:
        return
    step = max(1, values.size // 500_000)
    reflectance = values[::step] * scaling.scale + scaling.offset
    low, high = np.percentile(reflectance, [1, 99])
    if low < FLOAT_LOW or high > FLOAT_HIGH:
        raise BadInput(
            f"{FILE} contains floats from about {low:.3g} to {high:.3g}, which are not "
            "reflectance: export reflectance from 0 to 1, or uint16 (reflectance × 10000)."
        )


def _scaling(stack: _Stack, sample: Raw) -> tuple[Scaling, str]:
    """The scaling, and its description for the provenance."""
    stated, facts = stack.stated, stack.facts
    if stated is not None:
        origin = "" if stated is UNITY else ", as the file states"
        return stated, stated.description + origin
    if not stack.unsettled:
        return PLAIN, PLAIN.description
    why = f"baseline {facts.baseline}" if facts.newer else "the offset in the tags"
    plain = PLAIN.apply(sample.numbers, sample.valid)[:, sample.valid]
    if plain.size and looks_shifted(darkest(plain)):
        return SHIFTED, f"{SHIFTED.description}: {why}, confirmed by the dark pixels"
    return PLAIN, f"{PLAIN.description}: {why}, but the dark pixels show that it was removed"
