"""The value for pictures that are no measurement: red, green and blue as a screen shows them.

A picture has no place, no date and no infrared, and what its brightness means is for
whoever made it to say. So it is no :class:`~landcover.core.raster.Patch`, and only models whose
card asks for "picture brightness" look at it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray, ByteArray, FloatArray, Provenance

PICTURE_BANDS: Final = ("red", "green", "blue")
WINDOW: Final = 64
"""Side of what a model looks at, in pixels: a EuroSAT picture, 640 m of 10 m pixels."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Red, green and blue of a picture, of 64 × 64 pixels or more.

    Attributes:
        brightness: float32 ``(3, y, x)``, 0 to 1; 0 where not valid. Read-only.
        valid: bool ``(y, x)``, False where the picture is see-through. Read-only.
        provenance: where it came from; its level is "RGB".
        pixel_m: metres along a pixel's side, where the file states them.
        bands: names along the first axis.

    Raises:
        BadInput: shapes do not agree, or a value lies outside 0 to 1.
    """

    brightness: FloatArray
    valid: BoolArray
    provenance: Provenance
    pixel_m: float | None = None
    bands: tuple[str, ...] = PICTURE_BANDS

    def __post_init__(self) -> None:
        pixels = np.ascontiguousarray(self.brightness, dtype=np.float32)
        valid = np.ascontiguousarray(self.valid, dtype=np.bool_)
        if pixels.ndim != 3 or pixels.shape[0] != len(self.bands):
            raise BadInput(f"A picture has an array (3, y, x), not one of shape {pixels.shape}.")
        if valid.shape != pixels.shape[1:]:
            raise BadInput(
                f"The valid mask has shape {valid.shape}, the pixels {pixels.shape[1:]}: "
                "they must agree."
            )
        if pixels.size and not (pixels.min() >= 0.0 and pixels.max() <= 1.0):
            raise BadInput("Brightness lies between 0 and 1: divide bytes by 255.")
        for name, values in (("brightness", pixels), ("valid", valid)):
            # Shared between caches and threads; nobody may write into it.
            kept = values.view()
            kept.flags.writeable = False
            object.__setattr__(self, name, kept)

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.brightness.shape[1])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.brightness.shape[2])

    @property
    def nodata_fraction(self) -> float:
        """Share of see-through pixels, 0 to 1."""
        return float(1.0 - self.valid.mean())

    def window(self, row: int, col: int, size: int = WINDOW) -> Picture:
        """The square of ``size`` pixels whose upper left pixel is ``(row, col)``.

        Raises:
            BadInput: the square does not lie wholly inside the picture.
        """
        if row < 0 or col < 0 or row + size > self.height or col + size > self.width:
            raise BadInput(
                f"A window of {size} pixels at row {row}, column {col} does not fit into "
                f"{self.height} × {self.width} pixels: choose another place."
            )
        return replace(
            self,
            brightness=self.brightness[:, row : row + size, col : col + size],
            valid=self.valid[row : row + size, col : col + size],
        )

    def centre(self, size: int = WINDOW) -> tuple[int, int]:
        """Row and column of the upper left pixel of the square in the middle."""
        return (self.height - size) // 2, (self.width - size) // 2

    def centre_window(self, size: int = WINDOW) -> Picture:
        """The square of ``size`` pixels in the middle.

        Raises:
            BadInput: the picture is smaller than that.
        """
        return self.window(*self.centre(size), size)

    def image(self) -> ByteArray:
        """uint8 ``(y, x, 4)`` as it came, see-through where not valid."""
        out = np.empty((self.height, self.width, 4), dtype=np.uint8)
        out[..., :3] = np.round(255.0 * self.brightness).transpose(1, 2, 0)
        out[..., 3] = np.where(self.valid, 255, 0)
        return out
