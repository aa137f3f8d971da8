"""Mean and standard deviation of each band over many patches, a few patches at a time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from landcover.core.bands import BAND_NAMES, BANDS_10M, BANDS_20M, BANDS_60M, QUANTIFICATION
from landcover.core.errors import BadInput
from landcover.datasets.arrays import NativeStore

__all__ = ["band_statistics"]

_LEAST: float = 1e-6
"""Least deviation in reflectance, to avoid dividing a constant band by 0."""


def band_statistics(stores: Iterable[NativeStore]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Compute mean and deviation of each band in reflectance, in the order of ``BAND_NAMES``.

    They are computed on native grids, since repeating pixels changes neither. Sums of digital
    numbers and of their squares are integers below 2**63, so they are exact.

    Raises:
        BadInput: there is no patch.
    """
    count = np.zeros(len(BAND_NAMES), dtype=np.int64)
    total, squares = count.copy(), count.copy()
    for store in stores:
        grids = ((BANDS_10M, store.g10), (BANDS_20M, store.g20), (BANDS_60M, store.g60))
        for names, pixels in grids:
            band = [BAND_NAMES.index(name) for name in names]
            numbers = pixels.astype(np.int64)
            count[band] += pixels.shape[0] * pixels.shape[2] * pixels.shape[3]
            total[band] += numbers.sum(axis=(0, 2, 3))
            squares[band] += np.square(numbers).sum(axis=(0, 2, 3))
    if not count.all():
        raise BadInput("Statistics need at least one patch.")
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - np.square(mean), 0.0))
    return (
        tuple((mean / QUANTIFICATION).tolist()),
        tuple(np.maximum(std / QUANTIFICATION, _LEAST).tolist()),
    )
