"""The value that flows through the program: surface reflectance on one 10 m grid."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform as warp_transform

from landcover.core.bands import BAND_NAMES, PATCH_PIXELS, PIXEL_M, Composite
from landcover.core.errors import BadInput

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
ByteArray = npt.NDArray[np.uint8]
Geo = tuple[float, float, float, float, float, float]
"""Affine coefficients ``(a, b, c, d, e, f)``: x = a·col + b·row + c, y = d·col + e·row + f."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a patch came from and what was done to it, for showing beside every result."""

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
class Patch:
    """Surface reflectance of a square or larger area.

    Attributes:
        reflectance: float32 ``(band, y, x)``, 0 to about 1 (bright clouds and snow
            exceed 1, dark water may fall below 0); 0 where not valid. Read-only.
        valid: bool ``(y, x)``, True where every band has data. Read-only.
        crs: a projected CRS with metres as its unit, as text (``"EPSG:32633"``).
        transform: affine coefficients of the 10 m grid in that CRS.
        acquired: sensing time in UTC, where the source states it.
        provenance: where it came from.
        bands: names along the band axis.
        scl: ESA's scene classification uint8 ``(y, x)`` (0 to 11) on the same grid, where the
            source has one. Read-only.

    Raises:
        BadInput: shapes do not agree, or the CRS is not a projected one.
    """

    reflectance: FloatArray
    valid: BoolArray
    crs: str
    transform: Geo
    provenance: Provenance
    acquired: datetime | None = None
    bands: tuple[str, ...] = field(default=BAND_NAMES)
    scl: ByteArray | None = None

    def __post_init__(self) -> None:
        pixels = np.ascontiguousarray(self.reflectance, dtype=np.float32)
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
                raise BadInput("The scene classification must be uint8 on the patch's own grid.")
            classes = np.ascontiguousarray(self.scl).view()
            classes.flags.writeable = False
            object.__setattr__(self, "scl", classes)
        check_projected(self.crs)
        if not np.isfinite(pixels).all():
            raise BadInput("The reflectance holds NaN or infinite values: mark them as not valid.")
        # A patch is shared between caches and threads; nobody may write into it.
        if pixels is self.reflectance:
            pixels = pixels.view()
        if valid is self.valid:
            valid = valid.view()
        pixels.flags.writeable = False
        valid.flags.writeable = False
        object.__setattr__(self, "reflectance", pixels)
        object.__setattr__(self, "valid", valid)

    @property
    def height(self) -> int:
        """Rows of the 10 m grid."""
        return int(self.reflectance.shape[1])

    @property
    def width(self) -> int:
        """Columns of the 10 m grid."""
        return int(self.reflectance.shape[2])

    @property
    def nodata_fraction(self) -> float:
        """Share of pixels without data, 0 to 1."""
        return float(1.0 - self.valid.mean())

    def band(self, name: str) -> FloatArray:
        """Reflectance ``(y, x)`` of one band.

        Raises:
            BadInput: the patch does not have that band.
        """
        if name not in self.bands:
            raise BadInput(f"This patch has no band {name}; it has {', '.join(self.bands)}.")
        pixels: FloatArray = self.reflectance[self.bands.index(name)]
        return pixels

    def window(self, row: int, col: int, size: int = PATCH_PIXELS) -> Patch:
        """The square of ``size`` pixels whose upper left pixel is ``(row, col)``.

        Raises:
            BadInput: the square does not lie wholly inside the patch.
        """
        if row < 0 or col < 0 or row + size > self.height or col + size > self.width:
            raise BadInput(
                f"A window of {size} pixels at row {row}, column {col} does not fit into "
                f"{self.height} × {self.width} pixels: choose another place."
            )
        a, b, c, d, e, f = self.transform
        return replace(
            self,
            reflectance=self.reflectance[:, row : row + size, col : col + size],
            valid=self.valid[row : row + size, col : col + size],
            scl=None if self.scl is None else self.scl[row : row + size, col : col + size],
            transform=(a, b, c + a * col + b * row, d, e, f + d * col + e * row),
        )

    def centre_window(self, size: int = PATCH_PIXELS) -> Patch:
        """The square of ``size`` pixels in the middle, on the 60 m grid of the whole."""
        # Whole steps of 6 pixels keep the 20 and 60 m bands aligned with the window.
        row = (self.height - size) // 2 // 6 * 6
        col = (self.width - size) // 2 // 6 * 6
        return self.window(row, col, size)

    def window_around(self, latitude: float, longitude: float, size: int = PATCH_PIXELS) -> Patch:
        """The square of ``size`` pixels nearest around a place, moved inside where it juts out.

        Raises:
            BadInput: the place does not lie in the patch.
        """
        row, col = self.pixel_of(latitude, longitude)
        if not (0 <= row < self.height and 0 <= col < self.width):
            raise BadInput(
                f"{latitude:.5f}, {longitude:.5f} lies outside this picture: "
                "choose a place inside its outline."
            )
        row0 = min(max(int(row) - size // 2, 0), self.height - size) // 6 * 6
        col0 = min(max(int(col) - size // 2, 0), self.width - size) // 6 * 6
        return self.window(row0, col0, size)

    def pixel_of(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Row and column (fractional, of the pixel's upper left corner) of a WGS 84 place."""
        xs, ys = warp_transform("EPSG:4326", self.crs, [longitude], [latitude])
        a, b, c, d, e, f = self.transform
        det = a * e - b * d
        dx, dy = xs[0] - c, ys[0] - f
        return (a * dy - d * dx) / det, (e * dx - b * dy) / det

    @property
    def centre(self) -> tuple[float, float]:
        """Latitude and longitude (WGS 84 degrees) of the middle."""
        (point,) = self._to_wgs84([(self.height / 2, self.width / 2)])
        return point

    @property
    def outline(self) -> tuple[tuple[float, float], ...]:
        """Latitude and longitude of the four corners, clockwise from the upper left."""
        h, w = self.height, self.width
        return tuple(self._to_wgs84([(0, 0), (0, w), (h, w), (h, 0)]))

    def _to_wgs84(self, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        a, b, c, d, e, f = self.transform
        xs = [a * col + b * row + c for row, col in points]
        ys = [d * col + e * row + f for row, col in points]
        lons, lats = warp_transform(self.crs, "EPSG:4326", xs, ys)[:2]
        return list(zip(lats, lons, strict=True))

    def picture(self, composite: Composite) -> ByteArray:
        """An RGBA picture ``(y, x, 4)`` uint8 with the composite's stretch; transparent nodata.

        A gamma of 1 / 1.6 lightens the dark tones, in which most land lies.
        """
        rgb = np.stack([self.band(name) for name in composite.bands], axis=-1)
        unit = np.clip((rgb - composite.low) / (composite.high - composite.low), 0.0, 1.0)
        out = np.empty((*unit.shape[:2], 4), dtype=np.uint8)
        out[..., :3] = np.round(255.0 * unit ** (1 / 1.6))
        out[..., 3] = np.where(self.valid, 255, 0)
        return out


@lru_cache(maxsize=256)
def check_projected(crs: str) -> CRS:
    """The CRS of that text, when it is projected with metres as its unit.

    Raises:
        BadInput: the text is no CRS, or the CRS is geographic or not in metres.
    """
    try:
        parsed = CRS.from_user_input(crs)
        metres = parsed.is_projected and abs(parsed.linear_units_factor[1] - 1.0) < 1e-9
    except CRSError:
        raise BadInput(
            f"'{crs[:60]}' is not a coordinate reference system: give one such as EPSG:32633."
        ) from None
    if not metres:
        raise BadInput(
            f"{crs[:60]} is not a projected CRS in metres: reproject to the place's UTM zone."
        )
    return parsed


def grid(west: float, north: float, pixel: float = PIXEL_M) -> Geo:
    """Coefficients of a north-up grid whose upper left corner is ``(west, north)``."""
    return (float(pixel), 0.0, float(west), 0.0, -float(pixel), float(north))
