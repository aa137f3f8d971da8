"""Reading stacks: all Sentinel-2 bands of a place in one GeoTIFF or JPEG 2000 file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rasterio.enums import MaskFlags
from rasterio.io import DatasetReader

from landcover.core.bands import ALIGNMENT, PATCH_PIXELS, PIXEL_M
from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray, Provenance, Raster
from landcover.core.window import Cut, Window
from landcover.io.band_order import BandOrder, order_of
from landcover.io.guard import (
    FILE,
    Part,
    RasterFile,
    check_size,
    fits_in_memory,
    named,
    open_raster,
    shown,
)
from landcover.io.regrid import (
    NO_PLACE,
    Raw,
    Target,
    crs_name,
    needed,
    regrid,
    regrid_reflected,
    target_of,
    window_of,
)
from landcover.io.sampling import lattice, squares
from landcover.io.scaling import (
    PLAIN,
    SHIFTED,
    UNITY,
    Scaling,
    darkest,
    looks_shifted,
    valid_numbers,
)
from landcover.io.sidecars import mask_beside
from landcover.io.stack_header import FLOAT_TYPES, Facts, check_kind, facts_of, stated_scaling

__all__ = ["FLOAT_FILL", "FLOAT_HIGH", "FLOAT_LOW", "read_stack"]

FLOAT_LOW: Final = -0.5
FLOAT_HIGH: Final = 3.0
"""In a float stack of reflectance, all but one percent at either end is in this range."""
FLOAT_FILL: Final = 10.0
"""A float with a larger absolute value is not reflectance but a fill value such as -9999."""


@dataclass(frozen=True)
class _Stack:
    """Contents of a stack's header."""

    order: BandOrder
    stated: Scaling | None
    facts: Facts
    window: Window
    target: Target

    @property
    def unsettled(self) -> bool:
        """Whether only the pixels can show if the offset of baseline 04.00 was removed."""
        return self.stated is None and (self.facts.newer or self.facts.offset_stated)


def read_stack(source: Path | bytes, name: str, cut: Cut | None = None) -> Raster:
    """Read a stack of Level-2A bands (or thirteen Level-1C ones) as reflectance.

    Any of the twelve bands that include B02, B03 and B04 are enough. Pixels are int16 or uint16
    digital numbers (reflectance × 10000), or floats that are plausible reflectance. The scale and
    offset stated in the file are applied. If its baseline or tags imply the offset of baseline
    04.00, but not whether it was removed, the dark pixels of the entire file decide.

    A projected north-up grid of 10 m on the ground is kept; any other is resampled to 10 m in the
    UTM zone of the place by nearest neighbour, so that each pixel keeps its spectrum. Pixels of a
    file without a position are assumed to measure 10 m. The provenance states what was done.

    Of a file of any size only the blocks that a cut touches are read, and a sample of the others
    if the pixels must decide on the scaling. A file on another grid that fits into memory is
    resampled completely, because the result depends on it.

    Args:
        source: a file (also JPEG 2000), or the bytes of one (GeoTIFF only).
        name: name of the file in the provenance and in messages; it may contain the date.
        cut: the square to read; None for everything.

    Returns:
        The square, or the entire raster. What is smaller than the square, or than 120 × 120 pixels,
        is padded with reflections.

    Raises:
        BadInput: it is not such a stack; the message says why and what to do.
    """
    with named(name), open_raster(source) as file:
        if cut is None:
            file.check_whole()
        stack = _stack_of(file.header, name)
        if cut is None:
            return _whole(file, stack, name)
        target = stack.target.window
        if cut.place is not None and target.crs == NO_PLACE:
            raise BadInput(
                f"{FILE} has no position on Earth (CRS and geotransform): give row and column of "
                "a window instead of a place, or set them with gdal_edit -a_srs -a_ullr."
            )
        if min(target.height, target.width) < cut.size:
            if cut.place is not None:  # report a place that is outside the file
                replace(cut, size=1).corner_in((target.height, target.width), where=target)
            return _whole(file, stack, name, cut.size).cut(cut)
        if not stack.target.same and file.fits and _fits(target, stack):
            return _whole(file, stack, name, cut.size).cut(cut)
        row, col = cut.corner_in((target.height, target.width), where=target, step=ALIGNMENT)
        window = target.part(row, col, cut.size, cut.size)
        if stack.target.same:
            raw = _read(file, stack, (row, col, cut.size, cut.size))
        else:
            raw = regrid(_read(file, stack, needed(stack.window, window)), window)
        sample = _sample(file, stack, raw)
    return _raster(raw, stack, name, sample)


def _stack_of(header: DatasetReader, name: str) -> _Stack:
    check_kind(header)
    order = order_of(header)
    stated = stated_scaling(header, order)
    if stated is None and header.dtypes[0] in FLOAT_TYPES:
        stated = UNITY
    window = window_of(header)
    target = target_of(window)
    target.check_size()
    return _Stack(order, stated, facts_of(header, order, name), window, target)


def _whole(file: RasterFile, stack: _Stack, name: str, least: int = PATCH_PIXELS) -> Raster:
    """Read the entire file on the target's grid, padded with reflections if it is small."""
    raw = _read(file, stack)
    if raw.numbers.dtype.kind == "f":
        _check_floats(raw.numbers, stack.stated or UNITY)
    if not raw.valid.any():
        raise _no_data()
    target = stack.target.at_least(least)
    if stack.target.same:
        return _raster(raw, stack, name, raw).padded(least)
    check_size(target.width, target.height, len(raw.numbers), raw.numbers.itemsize)
    if target == stack.target.window:
        raw = regrid(raw, target)
        return _raster(raw, stack, name, raw)
    raw, share = regrid_reflected(raw, target)
    raster = _raster(raw, stack, name, raw)
    return replace(raster, provenance=replace(raster.provenance, padded_fraction=share))


def _fits(target: Window, stack: _Stack) -> bool:
    """Whether the entire file fits into memory also after resampling, at 4 bytes a sample."""
    return fits_in_memory(target.width, target.height, len(stack.order.indexes), 4)


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
    shape = stack.window.height, stack.window.width

    def read(part: Part) -> Raw:
        return _read(file, stack, part)

    block = file.header.block_shapes[0][0]
    sample = lattice(read, shape, block) if file.fits else squares(read, shape)
    if floats:
        _check_floats(sample.numbers, stack.stated or UNITY)
    if sample.valid.any():
        return sample
    if file.fits and sample.valid.size == stack.window.height * stack.window.width:
        raise _no_data()
    return raw


def _raster(raw: Raw, stack: _Stack, name: str, sample: Raw) -> Raster:
    """Convert what was read to reflectance, with the scaling derived from a sample."""
    scaling, said = _scaling(stack, sample)
    reflectance = scaling.apply(raw.numbers, raw.valid)
    valid = raw.valid & valid_numbers(raw.numbers, shifted=scaling is SHIFTED)
    reflectance[:, ~valid] = 0
    zeros = int(((raw.numbers == 0).any(axis=0) & valid).sum())
    notes = stack.order.notes + stack.facts.notes + _grid_notes(stack.target)
    if zeros and scaling is not UNITY:
        notes += (f"{zeros} pixels have DN 0 in some band, taken as a reflectance of 0",)
    placed = raw.window.crs != NO_PLACE
    return Raster(
        data=reflectance,
        valid=valid,
        crs=crs_name(raw.window) if placed else None,
        transform=raw.window.transform if placed else None,
        pixel_m=float(PIXEL_M),
        acquired=stack.facts.acquired,
        bands=stack.order.bands,
        provenance=Provenance(
            source=shown(name),
            level=stack.facts.level,
            baseline=stack.facts.baseline,
            scaling=said,
            resampling=stack.target.resampling,
            native_pixel_m=stack.target.native_pixel_m,
            band_order=stack.order.description,
            missing_bands=stack.order.missing,
            notes=notes,
        ),
    )


def _grid_notes(target: Target) -> tuple[str, ...]:
    if target.window.crs == NO_PLACE:
        return (f"the place is unknown; pixels were taken to measure {PIXEL_M} m",)
    if target.native_pixel_m is not None:
        side = f"{target.native_pixel_m:g} m"
        return (f"the source has pixels of {side}: detail finer than {side} is missing",)
    return ()


def _declared_valid(
    file: RasterFile,
    stack: _Stack,
    numbers: npt.NDArray[Any],
    part: Part | None,
) -> BoolArray:
    """Pixels that neither the file's nodata value nor its mask excludes."""
    header = file.header
    valid = np.ones(numbers.shape[1:], dtype=np.bool_)
    if stack.order.alpha is not None:
        valid &= file.read([stack.order.alpha], part)[0] > 0
    elif MaskFlags.per_dataset in header.mask_flag_enums[0]:
        valid &= file.read_mask(part)
    elif (beside := mask_beside(header, part)) is not None:
        valid &= beside
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
