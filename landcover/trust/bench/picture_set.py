"""EuroSAT's pictures in the form that the measurements of the verdict take: some of each split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from landcover.core.progress import Report
from landcover.core.raster import ByteArray, Raster
from landcover.datasets.eurosat import BLOCK_DEGREES, EuroSat
from landcover.io.images import picture_of

__all__ = ["MAX_PICTURES", "PictureRecord", "PictureSet"]

MAX_PICTURES: Final = 1000
"""Largest number of pictures of a split, evenly spaced over the classes."""


@dataclass(frozen=True, kw_only=True)
class PictureRecord:
    """One picture with its class.

    Attributes:
        patch_id: its name, such that :func:`landcover.metrics.crossfit.places` returns its block
            of half a degree.
        labels: its class.
        pixels: bytes ``(64, 64, 3)``.
    """

    patch_id: str
    labels: frozenset[str]
    pixels: ByteArray

    def patch(self) -> Raster:
        """Return the picture."""
        return picture_of(self.pixels, self.patch_id)


@dataclass(frozen=True, kw_only=True)
class PictureSet:
    """Some pictures of each split of EuroSAT.

    Attributes:
        dataset: all pictures.
        report: progress callback for reading.
    """

    dataset: EuroSat
    report: Report | None = None
    _read: dict[tuple[str, int], tuple[PictureRecord, ...]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name for people."""
        return self.dataset.title

    def records(self, split: str, most: int = MAX_PICTURES) -> Sequence[PictureRecord]:
        """Read at most ``most`` pictures of a split, evenly spaced.

        Raises:
            BadInput: the split has no picture here, or one cannot be read.
        """
        if (split, most) not in self._read:
            every = self.dataset.records(split)
            count = min(most, len(every))
            chosen = [every[k * len(every) // count] for k in range(count)]
            store = self.dataset.load_pictures(chosen, self.report)
            self._read[split, most] = tuple(
                PictureRecord(
                    patch_id=f"block {_block(one.latitude)} {_block(one.longitude)}_{number}_0",
                    labels=frozenset({one.label}),
                    pixels=store.bytes[number],
                )
                for number, one in enumerate(chosen)
            )
        return self._read[split, most]


def _block(degrees: float) -> int:
    """Number of the block, of the size that EuroSAT is split by."""
    return 0 if math.isnan(degrees) else math.floor(degrees / BLOCK_DEGREES)
