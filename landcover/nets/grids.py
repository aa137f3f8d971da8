"""The three native grids (10, 20 and 60 m) on which Sentinel-2 measures its bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from landcover.core.bands import BAND_NAMES, BANDS_10M, BANDS_20M, BANDS_60M

__all__ = [
    "ALL",
    "GRID_PIXELS",
    "VARIANCE_FLOOR",
    "Columns",
    "Grids",
    "native_grids",
    "spectra_at_20m",
    "to_20m",
]

GRID_PIXELS: Final = 24
"""Sides of the input are multiples of this: the least common multiple of 60 and 80 m."""

VARIANCE_FLOOR: Final = 1e-4
"""Added to variances: keeps the gradient of a standard deviation finite on flat patches."""

Grids = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Columns:
    """Indices of the bands of each native grid along the input's band axis."""

    fine: tuple[int, ...]
    middle: tuple[int, ...]
    coarse: tuple[int, ...]

    @classmethod
    def of(cls, bands: Sequence[str]) -> Self:
        """Find the columns of bands; in each grid they are in the order of the product.

        Raises:
            ValueError: a band is unknown or given twice, or none is measured at 10 m.
        """
        if len(set(bands)) < len(bands) or not set(bands) <= set(BAND_NAMES):
            raise ValueError(f"these are not bands of Level-2A: {', '.join(bands)}")
        names = list(bands)
        fine, middle, coarse = (
            tuple(names.index(name) for name in grid if name in names)
            for grid in (BANDS_10M, BANDS_20M, BANDS_60M)
        )
        if not fine:
            raise ValueError("the net needs a band that is measured at 10 m")
        return cls(fine, middle, coarse)


ALL: Final = Columns.of(BAND_NAMES)


def native_grids(pixels: Tensor, columns: Columns = ALL) -> Grids:
    """Split ``(n, band, y, x)`` at 10 m into the native grids of the bands.

    Returns:
        For all twelve bands ``(n, 4, y, x)`` at 10 m, ``(n, 6, y/2, x/2)`` at 20 m and
        ``(n, 2, y/6, x/6)`` at 60 m. A grid without bands has zero channels.
    """
    return (
        _bands(pixels, columns.fine),
        _blocks(pixels, columns.middle, 2),
        _blocks(pixels, columns.coarse, 6),
    )


def spectra_at_20m(grids: Grids, quarter: tuple[int, int] | None = None) -> Tensor:
    """Compute each 20 m pixel's values in all bands, and its contrast in the 10 m bands.

    Args:
        grids: normalised log-reflectance on its three grids.
        quarter: row and column, 0 or 1, of the one pixel to use of every block of 2 × 2.

    Returns:
        ``(n, channel, y/2, x/2)``, or ``(n, channel, y/4, x/4)`` if a quarter is used.
    """
    fine, middle, coarse = grids
    row, column = quarter or (0, 0)
    step = 4 if quarter else 2
    parts = [
        fine[:, :, 2 * row + down :: step, 2 * column + across :: step]
        for down in (0, 1)
        for across in (0, 1)
    ]
    mean = (parts[0] + parts[1] + parts[2] + parts[3]) / 4
    square = torch.stack([(part - mean).square() for part in parts]).mean(dim=0)
    contrast = (square + VARIANCE_FLOOR).sqrt()
    rest: tuple[Tensor, ...] = (middle, to_20m(coarse)) if coarse.shape[1] else (middle,)
    if quarter:
        rest = tuple(band[:, :, row::2, column::2] for band in rest)
    return torch.cat((mean, contrast, *rest), dim=1)


def _bands(pixels: Tensor, which: tuple[int, ...]) -> Tensor:
    """Select bands. Joining slices copies entire rows, which indexing by a list does not."""
    return torch.cat([pixels[:, band : band + 1] for band in which], dim=1)


def _blocks(pixels: Tensor, which: tuple[int, ...], factor: int) -> Tensor:
    """Select bands and average them over blocks; zero channels of that size without bands."""
    if not which:
        return pixels[:, :0, ::factor, ::factor]
    return F.avg_pool2d(_bands(pixels, which), factor)


def to_20m(coarse: Tensor) -> Tensor:
    """Repeat 60 m pixels onto the 20 m grid."""
    return F.interpolate(coarse, scale_factor=3.0, mode="nearest")
