"""BigEarthNet patch folders, v1 and v2: twelve files on native grids of 10, 20 and 60 m."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rasterio.io import DatasetReader

from landcover.core import untrusted_json
from landcover.core.bands import BAND_NAMES, BANDS, BANDS_10M, BANDS_20M, BANDS_60M, PATCH_M
from landcover.core.errors import BadInput
from landcover.core.projection import OffEarth, same_crs, text_of
from landcover.core.raster import Provenance, Raster
from landcover.core.text import plain
from landcover.core.window import Geo, Window, check_projected, grid
from landcover.io.guard import FILE, named, open_raster, read_file, shown
from landcover.io.names import band_of_file, time_in
from landcover.io.scaling import PLAIN, valid_numbers

__all__ = [
    "LABELS_SUFFIX",
    "MAX_BAND_BYTES",
    "MAX_LABEL_BYTES",
    "RESAMPLING",
    "Native",
    "NumberArray",
    "is_patch",
    "native_of",
    "read_native",
    "to_patch",
]

NumberArray = npt.NDArray[np.uint16]

MAX_BAND_BYTES: Final = 2_000_000
"""A band file of 120 × 120 pixels of 16 bits has 29 kB; its header can be long."""
MAX_LABEL_BYTES: Final = 100_000
LABELS_SUFFIX: Final = "_labels_metadata.json"
RESAMPLING: Final = "nearest repetition of the 20 m and 60 m bands to 10 m"

_SIDE: Final = {band.name: PATCH_M // band.resolution_m for band in BANDS}
_PIXEL: Final = {band.name: band.resolution_m for band in BANDS}


@dataclass(frozen=True, kw_only=True)
class Native:
    """A BigEarthNet patch as stored: digital numbers on three grids.

    Attributes:
        name: the patch's id.
        g10: uint16 ``(4, 120, 120)``, bands :data:`~landcover.core.bands.BANDS_10M`.
        g20: uint16 ``(6, 60, 60)``, bands :data:`~landcover.core.bands.BANDS_20M`.
        g60: uint16 ``(2, 20, 20)``, bands :data:`~landcover.core.bands.BANDS_60M`.
        crs: projected CRS in metres, as text.
        transform: of the 10 m grid.
        acquired: sensing time (UTC), from the file of labels or the name.
        corine: CORINE level-3 labels, if the folder has v1's file of labels.
    """

    name: str
    g10: NumberArray
    g20: NumberArray
    g60: NumberArray
    crs: str
    transform: Geo
    acquired: datetime | None = None
    corine: tuple[str, ...] = ()

    def stack(self) -> NumberArray:
        """Digital numbers uint16 ``(12, 120, 120)``, coarse pixels repeated, in standard order."""
        out = np.empty((len(BAND_NAMES), *self.g10.shape[1:]), dtype=np.uint16)
        for names, pixels in ((BANDS_10M, self.g10), (BANDS_20M, self.g20), (BANDS_60M, self.g60)):
            times = out.shape[1] // pixels.shape[1]
            repeated = pixels.repeat(times, axis=1).repeat(times, axis=2)
            out[[BAND_NAMES.index(name) for name in names]] = repeated
        return out


def read_native(folder: Path) -> Native:
    """Read a patch folder ``<patch>/<patch>_<BAND>.tif`` without resampling.

    Raises:
        BadInput: a band is missing, given twice, damaged, or not on the grid of its resolution.
    """
    try:
        paths = [path for path in folder.iterdir() if _is_part(path.name)]
    except OSError:
        raise BadInput(f"There is no folder '{shown(folder.name)}': check its name.") from None
    return native_of([(path.name, read_file(path, MAX_BAND_BYTES)) for path in paths], folder.name)


def native_of(files: Sequence[tuple[str, bytes]], name: str) -> Native:
    """Build a patch from the names and contents of its files; other files are ignored.

    Args:
        files: name and bytes of each.
        name: the patch's id.

    Raises:
        BadInput: as for :func:`read_native`.
    """
    with named(name):
        return _native(files, name)


def is_patch(files: Sequence[tuple[str, bytes]]) -> bool:
    """Whether twelve band files have the sizes and types of a BigEarthNet patch.

    Args:
        files: name and bytes of each.
    """
    bands = {band: data for name, data in files if (band := band_of_file(name)) is not None}
    if set(bands) != set(BAND_NAMES):
        return False
    try:
        for band, data in bands.items():
            with open_raster(data) as file:
                _check_band(file.header, band)
    except BadInput:
        return False
    return True


def _native(files: Sequence[tuple[str, bytes]], name: str) -> Native:
    bands = _by_band(files)
    pixels: dict[str, npt.NDArray[Any]] = {}
    crs: Any = None
    corner: tuple[float, float] | None = None
    for band in BAND_NAMES:
        with named(f"{name}_{band}.tif"), open_raster(bands[band]) as file:
            header = file.header
            here = (header.transform.c, header.transform.f)
            _check_band(header, band)
            if crs is None:
                crs, corner = header.crs, here
            if corner != here or not (header.crs is crs or same_crs(header.crs, crs)):
                raise BadInput(
                    f"{FILE} covers another place than {BAND_NAMES[0]}: give files of one patch."
                )
            pixels[band] = file.read([1])[0]
    if crs is None or corner is None:
        raise BadInput(f"{FILE} has no CRS: give the original BigEarthNet files.")
    text = text_of(crs)
    check_projected(text)
    side = _SIDE[BANDS_10M[0]]
    try:
        where = Window(crs=text, transform=grid(*corner), width=side, height=side)
        where.check_on_earth()
    except OffEarth:
        raise BadInput(
            f"{FILE} has a position that is nowhere on Earth: give the original BigEarthNet files."
        ) from None
    labels = dict(_labels(files))
    return Native(
        name=shown(name),
        g10=np.stack([pixels[band] for band in BANDS_10M]),
        g20=np.stack([pixels[band] for band in BANDS_20M]),
        g60=np.stack([pixels[band] for band in BANDS_60M]),
        crs=text,
        transform=grid(*corner),
        acquired=time_in(str(labels.get("acquisition_date", ""))) or time_in(name),
        corine=tuple(plain(str(label)) for label in labels.get("labels", ())),
    )


def to_patch(native: Native, source: str) -> Raster:
    """Convert a patch to reflectance on the 10 m grid.

    Args:
        native: digital numbers on three grids.
        source: name of the source in the provenance.
    """
    numbers = native.stack()
    valid = valid_numbers(numbers)
    if not valid.any():
        raise BadInput(f"'{shown(source)}' has no data in any pixel: choose another patch.")
    return Raster(
        data=PLAIN.apply(numbers, valid),
        valid=valid,
        bands=BAND_NAMES,
        crs=native.crs,
        transform=native.transform,
        acquired=native.acquired,
        provenance=Provenance(
            source=shown(source),
            scene=native.name,
            scaling=PLAIN.description,
            resampling=RESAMPLING,
            band_order="names of the band files",
            notes=(f"CORINE labels: {'; '.join(native.corine)}",) if native.corine else (),
        ),
    )


def _is_part(name: str) -> bool:
    return band_of_file(name) is not None or name.endswith(LABELS_SUFFIX)


def _by_band(files: Sequence[tuple[str, bytes]]) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    for file, data in files:
        band = band_of_file(file)
        if band in found:
            raise BadInput(f"{FILE} has band {band} more than once: give files of one patch.")
        if band is not None:
            found[band] = data
    if missing := [band for band in BAND_NAMES if band not in found]:
        few = f"the band{'s' * (len(missing) > 1)} {', '.join(missing)}"
        raise BadInput(
            f"{FILE} lacks {few if found else 'band files'}: "
            "give all twelve files named …_B01.tif to …_B12.tif of one BigEarthNet patch."
        )
    return found


def _check_band(raster: DatasetReader, band: str) -> None:
    side, pixel = _SIDE[band], _PIXEL[band]
    shape, count, dtype = raster.shape, raster.count, raster.dtypes[0]
    a, b, _, d, e, _ = tuple(raster.transform)[:6]
    if shape != (side, side) or count != 1:
        raise BadInput(
            f"{FILE} has {shape[1]} × {shape[0]} pixels in {count} bands, "
            f"not {side} × {side} in one: give the original BigEarthNet files."
        )
    if dtype != "uint16":
        raise BadInput(
            f"{FILE} has pixels of type {dtype}, not uint16: give the original BigEarthNet files."
        )
    if (a, b, d, e) != (pixel, 0, 0, -pixel):
        raise BadInput(
            f"{FILE} is not on a north-up grid of {pixel} m: give the original BigEarthNet files."
        )


def _labels(files: Sequence[tuple[str, bytes]]) -> Iterator[tuple[str, Any]]:
    """Yield the usable entries of v1's file of labels, if there is one."""
    data = next((data for file, data in files if file.endswith(LABELS_SUFFIX)), None)
    if data is None:
        return
    try:
        raw = untrusted_json.parse(data) if len(data) <= MAX_LABEL_BYTES else None
    except ValueError:
        raw = None
    if not isinstance(raw, dict):
        raise BadInput(
            f"The file of labels of {FILE} cannot be read: "
            "copy it again, or remove it to continue without labels."
        )
    if isinstance(raw.get("labels"), list):
        yield "labels", raw["labels"]
    if isinstance(raw.get("acquisition_date"), str):
        yield "acquisition_date", raw["acquisition_date"]
