"""The value that flows through the program: pixels, their bands, grid, time and origin."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.core.bands import ALIGNMENT, COMPOSITES, RGB, Composite
from landcover.core.errors import BadInput
from landcover.core.notebook import SIDE, html, png
from landcover.core.text import place_text, plain, time_text
from landcover.core.window import Cut, Geo, Window, check_projected

__all__ = ["BoolArray", "ByteArray", "FloatArray", "Provenance", "Raster"]

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where pixels came from and what was done to it, for showing beside every result."""

    source: str
    """What the user named: a file's name, a sample, an item of a catalogue. Never a full path."""
    level: str = "L2A"
    scene: str | None = None
    baseline: str | None = None
    """ESA processing baseline such as ``"04.00"``, where the source states it."""
    scaling: str = "reflectance = DN / 10000"
    resampling: str = "none"
    band_order: str = "documented order"
    """What the order of the bands was read from."""
    missing_bands: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {
            "source": self.source,
            "level": self.level,
            "scene": self.scene,
            "processing_baseline": self.baseline,
            "scaling": self.scaling,
            "resampling": self.resampling,
            "band_order": self.band_order,
            "missing_bands": list(self.missing_bands),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, kw_only=True)
class Raster:
    """Pixels of any bands on one north-up or rotated grid, with what is known of them.

    A patch of twelve bands, a stack of four, a colour picture and a whole scene are all
    rasters. What a model needs of one stands in the model's card.

    Attributes:
        data: float32 ``(band, y, x)``; 0 where not valid. Read-only. At level "RGB" the
            brightness of a screen, 0 to 1; at all others reflectance, 0 to about 1 (bright
            clouds and snow exceed 1, dark water may fall below 0).
        valid: bool ``(y, x)``, True where every band has data. Read-only.
        bands: names along the band axis.
        provenance: where it came from, its level among other things.
        crs: a projected CRS with metres as its unit, as text (``"EPSG:32633"``); None
            where the place is unknown.
        transform: affine coefficients of the grid in that CRS; None where the place is unknown.
        pixel_m: metres along a pixel's side, where known.
        acquired: sensing time in UTC, where the source states it.
        scl: ESA's scene classification uint8 ``(y, x)`` (0 to 11) on the same grid, where the
            source has one. Read-only.

    Raises:
        BadInput: shapes do not agree, a value is not finite or (RGB) not within 0 to 1, the
            CRS is not a projected one, or there is a CRS without a transform.
    """

    data: FloatArray
    valid: BoolArray
    provenance: Provenance
    bands: tuple[str, ...]
    crs: str | None = None
    transform: Geo | None = None
    pixel_m: float | None = None
    acquired: datetime | None = None
    scl: ByteArray | None = None

    def __post_init__(self) -> None:
        pixels = np.ascontiguousarray(self.data, dtype=np.float32)
        valid = np.ascontiguousarray(self.valid, dtype=np.bool_)
        if pixels.ndim != 3 or pixels.shape[0] != len(self.bands):
            raise BadInput(
                f"The pixels have shape {pixels.shape}, but {len(self.bands)} bands are named: "
                "give an array (band, y, x)."
            )
        if valid.shape != pixels.shape[1:]:
            raise BadInput(
                f"The valid mask has shape {valid.shape}, the pixels {pixels.shape[1:]}: "
                "they must agree."
            )
        if self.scl is not None:
            if self.scl.shape != valid.shape or self.scl.dtype != np.uint8:
                raise BadInput("The scene classification must be uint8 on the raster's own grid.")
            object.__setattr__(self, "scl", _read_only(np.ascontiguousarray(self.scl)))
        if (self.crs is None) != (self.transform is None):
            raise BadInput("A place takes both a CRS and a transform: give both or neither.")
        if self.crs is not None:
            check_projected(self.crs)
        if self.is_rgb and pixels.size and not (pixels.min() >= 0.0 and pixels.max() <= 1.0):
            raise BadInput("Brightness lies between 0 and 1: divide bytes by 255.")
        if not np.isfinite(pixels).all():
            raise BadInput("The pixels hold NaN or infinite values: mark them as not valid.")
        if self.pixel_m is None and self.transform is not None:
            a, _, _, d, _, _ = self.transform
            object.__setattr__(self, "pixel_m", math.hypot(a, d))
        # A raster is shared between caches and threads; nobody may write into it.
        object.__setattr__(self, "data", _read_only(pixels))
        object.__setattr__(self, "valid", _read_only(valid))

    @property
    def level(self) -> str:
        """What the pixels are: "L2A", "L1C" or "RGB"."""
        return self.provenance.level

    @property
    def is_rgb(self) -> bool:
        """Whether it is a picture of red, green and blue, whose brightness is no measurement."""
        return self.level == RGB

    @property
    def has_place(self) -> bool:
        """Whether it is known where on Earth it lies."""
        return self.crs is not None

    @property
    def georeference(self) -> tuple[str, Geo]:
        """CRS and transform.

        Raises:
            BadInput: the place is not known.
        """
        if self.crs is None or self.transform is None:
            raise BadInput(
                f"'{self.provenance.source}' has no position on Earth: give a georeferenced file."
            )
        return self.crs, self.transform

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.data.shape[1])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.data.shape[2])

    @property
    def nodata_fraction(self) -> float:
        """Share of pixels without data, 0 to 1."""
        return float(1.0 - self.valid.mean())

    def band(self, name: str) -> FloatArray:
        """The pixels ``(y, x)`` of one band.

        Raises:
            BadInput: the raster does not have that band.
        """
        if name not in self.bands:
            raise BadInput(f"This raster has no band {name}; it has {', '.join(self.bands)}.")
        pixels: FloatArray = self.data[self.bands.index(name)]
        return pixels

    @property
    def extent(self) -> Window:
        """Where its pixels lie on the ground.

        Raises:
            BadInput: the place of the raster is not known.
        """
        crs, transform = self.georeference
        return Window(crs=crs, transform=transform, width=self.width, height=self.height)

    def cut(self, wanted: Cut) -> Raster:
        """A square of the raster.

        Reflectance keeps whole steps of 6 pixels where the square is not given by its corner,
        so that the 20 and 60 m bands stay aligned.

        Raises:
            BadInput: the square does not lie wholly inside the raster, or its place is
                outside or not known.
        """
        where = self.extent if wanted.place is not None else None
        shape = (self.height, self.width)
        row, col = wanted.corner_in(shape, where=where, step=1 if self.is_rgb else ALIGNMENT)
        y, x = slice(row, row + wanted.size), slice(col, col + wanted.size)
        moved = None
        if self.transform is not None:
            moved = self.extent.part(row, col, wanted.size, wanted.size).transform
        return replace(
            self,
            data=self.data[:, y, x],
            valid=self.valid[y, x],
            scl=None if self.scl is None else self.scl[y, x],
            transform=moved,
        )

    def window(self, row: int, col: int, size: int) -> Raster:
        """The square of ``size`` pixels whose upper left pixel is ``(row, col)``.

        Raises:
            BadInput: the square does not lie wholly inside the raster.
        """
        return self.cut(Cut(size=size, corner=(row, col)))

    def centre_corner(self, size: int) -> tuple[int, int]:
        """Row and column of the upper left pixel of the square in the middle.

        Raises:
            BadInput: the raster is smaller than that.
        """
        step = 1 if self.is_rgb else ALIGNMENT
        return Cut(size=size).corner_in((self.height, self.width), step=step)

    def centre_window(self, size: int) -> Raster:
        """The square of ``size`` pixels in the middle.

        Raises:
            BadInput: the raster is smaller than that.
        """
        return self.cut(Cut(size=size))

    def window_around(self, latitude: float, longitude: float, size: int) -> Raster:
        """The square of ``size`` pixels nearest around a place, moved inside where it juts out.

        Raises:
            BadInput: the place does not lie in the raster, or the raster has no place.
        """
        return self.cut(Cut(size=size, place=(latitude, longitude)))

    def pixel_of(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Row and column (fractional, of the pixel's upper left corner) of a WGS 84 place.

        Raises:
            BadInput: the place of the raster is not known.
        """
        return self.extent.pixel_of(latitude, longitude)

    @property
    def centre(self) -> tuple[float, float]:
        """Latitude and longitude (WGS 84 degrees) of the middle.

        Raises:
            BadInput: the place of the raster is not known.
        """
        return self.extent.centre

    @property
    def outline(self) -> tuple[tuple[float, float], ...]:
        """Latitude and longitude of the four corners, clockwise from the upper left.

        Raises:
            BadInput: the place of the raster is not known.
        """
        return self.extent.outline

    def image(self, composite: Composite = COMPOSITES[0]) -> ByteArray:
        """An RGBA image ``(y, x, 4)`` uint8, transparent where there is no data.

        A picture of red, green and blue is shown as it came. Reflectance gets the composite's
        stretch; a gamma of 1 / 1.6 lightens the dark tones, in which most land lies.
        """
        out = np.empty((self.height, self.width, 4), dtype=np.uint8)
        out[..., 3] = np.where(self.valid, 255, 0)
        if self.is_rgb:
            out[..., :3] = np.round(255.0 * self.data).transpose(1, 2, 0)
            return out
        rgb = np.stack([self.band(name) for name in composite.bands], axis=-1)
        unit = np.clip((rgb - composite.low) / (composite.high - composite.low), 0.0, 1.0)
        out[..., :3] = np.round(255.0 * unit ** (1 / 1.6))
        return out

    def _repr_png_(self) -> bytes | None:
        """The picture that a notebook shows; None without red, green and blue bands."""
        if not self.is_rgb and not set(COMPOSITES[0].bands) <= set(self.bands):
            return None
        # A whole scene has a hundred million pixels: every n-th row and column are enough.
        step = max(1, -(-max(self.height, self.width) // SIDE))
        thumbnail = replace(
            self,
            data=self.data[:, ::step, ::step],
            valid=self.valid[::step, ::step],
            crs=None,
            transform=None,
            scl=None,
        )
        return png(thumbnail.image())

    def _repr_html_(self) -> str:
        """What a notebook shows: the picture and what is known of it."""
        facts = {
            "source": plain(self.provenance.source),
            "pixels": f"{self.width} × {self.height}"
            + (f" of {self.pixel_m:g} m" if self.pixel_m else ""),
            "bands": " ".join(self.bands),
            "level": self.level,
            "acquired": time_text(self.acquired.isoformat() if self.acquired else None),
            "place": f"{place_text(*self.centre)} ({self.crs})" if self.has_place else "not known",
            "without data": f"{self.nodata_fraction:.1%}",
        }
        return html(facts, self._repr_png_())


def _read_only(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    view = values.view()
    view.flags.writeable = False
    return view
