"""What imagery is: pixels that are read by rectangles, and a spec from which they are opened."""

from __future__ import annotations

from datetime import datetime
from threading import Event
from typing import Protocol

from landcover.core.raster import Provenance, Raster
from landcover.core.window import Window

__all__ = ["Imagery", "ImagerySpec"]


class Imagery(Protocol):
    """Open imagery."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of its bands."""
        ...

    @property
    def level(self) -> str:
        """Product level of its pixels: "L2A" or "L1C"."""
        ...

    @property
    def acquired(self) -> datetime | None:
        """Sensing time in UTC; None if it is not known or differs between blocks."""
        ...

    @property
    def provenance(self) -> Provenance:
        """Where the pixels come from and how they are processed."""
        ...

    @property
    def extent(self) -> Window:
        """The grid of 10 m that its pixels lie on; the first of :attr:`grids`."""
        ...

    @property
    def grids(self) -> tuple[Window, ...]:
        """The grid of a file, or one for each UTM zone of imagery of many scenes."""
        ...

    def read(self, window: Window, *, cancel: Event | None = None) -> Raster:
        """Read a rectangle as reflectance.

        Args:
            window: north-up, pixels of 10 m; it may extend beyond the extent, and lie in another
                CRS or on another grid, where the nearest pixels are taken.
            cancel: set to stop.

        Returns:
            The rectangle, with the scene classification if there is one. What is outside the
            imagery or hidden by clouds is not valid. Its provenance names the scene.

        Raises:
            LandcoverError: it cannot be read.
            Cancelled: the user stopped it.
        """
        ...


class ImagerySpec(Protocol):
    """What imagery to open; a picklable value."""

    @property
    def identity(self) -> str:
        """Text that is the same as long as the pixels are."""
        ...

    def open(self, *, cancel: Event | None = None) -> Imagery:
        """Open it.

        Raises:
            LandcoverError: it is gone, has changed, or cannot be read.
            Cancelled: the user stopped it.
        """
        ...
