"""Stacks: all Sentinel-2 bands of a place in one GeoTIFF or JPEG 2000 file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader

from landcover.core.bands import PATCH_PIXELS
from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray, FloatArray, Provenance, Raster
from landcover.io.band_order import BandOrder, band_order
from landcover.io.guard import open_raster, read_bands, read_file, shown, tags_of
from landcover.io.names import baseline_in, level_in, time_in
from landcover.io.regrid import Raw, grid_of, to_10_m
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

INTEGER_TYPES: Final = ("uint16", "int16")
FLOAT_TYPES: Final = ("float32", "float64")

STATED: Final[dict[tuple[float, float], Scaling | None]] = {
    (1.0, 0.0): None,
    (0.0001, 0.0): PLAIN,
    (0.0001, -0.1): SHIFTED,
    (1.0, -1000.0): SHIFTED,
}
"""A file's own scale and offset → what they mean; None where they state nothing."""

FLOAT_LOW: Final = -0.5
FLOAT_HIGH: Final = 3.0
"""Reflectance of a float stack lies between these but for one percent at either end."""
FLOAT_FILL: Final = 10.0
"""A float beyond this, of either sign, is no reflectance but a fill value such as -9999."""

_TIME_TAGS: Final = re.compile("acquisition|sensing|^datetime$|^date$", re.IGNORECASE)


@dataclass(frozen=True)
class Facts:
    """What the tags and the name of a file say of the picture."""

    level: str
    baseline: str | None
    offset_stated: bool
    acquired: datetime | None
    notes: tuple[str, ...]


def read_stack(source: Path | bytes, name: str) -> Raster:
    """Read a stack of twelve Level-2A bands (or thirteen Level-1C ones) as reflectance.

    Pixels are int16 or uint16 digital numbers (reflectance × 10000), or floats where
    these are plausible reflectance already. A projected north-up grid of 10 m stays
    as it is; any other is brought to the place's UTM zone at 10 m by nearest neighbour,
    which keeps every pixel's spectrum whole. The scale and offset that the file states
    are applied; where its baseline or tags tell of the offset of baseline 04.00 but not
    whether it was removed, the dark pixels decide. The provenance says what was done.

    Args:
        source: a file (JPEG 2000 too), or the bytes of one (GeoTIFF only).
        name: what the provenance and messages call it; dates are read from it too.

    Returns:
        A patch of 120 × 120 pixels or more: see :meth:`landcover.core.raster.Raster.window`.

    Raises:
        BadInput: it is no such stack; the message says why and what to do.
    """
    trusted = isinstance(source, Path)
    data = read_file(source) if isinstance(source, Path) else source
    with open_raster(data, name, trusted=trusted) as raster:
        check_kind(raster, name)
        # An alpha channel behind the bands is a mask, not a band.
        alpha = raster.count in {13, 14} and raster.colorinterp[-1] == ColorInterp.alpha
        descriptions = raster.descriptions[:-1] if alpha else raster.descriptions
        order = band_order(descriptions, name)
        stated = stated_scaling(raster, order, name)
        facts = facts_of(raster, order, name)
        grid = grid_of(raster, name)
        numbers = read_bands(raster, list(order.indexes))
        valid = _declared_valid(raster, order, numbers, alpha=alpha)
    if numbers.dtype.kind == "f":
        valid &= _float_valid(numbers, stated or UNITY, name)
        stated = stated or UNITY
    valid &= valid_numbers(numbers, shifted=stated is SHIFTED)
    return _patch(Raw(numbers, valid, grid), order, stated, facts, name)


def _patch(raw: Raw, order: BandOrder, stated: Scaling | None, facts: Facts, name: str) -> Raster:
    raw, resampling = to_10_m(raw, name)
    if not raw.valid.any():
        raise BadInput(
            f"'{shown(name)}' has no data in any pixel: choose another part or another date."
        )
    height, width = raw.valid.shape
    if min(height, width) < PATCH_PIXELS:
        raise BadInput(
            f"'{shown(name)}' covers {width} × {height} pixels of 10 m: "
            f"give at least {PATCH_PIXELS} × {PATCH_PIXELS} (1200 m)."
        )
    reflectance, scaling, said = _reflectance(raw, stated, facts)
    valid = raw.valid & valid_numbers(raw.numbers, shifted=scaling is SHIFTED)
    reflectance[:, ~valid] = 0
    zeros = int(((raw.numbers == 0).any(axis=0) & valid).sum())
    notes = facts.notes
    if zeros and scaling is not UNITY:
        notes += (f"{zeros} pixels have DN 0 in some band, taken as a reflectance of 0",)
    return Raster(
        data=reflectance,
        valid=valid,
        crs=raw.grid.crs_text,
        transform=raw.grid.transform,
        acquired=facts.acquired,
        bands=order.bands,
        provenance=Provenance(
            source=shown(name),
            level=facts.level,
            baseline=facts.baseline,
            scaling=said,
            resampling=resampling,
            band_order=order.said,
            notes=notes,
        ),
    )


def check_kind(raster: DatasetReader, name: str) -> None:
    """Raise where the pixels' type is no stack's.

    Raises:
        BadInput: it is a photo, or its pixels are neither 16-bit integers nor floats.
    """
    kinds = sorted(set(raster.dtypes))
    if raster.count in {3, 4} and kinds == ["uint8"]:
        raise BadInput(
            f"'{shown(name)}' is an RGB photo of 8 bits, from which reflectance cannot be had: "
            "give a GeoTIFF with the twelve Sentinel-2 Level-2A bands."
        )
    if len(kinds) != 1 or kinds[0] not in INTEGER_TYPES + FLOAT_TYPES:
        raise BadInput(
            f"'{shown(name)}' has {raster.count} band{'s' * (raster.count != 1)} of type "
            f"{', '.join(kinds)}: give the twelve Level-2A bands as "
            "uint16 or int16 digital numbers (reflectance × 10000)."
        )


def stated_scaling(raster: DatasetReader, order: BandOrder, name: str) -> Scaling | None:
    """What the file's own scale and offset mean, None where it states none.

    Raises:
        BadInput: they are not Sentinel-2's.
    """
    pairs = {(raster.scales[i - 1], raster.offsets[i - 1]) for i in order.indexes}
    for (scale, offset), meaning in STATED.items():
        if all(np.allclose(pair, (scale, offset), rtol=1e-4, atol=1e-9) for pair in pairs):
            return meaning
    raise BadInput(
        f"'{shown(name)}' states a scale or offset other than Sentinel-2's (0.0001 and 0 or -0.1): "
        "export digital numbers (reflectance × 10000) without a scale."
    )


def facts_of(raster: DatasetReader, order: BandOrder, name: str) -> Facts:
    """What tags and name say; a date from the file's own time stamp comes with a note."""
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
    raster: DatasetReader, order: BandOrder, numbers: npt.NDArray[Any], *, alpha: bool
) -> BoolArray:
    """Pixels that neither the file's nodata value nor its mask takes out."""
    valid = np.ones(numbers.shape[1:], dtype=np.bool_)
    if alpha:
        valid &= read_bands(raster, [raster.count])[0] > 0
    elif MaskFlags.per_dataset in raster.mask_flag_enums[0]:
        valid &= raster.read_masks(1) > 0
    for pixels, index in zip(numbers, order.indexes, strict=True):
        declared = raster.nodatavals[index - 1]
        # 0 is decided over all bands together: dark water has single zeros.
        if declared is not None and declared != 0:
            valid &= pixels != declared
    return valid


def _float_valid(numbers: npt.NDArray[Any], scaling: Scaling, name: str) -> BoolArray:
    """Pixels of a float stack whose values may be reflectance."""
    limit = FLOAT_FILL / scaling.scale
    # NaN and infinities fail this comparison too, without a warning.
    inside = np.abs(numbers) <= limit
    values = numbers[inside & (numbers != 0)]
    finite = int((np.isfinite(numbers) & (numbers != 0)).sum())
    if values.size < finite / 2:
        raise BadInput(
            f"'{shown(name)}' holds floats that are no reflectance (most exceed {limit:g}): "
            "export digital numbers as uint16 (reflectance × 10000), or reflectance from 0 to 1."
        )
    if values.size:
        step = max(1, values.size // 500_000)
        reflectance = values[::step] * scaling.scale + scaling.offset
        low, high = np.percentile(reflectance, [1, 99])
        if low < FLOAT_LOW or high > FLOAT_HIGH:
            raise BadInput(
                f"'{shown(name)}' holds floats from about {low:.3g} to {high:.3g}, which are no "
                "reflectance: export reflectance from 0 to 1, or uint16 (reflectance × 10000)."
            )
    valid: BoolArray = inside.all(axis=0)
    return valid


def _reflectance(raw: Raw, stated: Scaling | None, facts: Facts) -> tuple[FloatArray, Scaling, str]:
    """The reflectance, how it was had, and the words for it."""
    if stated is not None:
        origin = "" if stated is UNITY else ", as the file states"
        return stated.apply(raw.numbers, raw.valid), stated, stated.said + origin
    plain = PLAIN.apply(raw.numbers, raw.valid)
    newer = facts.baseline is not None and OFFSET_BASELINE <= float(facts.baseline) < 90
    if not (newer or facts.offset_stated):
        return plain, PLAIN, PLAIN.said
    why = f"baseline {facts.baseline}" if newer else "the offset in the tags"
    if looks_shifted(darkest(plain[:, raw.valid])):
        shifted = SHIFTED.apply(raw.numbers, raw.valid)
        return shifted, SHIFTED, f"{SHIFTED.said}: {why}, confirmed by the dark pixels"
    return plain, PLAIN, f"{PLAIN.said}: {why}, but the dark pixels show it removed already"
