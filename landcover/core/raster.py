"""The raster: pixels with their bands, grid, time and provenance."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.core.bands import ALIGNMENT, COMPOSITES, RGB, Composite
from landcover.core.errors import BadInput
from landcover.core.notebook import SIDE, html, png
from landcover.core.text import place_text, plain, time_text
from landcover.core.window import Cut, Geo, Window, check_projected

__all__ = ["PALE", "BoolArray", "ByteArray", "FloatArray", "Provenance", "Raster"]

PALE: Final = 90
"""Opacity of pixels that are reflections of others, 0 to 255."""

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where pixels come from and how they were processed, shown with every result."""

    source: str
    """Name of the file, sample or catalogue item; never a full path."""
    level: str = "L2A"
    scene: str | None = None
    baseline: str | None = None
    """ESA processing baseline such as ``"04.00"``, if the source states it."""
    scaling: str = "reflectance = DN / 10000"
    resampling: str = "none"
    band_order: str = "documented order"
    """How the order of the bands is known."""
    missing_bands: tuple[str, ...] = ()
    native_pixel_m: float | None = None
    """Longer side of the source's pixels on the ground in metres, if they are coarser than the
    raster's, so that detail is missing; else None."""
    padded_fraction: float = 0.0
    """Share of the pixels that are reflections of others, because the source is smaller than the
    model's window, 0 to 1."""
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
            "native_pixel_m": self.native_pixel_m,
            "padded_fraction": self.padded_fraction,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, kw_only=True)
class Raster:
    """Pixels of any number of bands on one north-up or rotated grid, with their metadata.

    A patch of twelve bands, a stack of four, a colour picture and a whole scene are all
    rasters. The model's card states which of them a model accepts.

    Attributes:
        data: float32 ``(band, y, x)``, read-only; 0 where not valid. At level "RGB" the
            brightness on a screen, 0 to 1; at other levels reflectance, 0 to about 1 (bright
            clouds and snow exceed 1, dark water can be below 0).
        valid: bool ``(y, x)``, read-only; True where all bands have data.
        bands: names along the band axis.
        provenance: source, level and processing.
        crs: a projected CRS in metres, as text (``"EPSG:32633"``); None if the place is
            unknown.
        transform: affine coefficients of the grid in that CRS; None if the place is unknown.
        pixel_m: side of a pixel in metres, if known.
        acquired: sensing time in UTC, if the source states it.
        scl: ESA's scene classification uint8 ``(y, x)``, 0 to 11, on the same grid, if the
            source has one; read-only.
        measured: bool ``(y, x)``, False where pixels are reflections of others because the source
            is smaller than the model's window; None if there are none; read-only.

    Raises:
        BadInput: shapes differ, a value is not finite or (RGB) not within 0 to 1, the CRS is
            not projected, only one of CRS and transform is given, or they are nowhere on Earth.
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
    measured: BoolArray | None = None

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
                "give a mask of the same shape."
            )
        self._check_layers(valid.shape)
        if (self.crs is None) != (self.transform is None):
            raise BadInput("A position needs a CRS and a transform: give both or neither.")
        if self.crs is not None:
            check_projected(self.crs)
            self.extent.check_on_earth()
        if self.is_rgb and pixels.size and not (pixels.min() >= 0.0 and pixels.max() <= 1.0):
            raise BadInput("Brightness must be between 0 and 1: divide bytes by 255.")
        # Band by band, because a mask of all pixels of a scene takes a hundred megabytes.
        if not all(np.isfinite(band).all() for band in pixels):
            raise BadInput("The pixels contain NaN or infinite values: mark them as not valid.")
        if self.pixel_m is None and self.transform is not None:
            a, _, _, d, _, _ = self.transform
            object.__setattr__(self, "pixel_m", math.hypot(a, d))
        # Caches and threads share a raster, so its arrays are read-only.
        object.__setattr__(self, "data", _read_only(pixels))
        object.__setattr__(self, "valid", _read_only(valid))

    def _check_layers(self, shape: tuple[int, ...]) -> None:
        """Check the layers that a raster may have, and state the share that was not measured."""
        if self.scl is not None:
            if self.scl.shape != shape or self.scl.dtype != np.uint8:
                raise BadInput("The scene classification must be uint8, on the grid of the pixels.")
            object.__setattr__(self, "scl", _read_only(np.ascontiguousarray(self.scl)))
        if self.measured is not None:
            if self.measured.shape != shape:
                raise BadInput("The mask of measured pixels must be on the grid of the pixels.")
            object.__setattr__(self, "measured", _read_only(self.measured.astype(np.bool_)))
            share = round(float(1 - self.measured.mean()), 4)
            facts = replace(self.provenance, padded_fraction=share)
            object.__setattr__(self, "provenance", facts)

    @property
    def level(self) -> str:
        """Product level of the pixels: "L2A", "L1C" or "RGB"."""
        return self.provenance.level

    @property
    def is_rgb(self) -> bool:
        """Whether it is a colour picture, whose brightness is not a measured reflectance."""
        return self.level == RGB

    @property
    def has_place(self) -> bool:
        """Whether its position on Earth is known."""
        return self.crs is not None

    @property
    def georeference(self) -> tuple[str, Geo]:
        """CRS and transform.

        Raises:
            BadInput: the position is not known.
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
        """Fraction of pixels without data, 0 to 1."""
        return float(1.0 - self.valid.mean())

    def band(self, name: str) -> FloatArray:
        """Pixels ``(y, x)`` of one band.

        Raises:
            BadInput: the raster does not have that band.
        """
        if name not in self.bands:
            raise BadInput(f"This raster has no band {name}; it has {', '.join(self.bands)}.")
        pixels: FloatArray = self.data[self.bands.index(name)]
        return pixels

    @property
    def extent(self) -> Window:
        """The window of the ground that it covers.

        Raises:
            BadInput: its position is not known.
        """
        crs, transform = self.georeference
        return Window(crs=crs, transform=transform, width=self.width, height=self.height)

    def cut(self, wanted: Cut) -> Raster:
        """Cut a square out of the raster.

        Unless the corner is given, a square of reflectance starts at multiples of 6 pixels, so
        that the 20 and 60 m bands stay aligned.

        Raises:
            BadInput: the square does not fit inside the raster, its place is outside, or the
                position of the raster is not known.
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
            # Copies: whoever keeps a square must not keep the entire raster in memory.
            data=self.data[:, y, x].copy(),
            valid=self.valid[y, x].copy(),
            scl=None if self.scl is None else self.scl[y, x].copy(),
            measured=None if self.measured is None else self.measured[y, x].copy(),
            transform=moved,
        )

    def padded(self, size: int) -> Raster:
        """Pad with reflections of the pixels to at least ``size`` pixels a side, if smaller.

        What is left over is added on opposite sides, in multiples of 6 pixels, so that the 20 and
        60 m bands stay aligned. They are not :attr:`measured`; the provenance states their share.
        """
        down, across = max(size - self.height, 0), max(size - self.width, 0)
        if not down and not across:
            return self
        top, left = (less // 2 // ALIGNMENT * ALIGNMENT for less in (down, across))
        widths = ((top, down - top), (left, across - left))
        rows, cols = self.height + down, self.width + across
        own = np.ones_like(self.valid) if self.measured is None else self.measured
        return replace(
            self,
            data=np.pad(self.data, ((0, 0), *widths), mode="symmetric"),
            valid=np.pad(self.valid, widths, mode="symmetric"),
            scl=None if self.scl is None else np.pad(self.scl, widths, mode="symmetric"),
            measured=np.pad(own, widths),
            transform=self.extent.part(-top, -left, rows, cols).transform if self.crs else None,
        )

    def window(self, row: int, col: int, size: int) -> Raster:
        """Cut the square of ``size`` pixels a side whose upper left pixel is ``(row, col)``.

        Raises:
            BadInput: the square does not fit inside the raster.
        """
        return self.cut(Cut(size=size, corner=(row, col)))

    def centre_corner(self, size: int) -> tuple[int, int]:
        """Row and column of the upper left pixel of the centre square.

        Raises:
            BadInput: the raster is smaller than the square.
        """
        step = 1 if self.is_rgb else ALIGNMENT
        return Cut(size=size).corner_in((self.height, self.width), step=step)

    def centre_window(self, size: int) -> Raster:
        """Cut the square of ``size`` pixels a side in the centre.

        Raises:
            BadInput: the raster is smaller than the square.
        """
        return self.cut(Cut(size=size))

    def window_around(self, latitude: float, longitude: float, size: int) -> Raster:
        """Cut the square of ``size`` pixels a side around a place (WGS 84 degrees).

        At the edge of the raster the square is moved inside.

        Raises:
            BadInput: the place is outside the raster, or the position of the raster is not known.
        """
        return self.cut(Cut(size=size, place=(latitude, longitude)))

    def pixel_of(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Fractional row and column of a place (WGS 84 degrees); pixel corners are integers.

        Raises:
            BadInput: the position of the raster is not known.
        """
        return self.extent.pixel_of(latitude, longitude)

    @property
    def centre(self) -> tuple[float, float]:
        """Latitude and longitude (WGS 84 degrees) of the centre.

        Raises:
            BadInput: its position is not known.
        """
        return self.extent.centre

    @property
    def where(self) -> str:
        """Its centre in words, such as ``48.2223° N, 13.7209° E``, or "place unknown"."""
        return place_text(*self.centre) if self.has_place else "place unknown"

    @property
    def outline(self) -> tuple[tuple[float, float], ...]:
        """Latitude and longitude (WGS 84 degrees) of the corners, clockwise from the upper left.

        Raises:
            BadInput: its position is not known.
        """
        return self.extent.outline

    @property
    def composites(self) -> tuple[Composite, ...]:
        """The composites whose bands it has; a colour picture has none."""
        return tuple(one for one in COMPOSITES if set(one.bands) <= set(self.bands))

    def image(self, composite: Composite = COMPOSITES[0]) -> ByteArray:
        """Draw an RGBA image uint8 ``(y, x, 4)``, transparent where there is no data.

        Pixels that were not :attr:`measured` are pale. A colour picture is shown unchanged.
        Reflectance is stretched as the composite states, with a gamma of 1 / 1.6 that brightens the
        dark tones of most land.
        """
        out = np.empty((self.height, self.width, 4), dtype=np.uint8)
        out[..., 3] = np.where(self.valid, 255, 0)
        if self.measured is not None:
            out[self.valid & ~self.measured, 3] = PALE
        if self.is_rgb:
            out[..., :3] = np.round(255.0 * self.data).transpose(1, 2, 0)
            return out
        rgb = np.stack([self.band(name) for name in composite.bands], axis=-1)
        unit = np.clip((rgb - composite.low) / (composite.high - composite.low), 0.0, 1.0)
        out[..., :3] = np.round(255.0 * unit ** (1 / 1.6))
        return out

    def _repr_png_(self) -> bytes | None:
        """PNG file for notebooks; None without red, green and blue bands."""
        if not self.is_rgb and not set(COMPOSITES[0].bands) <= set(self.bands):
            return None
        # A whole scene has a hundred million pixels: every n-th row and column is enough.
        step = max(1, -(-max(self.height, self.width) // SIDE))
        thumbnail = replace(
            self,
            data=self.data[:, ::step, ::step],
            valid=self.valid[::step, ::step],
            crs=None,
            transform=None,
            scl=None,
            measured=None if self.measured is None else self.measured[::step, ::step],
        )
        return png(thumbnail.image())

    def _repr_html_(self) -> str:
        """HTML for notebooks: the picture and its metadata."""
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
