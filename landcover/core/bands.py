"""Facts about Sentinel-2: its bands, their grids and the scaling of its products.

Wavelengths are the central wavelengths of Sentinel-2A in nanometres (ESA,
Sentinel-2 User Handbook, table 1); resolutions are in metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = [
    "ALIGNMENT",
    "BANDS",
    "BANDS_10M",
    "BANDS_20M",
    "BANDS_60M",
    "BAND_NAMES",
    "COMPOSITES",
    "EUROSAT_PIXELS",
    "L1C_BAND_NAMES",
    "NODATA",
    "PATCH_M",
    "PATCH_PIXELS",
    "PIXEL_M",
    "QUANTIFICATION",
    "RGB",
    "RGB_BANDS",
    "SCL_CLOUD",
    "SCL_HIDDEN",
    "SCL_NODATA",
    "SCL_SHADOW",
    "SCL_SNOW",
    "Band",
    "BandGroup",
    "Composite",
]

BandGroup = Literal["atmosphere", "visible", "red edge", "near infrared", "shortwave infrared"]


@dataclass(frozen=True)
class Band:
    """One spectral band of the MultiSpectral Instrument."""

    name: str
    wavelength_nm: float
    resolution_m: int
    group: BandGroup
    title: str


BANDS: Final[tuple[Band, ...]] = (
    Band("B01", 442.7, 60, "atmosphere", "coastal aerosol"),
    Band("B02", 492.4, 10, "visible", "blue"),
    Band("B03", 559.8, 10, "visible", "green"),
    Band("B04", 664.6, 10, "visible", "red"),
    Band("B05", 704.1, 20, "red edge", "red edge 1"),
    Band("B06", 740.5, 20, "red edge", "red edge 2"),
    Band("B07", 782.8, 20, "red edge", "red edge 3"),
    Band("B08", 832.8, 10, "near infrared", "near infrared"),
    Band("B8A", 864.7, 20, "near infrared", "narrow near infrared"),
    Band("B09", 945.1, 60, "atmosphere", "water vapour"),
    Band("B11", 1613.7, 20, "shortwave infrared", "shortwave infrared 1"),
    Band("B12", 2202.4, 20, "shortwave infrared", "shortwave infrared 2"),
)
"""The twelve bands of a Level-2A product, in BigEarthNet's order (there is no B10)."""

BAND_NAMES: Final[tuple[str, ...]] = tuple(band.name for band in BANDS)
L1C_BAND_NAMES: Final[tuple[str, ...]] = (*BAND_NAMES[:10], "B10", *BAND_NAMES[10:])
"""The thirteen bands of a Level-1C product: B10 (cirrus) is not in Level-2A."""

BANDS_10M: Final[tuple[str, ...]] = tuple(b.name for b in BANDS if b.resolution_m == 10)
BANDS_20M: Final[tuple[str, ...]] = tuple(b.name for b in BANDS if b.resolution_m == 20)
BANDS_60M: Final[tuple[str, ...]] = tuple(b.name for b in BANDS if b.resolution_m == 60)

QUANTIFICATION: Final[float] = 10_000.0
"""Digital numbers per unit of reflectance (ESA product specification)."""

NODATA: Final[int] = 0
"""Digital number of a pixel without data in ESA's products."""

SCL_NODATA: Final[frozenset[int]] = frozenset({0, 1})
SCL_SHADOW: Final[frozenset[int]] = frozenset({3})
SCL_CLOUD: Final[frozenset[int]] = frozenset({8, 9, 10})
SCL_SNOW: Final[frozenset[int]] = frozenset({11})
SCL_HIDDEN: Final[tuple[int, ...]] = tuple(sorted(SCL_NODATA | SCL_SHADOW | SCL_CLOUD))
"""Classes of pixels whose ground cannot be seen."""
"""Classes of Level-2A's scene classification (ESA, Level-2A algorithm theoretical basis): no
data and saturated or defective; cloud shadow; cloud of medium and high probability and thin
cirrus; snow or ice."""

PIXEL_M: Final[int] = 10
"""Side of a pixel on the grid to which patches are resampled, in metres."""

ALIGNMENT: Final[int] = 6
"""10 m pixels along a 60 m pixel: a window that starts at multiples cuts no coarser pixel."""

RGB: Final = "RGB"
"""The level of colour pictures: red, green and blue as shown on a screen."""

RGB_BANDS: Final[tuple[str, ...]] = ("red", "green", "blue")
"""The bands of colour pictures."""

EUROSAT_PIXELS: Final[int] = 64
"""Side of a EuroSAT picture in pixels of 10 m, which makes 640 m."""

PATCH_PIXELS: Final[int] = 120
"""Side of a BigEarthNet patch on the 10 m grid, in pixels."""

PATCH_M: Final[int] = PATCH_PIXELS * PIXEL_M
"""Side of a BigEarthNet patch, in metres."""


@dataclass(frozen=True)
class Composite:
    """Three bands shown as red, green and blue with a fixed stretch.

    ``low`` and ``high`` are the reflectances shown as black and as full brightness. The
    stretch is the same for all patches, so that their colours can be compared by eye.
    """

    name: str
    bands: tuple[str, str, str]
    low: float
    high: float
    reading: str


COMPOSITES: Final[tuple[Composite, ...]] = (
    Composite("True colour", ("B04", "B03", "B02"), 0.0, 0.22, "as the eye would see it"),
    Composite("False colour", ("B08", "B04", "B03"), 0.0, 0.45, "vegetation is red, water is dark"),
    Composite(
        "SWIR",
        ("B12", "B8A", "B04"),
        0.0,
        0.45,
        "vegetation is green, bare soil and buildings are pink, burnt ground is dark red",
    ),
)
