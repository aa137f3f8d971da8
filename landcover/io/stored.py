"""Pixels as a source stores them, and how they become reflectance.

Digital numbers need half of the memory of reflectance, so they are what workers hand over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy.typing as npt

from landcover.core.raster import BoolArray, ByteArray, Provenance, Raster
from landcover.core.window import Geo
from landcover.io.scaling import Scaling

__all__ = ["Stored"]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Pixels as stored, with their metadata; see :class:`~landcover.core.raster.Raster`.

    Attributes:
        numbers: as stored, ``(band, y, x)``; any number where not valid.
        valid: bool ``(y, x)``, True where all bands have data.
        scaling: from numbers to reflectance.
        bands: names along the band axis.
        provenance: source, level and processing.
        crs: as of the raster.
        transform: as of the raster.
        pixel_m: side of a pixel in metres.
        acquired: sensing time in UTC, if the source states it.
        scl: ESA's scene classification uint8 ``(y, x)``, if the source has one.
    """

    numbers: npt.NDArray[Any]
    valid: BoolArray
    scaling: Scaling
    bands: tuple[str, ...]
    provenance: Provenance
    crs: str | None
    transform: Geo | None
    pixel_m: float
    acquired: datetime | None
    scl: ByteArray | None = None

    def described(self, describe: Callable[[Provenance], Provenance]) -> Stored:
        """The same with another provenance."""
        return replace(self, provenance=describe(self.provenance))

    def raster(self) -> Raster:
        """Convert the numbers to reflectance.

        Raises:
            BadInput: a number is not finite.
        """
        return Raster(
            data=self.scaling.apply(self.numbers, self.valid),
            valid=self.valid,
            bands=self.bands,
            provenance=self.provenance,
            crs=self.crs,
            transform=self.transform,
            pixel_m=self.pixel_m,
            acquired=self.acquired,
            scl=self.scl,
        )
