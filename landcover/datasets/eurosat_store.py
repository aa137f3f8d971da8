"""Pictures of EuroSAT in memory, for training."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from landcover.core.classes import EUROSAT_CLASSES
from landcover.core.raster import ByteArray

__all__ = ["BATCH", "RgbStore"]

BATCH: Final = 512
"""Pictures to decode or count at a time."""


@dataclass(frozen=True, kw_only=True)
class RgbStore:
    """Labelled pictures in memory: 12 kB each, 300 MB for all of EuroSAT.

    Attributes:
        bytes: uint8 ``(n, 64, 64, 3)``.
        targets: float32 ``(n, 10)``, one 1 per row.
        ids: a name for each picture.
    """

    bytes: ByteArray
    targets: Tensor
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def pixels(self, indices: Sequence[int]) -> Tensor:
        """Return float32 ``(len(indices), 3, 64, 64)`` between 0 and 1: red, green, blue."""
        rows = np.asarray(indices, dtype=np.intp)
        return torch.from_numpy(self.bytes[rows]).permute(0, 3, 1, 2).float().div_(255.0)

    def subset(self, indices: Sequence[int]) -> RgbStore:
        """Select the pictures at ``indices``, in that order."""
        rows = np.asarray(indices, dtype=np.intp)
        return RgbStore(
            bytes=self.bytes[rows],
            targets=self.targets[torch.from_numpy(rows)],
            ids=tuple(self.ids[i] for i in rows),
        )

    def joined(self, other: RgbStore) -> RgbStore:
        """Join the pictures of both stores."""
        return RgbStore(
            bytes=np.concatenate((self.bytes, other.bytes)),
            targets=torch.cat((self.targets, other.targets)),
            ids=self.ids + other.ids,
        )

    def colour_statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Compute mean and standard deviation of red, green and blue over all pixels, 0 to 1."""
        counts = np.zeros((3, 256), dtype=np.int64)
        for start in range(0, len(self), BATCH):  # counting takes eight times the memory
            part = self.bytes[start : start + BATCH].reshape(-1, 3)
            counts += [np.bincount(part[:, colour], minlength=256) for colour in range(3)]
        levels, weights = np.arange(256) / 255.0, counts / counts.sum(axis=1, keepdims=True)
        mean = weights @ levels
        spread = np.sqrt(weights @ levels**2 - mean**2)
        return tuple(mean.tolist()), tuple(spread.tolist())

    def origin(self) -> dict[str, Any]:
        """Describe the pictures for the card of a model that was trained on them, JSON-ready."""
        names = "\n".join(sorted(self.ids))
        return {
            "n": len(self),
            "ids_sha256": hashlib.sha256(names.encode()).hexdigest(),
            "support": {
                label: int(count)
                for label, count in zip(EUROSAT_CLASSES, self.targets.sum(dim=0), strict=True)
            },
        }
