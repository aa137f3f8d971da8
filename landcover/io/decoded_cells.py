"""Keeping decoded pixels of a large source on disk while it is read by overlapping rectangles.

Rectangles of a map overlap by 1200 m and more, and blocks of a file lie across their edges, so each
block would be decoded three or four times. Decoding deflate takes 0.07 s for a million pixels of
twelve bands and JPEG 2000 a second; reading them from a file takes 0.02 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.core import files, limits
from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray
from landcover.io.guard import Part
from landcover.io.regrid import Raw
from landcover.io.sampling import PartReader
from landcover.io.stack import Stack

__all__ = ["CELL_SIDE", "DecodedCells"]

CELL_SIDE: Final = 512
"""Pixels along a side of a cell, unless the blocks of the source are larger."""
_SAMPLES: Final = 20_000_000
"""Samples that are decoded at once, unless a cell of one row of blocks has more."""
_SWEEP_BYTES: Final = 200_000_000
"""Bytes that are written until older cells are removed."""


@dataclass(eq=False)
class DecodedCells:
    """Reads parts of a source through cells, rectangles of whole blocks, that are decoded once.

    Attributes:
        part: decodes a part of the source.
        stack: its header.
        block: rows and columns of its blocks.
        folder: where cells are kept; several processes can share it. It holds nothing else.
        name: start of the names of the files.
    """

    part: PartReader
    stack: Stack
    block: tuple[int, int]
    folder: Path
    name: str
    _written: int = field(default=0, init=False)

    def __call__(self, here: Part) -> Raw:
        """Read a part, as :attr:`part` does."""
        top, left, height, width = here
        bands = len(self.stack.order.bands)
        numbers = np.empty((bands, height, width), dtype=self.stack.kind)
        valid = np.empty((height, width), dtype=np.bool_)
        for cell, pixels, known in self._cells(here):
            row, col = max(cell[0], top), max(cell[1], left)
            bottom = min(cell[0] + cell[2], top + height)
            right = min(cell[1] + cell[3], left + width)
            y, x = slice(row - top, bottom - top), slice(col - left, right - left)
            own_y, own_x = (
                slice(row - cell[0], bottom - cell[0]),
                slice(col - cell[1], right - cell[1]),
            )
            numbers[:, y, x], valid[y, x] = pixels[:, own_y, own_x], known[own_y, own_x]
        return Raw(numbers, valid, self.stack.window.part(*here))

    def _cells(self, here: Part) -> Iterator[tuple[Part, npt.NDArray[Any], BoolArray]]:
        """The cells that a part touches."""
        tall, wide = self._size
        top, left, height, width = here
        if not (height and width):
            return
        for row in range(top // tall, (top + height - 1) // tall + 1):
            missing: list[Part] = []
            for col in range(left // wide, (left + width - 1) // wide + 1):
                cell = self._cell(row * tall, col * wide)
                kept = self._kept(cell)
                if kept is None:
                    missing.append(cell)
                if kept is not None or self._samples(missing) > _most_samples():
                    yield from self._decoded(missing)
                    missing = []
                if kept is not None:
                    yield cell, *kept
            yield from self._decoded(missing)

    @property
    def _size(self) -> tuple[int, int]:
        """Rows and columns of a cell."""
        tall, wide = self.block
        columns = min(-(-CELL_SIDE // wide) * wide, self.stack.window.width)
        samples = columns * len(self.stack.order.bands)
        rows = max(1, min(-(-CELL_SIDE // tall), _most_samples() // (samples * tall))) * tall
        return rows, columns

    def _samples(self, cells: list[Part]) -> int:
        return sum(cell[2] * cell[3] for cell in cells) * len(self.stack.order.bands)

    def _cell(self, top: int, left: int) -> Part:
        tall, wide = self._size
        window = self.stack.window
        return top, left, min(tall, window.height - top), min(wide, window.width - left)

    def _decoded(self, run: list[Part]) -> Iterator[tuple[Part, npt.NDArray[Any], BoolArray]]:
        """Decode cells beside each other at once, and keep them."""
        if not run:
            return
        first, last = run[0], run[-1]
        raw = self.part((first[0], first[1], first[2], last[1] + last[3] - first[1]))
        for cell in run:
            x = slice(cell[1] - first[1], cell[1] - first[1] + cell[3])
            pixels, known = raw.numbers[:, :, x], raw.valid[:, x]
            self._keep(cell, pixels, known)
            yield cell, pixels, known

    def _path(self, cell: Part) -> Path:
        return self.folder / f"{self.name}-{cell[0]}-{cell[1]}.cell"

    def _kept(self, cell: Part) -> tuple[npt.NDArray[Any], BoolArray] | None:
        """A cell that was decoded before."""
        _, _, height, width = cell
        kind = np.dtype(self.stack.kind)
        pixels = len(self.stack.order.bands) * height * width
        try:
            data = np.memmap(self._path(cell), dtype=np.uint8, mode="r")
        except (OSError, ValueError):
            return None
        if data.size != pixels * kind.itemsize + height * width:
            return None
        numbers = data[: pixels * kind.itemsize].view(kind).reshape(-1, height, width)
        return numbers, data[pixels * kind.itemsize :].view(np.bool_).reshape(height, width)

    def _keep(self, cell: Part, pixels: npt.NDArray[Any], known: BoolArray) -> None:
        most = limits.current().area_scratch_bytes
        content = pixels.tobytes() + known.tobytes()
        if len(content) > most // 4:
            return
        # Without room on the disk, it is decoded again.
        with suppress(OSError, BadInput):
            files.write_bytes(self._path(cell), content, durable=False)
            self._written += len(content)
            if self._written >= min(_SWEEP_BYTES, most // 4):
                self._written = 0
                self._sweep(most)

    def _sweep(self, most: int) -> None:
        """Remove the oldest cells; maps go from north to south."""
        found = []
        for path in self.folder.glob("*.cell"):
            with suppress(OSError):
                facts = path.stat()
                found.append((facts.st_mtime_ns, facts.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= most:
                return
            path.unlink(missing_ok=True)
            total -= size


def _most_samples() -> int:
    return min(_SAMPLES, limits.current().samples // 4)
