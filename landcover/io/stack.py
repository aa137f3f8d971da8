"""Reading stacks: all Sentinel-2 bands of a place in one GeoTIFF or JPEG 2000 file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.enums import MaskFlags
from rasterio.io import DatasetReader

from landcover.core.bands import ALIGNMENT, PATCH_PIXELS, PIXEL_M
from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray, Provenance, Raster
from landcover.core.window import Cut, Window
from landcover.io.band_order import BandOrder, order_of
from landcover.io.content import Content, Stated, content_of, settled_content
from landcover.io.guard import (
    FILE,
    Part,
    RasterFile,
    check_size,
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
from landcover.io.sampling import (
    FEW_SQUARES,
    FINER_SIDE,
    FINER_SQUARES,
    LEAST_SAMPLED,
    PartReader,
    lattice,
    squares,
)
from landcover.io.scaling import UNITY, any_empty
from landcover.io.sidecars import mask_beside
from landcover.io.stack_header import check_kind, facts_of, stated_scaling
from landcover.io.stored import Stored

__all__ = ["Stack", "decided", "raw_at", "raw_of", "read_stack", "stack_of", "stored_of"]


@dataclass(frozen=True)
class Stack:
    """Contents of a stack's header."""

    order: BandOrder
    stated: Stated
    window: Window
    target: Target
    kind: str


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
    if the pixels must decide on the scaling.

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
        stack = stack_of(file.header, name)
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
        row, col = cut.corner_in((target.height, target.width), where=target, step=ALIGNMENT)
        window = target.part(row, col, cut.size, cut.size)
        same = stack.target.same
        part = (row, col, cut.size, cut.size) if same else needed(stack.window, window)
        raw = raw_of(file, stack, part)
        content = _content(file, stack, raw)
        raw = content.mask(raw, stack.order.bands)
    return stored_of(raw if same else regrid(raw, window), stack, name, content).raster()


def stack_of(header: DatasetReader, name: str) -> Stack:
    """Read the header of a stack; ``name`` may contain its date.

    Raises:
        BadInput: it is not a stack of Sentinel-2's bands.
    """
    check_kind(header)
    order = order_of(header)
    stated = Stated(
        bands=order.bands,
        scaling=stated_scaling(header, order),
        facts=facts_of(header, name),
    )
    window = window_of(header)
    target = target_of(window)
    target.check_size()
    return Stack(order, stated, window, target, header.dtypes[0])


def _whole(file: RasterFile, stack: Stack, name: str, least: int = PATCH_PIXELS) -> Raster:
    """Read the entire file on the target's grid, padded with reflections if it is small."""
    raw = raw_of(file, stack)
    content = content_of(raw, stack.stated)
    raw = content.mask(raw, stack.order.bands)
    if not raw.valid.any():
        raise _no_data()
    target = stack.target.at_least(least)
    if stack.target.same:
        return stored_of(raw, stack, name, content).raster().padded(least)
    check_size(target.width, target.height, len(raw.numbers), raw.numbers.itemsize)
    if target == stack.target.window:
        return stored_of(regrid(raw, target), stack, name, content).raster()
    raw, measured = regrid_reflected(raw, target)
    return replace(stored_of(raw, stack, name, content).raster(), measured=measured)


def _no_data() -> BadInput:
    return BadInput(f"{FILE} has no data in any pixel: choose another part or another date.")


def raw_of(file: RasterFile, stack: Stack, part: Part | None = None) -> Raw:
    """Read the stack's bands of a part of the file, and where they are valid."""
    numbers = file.read(stack.order.indexes, part)
    valid = _declared_valid(file, stack, numbers, part)
    return Raw(numbers, valid, stack.window if part is None else stack.window.part(*part))


def raw_at(file: RasterFile, stack: Stack, bands: Sequence[str], step: int) -> Raw:
    """Read every ``step``-th row and column of some of the stack's bands, for a picture."""
    file = replace(file, step=step)
    indexes = tuple(stack.order.indexes[stack.order.bands.index(band)] for band in bands)
    own = replace(stack, order=replace(stack.order, bands=tuple(bands), indexes=indexes))
    numbers = file.read(indexes)
    valid = _declared_valid(file, own, numbers, None)
    return Raw(numbers, valid, stack.window.in_pixels(*file.shape))


def _content(file: RasterFile, stack: Stack, raw: Raw) -> Content:
    """Decide how a part of a file is read, so that all parts are read in the same way.

    Unless the part decides by itself, a sample of pixels from all over the file decides.

    Raises:
        BadInput: the numbers cannot be reflectance, or no pixel has data.
    """
    if (settled := settled_content(raw, stack.stated)) is not None:
        return settled

    def read(part: Part) -> Raw:
        return raw_of(file, stack, part)

    block = file.header.block_shapes[0][0]
    sampled, count = _sampled(read, stack, fits=file.fits, block=block)
    content = sampled if count else content_of(raw, stack.stated)
    return content.with_fill_values_of(raw, stack.order.bands)


def decided(
    read: PartReader, stack: Stack, *, fits: bool, block: int, few: bool = False
) -> Content:
    """Decide how a file is read, whichever of its parts will be read.

    Args:
        read: reads a part of the file.
        stack: its header.
        fits: whether all of it fits into memory; then it is decided as for all of it.
        block: rows of one of its blocks.
        few: whether few pixels are enough.

    Raises:
        BadInput: the numbers cannot be reflectance, or no pixel has data.
    """
    shape = stack.window.height, stack.window.width
    if few:
        return content_of(squares(read, shape, count=FEW_SQUARES), stack.stated)
    sampled, count = _sampled(read, stack, fits=fits, block=block)
    if fits or count >= LEAST_SAMPLED:
        return sampled
    # A scene at the edge of the satellite's swath has data in one corner only.
    return content_of(squares(read, shape, count=FINER_SQUARES, side=FINER_SIDE), stack.stated)


def _sampled(read: PartReader, stack: Stack, *, fits: bool, block: int) -> tuple[Content, int]:
    """What a sample of a file decides, and how many of its pixels have data."""
    shape = stack.window.height, stack.window.width
    sample = lattice(read, shape, block) if fits else squares(read, shape)
    content = content_of(sample, stack.stated)
    count = int(content.mask(sample, stack.order.bands).valid.sum())
    if not count and fits and sample.valid.size == shape[0] * shape[1]:
        raise _no_data()
    return content, count


def stored_of(raw: Raw, stack: Stack, name: str, content: Content) -> Stored:
    """Add to the pixels of a part of a file how they become reflectance, and where they are from.

    Args:
        raw: the pixels, on the grid of the result.
        stack: header of the file.
        name: as for :func:`read_stack`.
        content: how the file is read.
    """
    facts = stack.stated.facts
    zeros = int((any_empty(raw.numbers) & raw.valid).sum())
    notes = stack.order.notes + facts.notes + content.notes + _grid_notes(stack.target)
    if zeros and content.scaling is not UNITY:
        notes += (f"{zeros} pixels have DN 0 in some band, taken as a reflectance of 0",)
    placed = raw.window.crs != NO_PLACE
    return Stored(
        numbers=raw.numbers,
        valid=raw.valid,
        scaling=content.scaling,
        crs=crs_name(raw.window) if placed else None,
        transform=raw.window.transform if placed else None,
        pixel_m=float(PIXEL_M),
        acquired=facts.acquired,
        bands=content.bands,
        provenance=Provenance(
            source=shown(name),
            level=content.level,
            baseline=facts.baseline,
            scaling=content.scaling_text,
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
    stack: Stack,
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
        valid &= beside[:: file.step, :: file.step]
    for pixels, index in zip(numbers, stack.order.indexes, strict=True):
        declared = header.nodatavals[index - 1]
        # 0 is checked over all bands together, because dark water has single zeros.
        if declared is not None and declared != 0:
            valid &= pixels != declared
    return valid
