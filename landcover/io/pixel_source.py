"""Reading a source of any size by rectangles, all of them in the same way.

How the numbers of a file are read (scale, offset, fill values, level) is decided once, from a
sample of the entire file, so that blocks fit together and equal the file read at once, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from landcover.core import limits
from landcover.core.bands import COMPOSITES, SCL_HIDDEN
from landcover.core.errors import BadInput
from landcover.core.raster import ByteArray, Provenance, Raster
from landcover.core.window import Window
from landcover.io.content import Content
from landcover.io.guard import FILE, GEOTIFF, Part, named, open_raster
from landcover.io.placing import offset_in, overlap, placed
from landcover.io.regrid import NO_PLACE, Raw, needed, regrid
from landcover.io.sampling import PartReader
from landcover.io.stack import Stack, decided, raw_at, raw_of, stack_of, stored_of
from landcover.io.stored import Stored

__all__ = ["PixelSource", "open_stack"]


def _same(facts: Provenance) -> Provenance:
    return facts


@dataclass(frozen=True, kw_only=True)
class PixelSource:
    """An open source of reflectance.

    Attributes:
        name: of the source, for the provenance and messages.
        stack: its header.
        part: reads the bands of a part of the source on its own grid.
        smaller: reads every n-th row and column of the named bands of all of the source.
        decide: decides how all of it is read.
        classes: reads ESA's scene classification uint8 ``(y, x)`` on the same grid, 0 where there
            is none; None if the source has none.
        describe: completes the provenance of what was read.
        block: rows and columns of a block, which is always decoded completely.
        packed: whether blocks are compressed, so that decoding them takes time.
    """

    name: str
    stack: Stack
    part: PartReader
    smaller: Callable[[Sequence[str], int], Raw]
    decide: Callable[[], Content]
    classes: Callable[[Part], ByteArray] | None = None
    describe: Callable[[Provenance], Provenance] = _same
    block: tuple[int, int]
    packed: bool = True

    @cached_property
    def content(self) -> Content:
        """How the numbers are read.

        Raises:
            BadInput: they cannot be reflectance, or no pixel has data.
        """
        with named(self.name):
            return self.decide()

    @property
    def extent(self) -> Window:
        """The grid of 10 m that the source covers.

        Raises:
            BadInput: it has no position on Earth.
        """
        window = self.stack.target.window
        if window.crs == NO_PLACE:
            with named(self.name):
                raise BadInput(
                    f"{FILE} has no position on Earth (CRS and geotransform), which a map needs: "
                    "set them with gdal_edit -a_srs -a_ullr."
                )
        return window

    def read(self, window: Window) -> Raster:
        """Read a rectangle as reflectance; see :meth:`stored`."""
        return self.stored(window).raster()

    def stored(self, window: Window) -> Stored:
        """Read a rectangle as it is stored.

        A million pixels of twelve bands cost about 0.14 s on a core: 0.08 s to unpack deflate, 0.02
        s to keep them (:mod:`landcover.io.decoded_cells`), and 0.04 s to find what is valid and to
        hand them over, which is all if they are not compressed.

        Args:
            window: north-up, pixels of 10 m, in any CRS; it may extend beyond the source. If it is
                not on the source's grid, the nearest pixels are taken.

        Returns:
            The rectangle; what is outside the source or hidden by clouds is not valid.

        Raises:
            BadInput: the source cannot be read.
        """
        content = self.content
        with named(self.name):
            raw, classes = self._read(window)
            if classes is not None:
                raw = replace(raw, valid=raw.valid & ~np.isin(classes, sorted(SCL_HIDDEN)))
            found = stored_of(raw, self.stack, self.name, content).described(self.describe)
        return found if classes is None else replace(found, scl=classes)

    def picture(self, side: int) -> tuple[ByteArray, Window]:
        """Draw all of the source in true colour.

        Args:
            side: most pixels along a side.

        Returns:
            RGBA uint8 ``(y, x, 4)`` and its grid, which is that of the source with larger pixels.

        Raises:
            BadInput: the source cannot be read.
        """
        bands, grid = COMPOSITES[0].bands, self.stack.window
        content = replace(self.content, bands=bands)
        with named(self.name):
            raw = self.smaller(bands, max(1, -(-max(grid.height, grid.width) // side)))
            raw = content.mask(raw, bands)
            # A raster of reflectance has a projected grid, and this one may be in degrees.
            unplaced = replace(raw, window=replace(raw.window, crs=NO_PLACE))
            return stored_of(unplaced, self.stack, self.name, content).raster().image(), raw.window

    def scl(self, window: Window) -> ByteArray | None:
        """Read the scene classification ``(y, x)`` of a rectangle, 0 where there is none."""
        if self.classes is None:
            return None
        with named(self.name):
            return self._resampled_classes(window)

    def _read(self, window: Window) -> tuple[Raw, ByteArray | None]:
        """The valid pixels of a rectangle as stored, and their classes."""
        bands = self.stack.order.bands
        at = offset_in(self.extent, window) if self.stack.target.same else None
        if at is None:
            return self._resampled(window), self.scl(window)
        here = overlap(at, window, self.stack.window)
        raw = self.content.mask(self.part(here), bands)
        classes = None if self.classes is None else self.classes(here)
        if here == (*at, window.height, window.width):
            return replace(raw, window=window), classes
        corner = here[0] - at[0], here[1] - at[1]
        return (
            Raw(placed(raw.numbers, window, corner), placed(raw.valid, window, corner), window),
            None if classes is None else placed(classes, window, corner),
        )

    def _resampled(self, window: Window) -> Raw:
        """The nearest pixels, a quarter of the window at a time if they are too many."""
        here = needed(self.stack.window, window)
        samples = here[2] * here[3] * len(self.stack.order.bands)
        if samples <= limits.current().samples // 2 or min(window.height, window.width) < 2:
            raw = self.content.mask(self.part(here), self.stack.order.bands)
            return regrid(raw, window)
        numbers = None
        valid = np.zeros((window.height, window.width), dtype=np.bool_)
        for row, col, height, width in _quarters(window):
            raw = self._resampled(window.part(row, col, height, width))
            if numbers is None:
                shape = (len(raw.numbers), window.height, window.width)
                numbers = np.zeros(shape, dtype=raw.numbers.dtype)
            y, x = slice(row, row + height), slice(col, col + width)
            numbers[:, y, x], valid[y, x] = raw.numbers, raw.valid
        assert numbers is not None
        return Raw(numbers, valid, window)

    def _resampled_classes(self, window: Window) -> ByteArray:
        assert self.classes is not None
        here = needed(self.stack.window, window)
        pixels = self.classes(here)
        known = np.ones(pixels.shape, dtype=np.bool_)
        found: ByteArray = regrid(
            Raw(pixels[None], known, self.stack.window.part(*here)), window
        ).numbers[0]
        return found


def _quarters(window: Window) -> list[Part]:
    rows, cols = window.height // 2, window.width // 2
    return [
        (row, col, height, width)
        for row, height in ((0, rows), (rows, window.height - rows))
        for col, width in ((0, cols), (cols, window.width - cols))
    ]


def open_stack(path: Path, name: str) -> PixelSource:
    """Open a stack of bands in one file.

    Args:
        path: of a GeoTIFF or JPEG 2000 file; it is opened again for each rectangle.
        name: of the file in the provenance and in messages; it may contain the date.

    Raises:
        BadInput: as for :func:`landcover.io.stack.read_stack`.
    """
    with named(name), open_raster(path) as file:
        stack = stack_of(file.header, name)
        fits = file.fits
        rows, cols = file.header.block_shapes[0]
        packed = file.header.compression is not None or file.header.driver != GEOTIFF

    def part(here: Part) -> Raw:
        if not (here[2] and here[3]):
            return _nothing(stack, here)
        with open_raster(path) as file:
            return raw_of(file, stack, here)

    def smaller(bands: Sequence[str], step: int) -> Raw:
        with open_raster(path) as file:
            return raw_at(file, stack, bands, step)

    def decide() -> Content:
        with open_raster(path) as file:
            return decided(
                lambda here: raw_of(file, stack, here), stack, fits=fits, block=int(rows)
            )

    return PixelSource(
        name=name,
        stack=stack,
        part=part,
        smaller=smaller,
        decide=decide,
        block=(int(rows), int(cols)),
        packed=packed,
    )


def _nothing(stack: Stack, here: Part) -> Raw:
    shape = here[2:]
    return Raw(
        np.zeros((len(stack.order.bands), *shape), dtype=stack.kind),
        np.zeros(shape, dtype=np.bool_),
        stack.window.part(*here),
    )
