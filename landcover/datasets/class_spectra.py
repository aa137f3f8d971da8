"""What classes reflect in each band, measured on labelled patches a few at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.core.bands import (
    BAND_NAMES,
    BANDS_10M,
    BANDS_20M,
    BANDS_60M,
    NODATA,
    QUANTIFICATION,
)
from landcover.core.classes import CLASS_NAMES
from landcover.core.spectra import ALL_PATCHES, ALONE, WITH, Spectrum
from landcover.datasets.arrays import NativeStore

__all__ = ["spectra_of"]

_NUMBERS: Final = 1 << 14
"""Digital numbers that are told apart: up to a reflectance of 1.6; a brighter pixel, a glint or a
cloud, counts as that."""

_Counts = npt.NDArray[np.int64]


@dataclass
class _Group:
    """How often each digital number occurs in the patches of a group."""

    patches: int = 0
    labels: int = 0
    counts: _Counts = field(
        default_factory=lambda: np.zeros((len(BAND_NAMES), _NUMBERS), dtype=np.int64)
    )

    def add(self, counts: _Counts, labels: int) -> None:
        self.patches += 1
        self.labels += labels
        self.counts += counts

    def spectrum(self, name: str, group: str) -> Spectrum:
        numbers = np.arange(_NUMBERS)
        below, total = self.counts.cumsum(axis=1), self.counts.sum(axis=1)
        tenths = [(below >= share * total[:, None]).argmax(axis=1) for share in (0.1, 0.9)]
        mean = (self.counts @ numbers) / np.maximum(total, 1)
        low, centre, high = (
            tuple((values / QUANTIFICATION).tolist()) for values in (tenths[0], mean, tenths[1])
        )
        return Spectrum(
            name=name,
            group=group,
            patches=self.patches,
            classes=self.labels / self.patches,
            mean=centre,
            p10=low,
            p90=high,
        )


def spectra_of(
    stores: Iterable[NativeStore], classes: Sequence[str] = CLASS_NAMES
) -> tuple[Spectrum, ...]:
    """Measure the spectra of all patches, of the patches with each class, and with it alone.

    Pixels are counted on their native grids, each once. A pixel without data in all bands of its
    grid is left out. Groups without a patch are left out.

    Args:
        stores: labelled patches; only one store is in memory at a time.
        classes: names of the columns of the stores' targets.
    """
    groups: dict[tuple[str, str], _Group] = {(ALL_PATCHES, WITH): _Group()}
    for store in stores:
        labels = store.targets.numpy().astype(bool)
        for row in range(len(store)):
            present = [name for name, has in zip(classes, labels[row], strict=True) if has]
            names = [(ALL_PATCHES, WITH), *((name, WITH) for name in present)]
            names += [(present[0], ALONE)] if len(present) == 1 else []
            counts = _counts(store, row)
            for name in names:
                groups.setdefault(name, _Group()).add(counts, len(present))
    ordered = ((name, group) for name in (ALL_PATCHES, *classes) for group in (WITH, ALONE))
    return tuple(
        groups[key].spectrum(*key) for key in ordered if key in groups and groups[key].patches
    )


def _counts(store: NativeStore, row: int) -> _Counts:
    """Return how often each digital number occurs in the bands of a patch."""
    found = np.zeros((len(BAND_NAMES), _NUMBERS), dtype=np.int64)
    for band, numbers in _bands(store.numbers([row])):
        found[band] = np.bincount(np.minimum(numbers, _NUMBERS - 1), minlength=_NUMBERS)
    return found


def _bands(grids: Sequence[npt.NDArray[Any]]) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yield the place of each band, and the digital numbers of its pixels with data."""
    for names, grid in zip((BANDS_10M, BANDS_20M, BANDS_60M), grids, strict=True):
        pixels = grid.reshape(len(names), -1)
        known = pixels[:, (pixels != NODATA).any(axis=0)]
        yield from ((BAND_NAMES.index(name), known[k]) for k, name in enumerate(names))
