"""A teacher's answers for patches, computed once and kept on the disk.

A teacher takes longer to answer for a patch than a small net takes to learn from it, and gives
the same answer in every pass. A file holds the answers for one patch, 1.1 MB in half precision.
Its name is a hash of the teacher and of the pixels, so that every run that meets the patch finds
it: one that was killed, the fit to more patches, or that of another fold. Files are written aside
and renamed, and carry a check sum; a damaged one is computed again.

The answers are those for the patch as it was measured. Cut-outs, turns and mixtures of a batch are
done to the answers as to the pixels (:mod:`landcover.train.arrangement`); another light and bands
that are left out do not change them.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from landcover.core import files
from landcover.train.dynamic_world import COVERS, FEATURES, DynamicWorld
from landcover.train.teaching import GRID, Answers, answers

__all__ = ["MOST_PATCHES", "AnswerCache"]

MOST_PATCHES: Final = 20_000
"""Training patches whose answers are kept, which is 22 GB. Of more, each is met in few passes."""
_FORMAT: Final = "1"
"""Changes if answers are pooled or stored in another way."""
_DTYPE: Final = np.dtype("<f2")


class AnswerCache:
    """Answers in half precision.

    They are rounded whether they are kept or not, so that a run that reads them gets what the one
    that computed them got.

    Args:
        teacher: in evaluation mode.
        folder: where they are kept, made if missing; None: nowhere.
        patches: number of training patches; with more than :data:`MOST_PATCHES` none are kept.
    """

    def __init__(self, teacher: DynamicWorld, folder: Path | None, *, patches: int = 0) -> None:
        self._teacher = teacher
        self._folder = folder if patches <= MOST_PATCHES else None
        self._device = teacher.shift.device

    def of(self, pixels: Tensor) -> Answers:
        """Answer for reflectance ``(n, 12, y, x)`` of whole patches, on the CPU.

        Raises:
            BadInput: an answer cannot be written.
        """
        # One patch fits into the processor's cache, which makes the teacher twice as fast as on
        # a batch, and no answer depends on the other patches.
        joined = torch.stack([self._one(patch) for patch in pixels])
        return Answers(joined[:, : len(COVERS)], joined[:, len(COVERS) :])

    def _one(self, patch: Tensor) -> Tensor:
        shape = (len(COVERS) + FEATURES, patch.shape[1] // GRID, patch.shape[2] // GRID)
        path = None
        if self._folder is not None:
            path = self._folder / f"{self._key(patch)}.f16"
            if (kept := _read(path, shape)) is not None:
                return kept
        found = torch.cat(answers(self._teacher, patch[None].to(self._device)), dim=1)[0]
        joined = found.half().cpu()
        if path is not None:
            content = joined.numpy().astype(_DTYPE).tobytes()
            files.make_folder(path.parent)
            # Not waiting for the disk: the check sum finds what a power failure has damaged.
            files.write_bytes(path, content + _check_sum(content), durable=False)
        return joined

    def _key(self, patch: Tensor) -> str:
        found = hashlib.sha256(f"{_FORMAT} {self._teacher.identity} {tuple(patch.shape)}".encode())
        found.update(patch.numpy().tobytes())
        return found.hexdigest()


def _read(path: Path, shape: tuple[int, ...]) -> Tensor | None:
    """Read kept answers; None if there are none, or the file is damaged."""
    size = math.prod(shape) * _DTYPE.itemsize
    try:
        with path.open("rb") as file:
            content = file.read(size + len(_check_sum(b"")) + 1)
    except OSError:
        return None
    if content[size:] != _check_sum(content[:size]):
        return None
    return torch.from_numpy(np.frombuffer(content[:size], _DTYPE).reshape(shape).copy())


def _check_sum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(4, "little")
