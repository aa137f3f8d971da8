"""Contents of the test archive: real pixels, their metadata and their catalogue.

The same pixels appear as each archive and processing baseline would publish them, so a correct
reader gets the same reflectance from all granules. Only the dates of the repeated granules are
invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from affine import Affine
from rasterio.warp import transform as transform_points

Style = Literal["earth-search", "planetary-computer", "copernicus"]
Part = Literal["all", "north", "south"]

STYLES: Final[tuple[Style, ...]] = ("earth-search", "planetary-computer", "copernicus")
LATTICE_M: Final = 60
"""All pixels of a UTM zone lie on one lattice of 60 m cells. It starts at the equator. Northings
of southern zones decrease from 10,000,000 m at the equator, so there y ≡ 40 (mod 60): real tiles
begin at 9900040 (22MHD) or 7300000."""


@dataclass(frozen=True, kw_only=True)
class Extent:
    """A rectangle on the 60 m lattice of a UTM zone, in metres; ``top`` is its northern edge."""

    epsg: int
    left: int
    top: int
    width: int
    height: int

    def __post_init__(self) -> None:
        south = 10_000_000 if self.epsg > 32_700 else 0
        for number in (self.left, self.top - south, self.width, self.height):
            assert number % LATTICE_M == 0, self

    def shape(self, resolution: int) -> tuple[int, int]:
        """Rows and columns."""
        return self.height // resolution, self.width // resolution

    def transform(self, resolution: int) -> Affine:
        return Affine(resolution, 0, self.left, 0, -resolution, self.top)

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """Left, bottom, right, top."""
        return self.left, self.top - self.height, self.left + self.width, self.top

    def ring(self) -> list[list[float]]:
        """Return the corners as a closed GeoJSON ring, counter-clockwise from the upper left."""
        left, bottom, right, top = self.bounds
        xs, ys = [left, left, right, right, left], [top, bottom, bottom, top, top]
        lons, lats = transform_points(f"EPSG:{self.epsg}", "EPSG:4326", xs, ys)
        return [[lon, lat] for lon, lat in zip(lons, lats, strict=True)]


AUSTRIA_TILE: Final = Extent(epsg=32633, left=300_000, top=5_400_000, width=109_800, height=109_800)
AUSTRIA: Final = Extent(epsg=32633, left=332_340, top=5_334_060, width=10_980, height=10_980)
"""1098 pixels of 10 m in the part with most patches: 40 of 81, columns 27-35, rows 55-63."""
CUT: Final = 335_400
"""Easting at which one date is cut into two tiles: the middle of patch 29_57."""
OVERLAP: Final = 240
AUSTRIA_WEST: Final = Extent(
    epsg=32633, left=AUSTRIA.left, top=AUSTRIA.top, width=CUT - AUSTRIA.left, height=10_980
)
AUSTRIA_EAST: Final = Extent(
    epsg=32633,
    left=CUT - OVERLAP,
    top=AUSTRIA.top,
    width=AUSTRIA.bounds[2] - CUT + OVERLAP,
    height=10_980,
)
BOADELLA: Final = Extent(epsg=32631, left=482_940, top=4_690_260, width=3_660, height=3_720)
SOUTH: Final = Extent(epsg=32736, left=617_340, top=9_625_060, width=2_160, height=2_160)
"""Within the L2A scene 38D_378R_2_3, which is shifted by 2 m to the lattice."""
NEW_ZEALAND: Final = Extent(epsg=32760, left=563_040, top=5_690_260, width=2_520, height=2_640)


@dataclass(frozen=True, kw_only=True)
class Granule:
    """One granule as one archive publishes it.

    Attributes:
        style: the catalogue that lists it.
        pixels: where its pixels come from, such as ``"austria"`` or ``"boadella/2020-01-23"``.
        extent: extent of its files.
        tile: MGRS tile, such as ``"33UUP"``.
        datatake: start of the pass, UTC.
        baseline: ESA's processing baseline.
        shift: number added to the source's valid pixels: 0 or 1000.
        applied: ``earthsearch:boa_offset_applied``; None if the item does not have it.
        part: which side of a slanted edge has data.
        sequence: number of the granule among those of its tile and day.
        level: ``"L2A"`` or ``"L1C"``.
        modern: whether the item has ``proj:code`` instead of ``proj:epsg``.
        lag: seconds from the start of the pass to this tile.
    """

    style: Style
    pixels: str
    extent: Extent
    tile: str
    datatake: datetime
    baseline: str
    platform: str = "S2A"
    orbit: int = 22
    shift: int = 0
    applied: bool | None = False
    part: Part = "all"
    sequence: int = 0
    level: Literal["L2A", "L1C"] = "L2A"
    modern: bool = False
    lag: float = 330.461

    @property
    def day(self) -> str:
        return self.datatake.strftime("%Y-%m-%d")

    @property
    def offset(self) -> bool:
        """Whether ESA's product of this baseline has 1000 added."""
        return float(self.baseline) >= 4

    @property
    def states_offset_correctly(self) -> bool:
        """Whether the metadata states correctly if the numbers have 1000 added."""
        off = self.applied if self.style == "earth-search" else False
        return self.shift == (1000 if self.offset and not off else 0)

    @property
    def sensed(self) -> datetime:
        return self.datatake + timedelta(seconds=self.lag)

    @property
    def generated(self) -> datetime:
        """Time of processing; reprocessed granules were made years after sensing."""
        later = self.baseline == "05.00" and self.datatake.year < 2022
        return datetime(2023, 5, 1, 12, 7, 41) if later else self.datatake + timedelta(hours=4)  # noqa: DTZ001 - all times here are UTC

    @property
    def product(self) -> str:
        """Name of the SAFE product, without its ending."""
        return "_".join(
            (
                self.platform,
                f"MSI{self.level}",
                self.datatake.strftime("%Y%m%dT%H%M%S"),
                f"N{self.baseline.replace('.', '')}",
                f"R{self.orbit:03d}",
                f"T{self.tile}",
                (self.generated + timedelta(seconds=self.sequence)).strftime("%Y%m%dT%H%M%S"),
            )
        )

    @property
    def id(self) -> str:
        """The item's id in the form of its catalogue."""
        if self.style == "earth-search":
            day = self.datatake.strftime("%Y%m%d")
            return f"{self.platform}_{self.tile}_{day}_{self.sequence}_{self.level}"
        if self.style == "planetary-computer":
            pieces = self.product.split("_")
            return "_".join(piece for piece in pieces if piece[0] != "N")
        return self.product


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _austria(style: Style, day: str, baseline: str, **more: object) -> Granule:
    fields: dict[str, object] = {"extent": AUSTRIA, "tile": "33UUP", **more}
    return Granule(
        style=style,
        pixels="austria",
        datatake=_at(f"{day}T10:10:31"),
        baseline=baseline,
        **fields,  # type: ignore[arg-type]
    )


def _boadella(style: Style, day: str, baseline: str, **more: object) -> Granule:
    return Granule(
        style=style,
        pixels=f"boadella/{day}",
        extent=BOADELLA,
        tile="31TDG",
        datatake=_at(f"{day}T10:43:21"),
        baseline=baseline,
        orbit=8,
        **more,  # type: ignore[arg-type]
    )


def _two_tiles(style: Style, baseline: str) -> tuple[Granule, Granule]:
    """Return one pass over two tiles that overlap by 240 m; their border crosses patches."""
    day = "2018-07-08"
    return (
        _austria(style, day, baseline, extent=AUSTRIA_WEST),
        _austria(style, day, baseline, extent=AUSTRIA_EAST, tile="33UVP", lag=327.102),
    )


ES: Final[Style] = "earth-search"
PC: Final[Style] = "planetary-computer"
CD: Final[Style] = "copernicus"

GRANULES: Final[tuple[Granule, ...]] = (
    # The original tile at full size, from before the offset
    _austria(ES, "2017-06-13", "02.05", extent=AUSTRIA_TILE),
    # From baseline 04.00: the archive subtracted the offset and says so
    _austria(ES, "2022-07-14", "04.00", applied=True, modern=True),
    # … did not subtract it and says so, or says nothing
    _austria(ES, "2022-07-19", "04.00", applied=False, shift=1000, platform="S2B", modern=True),
    _austria(ES, "2022-08-03", "04.00", applied=None, shift=1000, modern=True),
    # … says the opposite of what it did (Element84/earth-search#66)
    _austria(ES, "2022-07-29", "04.00", applied=False, platform="S2B", modern=True),
    _austria(ES, "2022-08-13", "04.00", applied=True, shift=1000, modern=True),
    # A pass over two tiles, a pass over two granules of one tile, and the edge of the swath
    *_two_tiles(ES, "02.06"),
    _austria(ES, "2018-08-02", "02.08", part="north"),
    _austria(ES, "2018-08-02", "02.08", part="south", sequence=1, lag=333.902),
    _austria(ES, "2018-08-17", "02.08", part="south", platform="S2B"),
    # Hazy, cloudy, clear, clear
    _boadella(ES, "2020-01-13", "02.13"),
    _boadella(ES, "2020-01-23", "02.13", platform="S2B"),
    _boadella(ES, "2020-01-28", "02.13"),
    _boadella(ES, "2022-06-01", "04.00", applied=True, modern=True),
    # South of the equator
    Granule(
        style=ES,
        pixels="south",
        extent=SOUTH,
        tile="36MXB",
        datatake=_at("2021-08-15T07:46:11"),
        baseline="03.01",
        orbit=135,
    ),
    # Level-1C, listed with Level-2A
    Granule(
        style=ES,
        pixels="l1c",
        extent=NEW_ZEALAND,
        tile="60HWB",
        datatake=_at("2020-10-02T22:16:11"),
        baseline="02.09",
        orbit=129,
        level="L1C",
        applied=None,
    ),
    # Planetary Computer: ESA's numbers unchanged
    _austria(PC, "2017-06-13", "05.00", shift=1000),
    _austria(PC, "2020-07-12", "02.12"),
    *_two_tiles(PC, "02.12"),
    _boadella(PC, "2020-01-13", "02.12"),
    _boadella(PC, "2020-01-23", "02.12", platform="S2B"),
    _boadella(PC, "2020-01-28", "02.12"),
    _boadella(PC, "2022-06-01", "04.00", shift=1000),
    # Copernicus Data Space: ESA's numbers unchanged, in JPEG 2000
    _austria(CD, "2017-06-13", "05.00", shift=1000, modern=True),
    _austria(CD, "2018-08-27", "02.08", modern=True),
    _boadella(CD, "2020-01-23", "05.00", shift=1000, platform="S2B", modern=True),
    _boadella(CD, "2020-01-28", "05.00", shift=1000, modern=True),
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place with known pixels.

    Attributes:
        name: its name in the tests.
        window: the 1200 m square on the lattice around it.
        pixels: ``"austria"``, ``"boadella"``, ``"south"`` or ``"l1c"``; "" if there are no pixels.
    """

    name: str
    window: Extent
    pixels: str = "austria"

    @property
    def center(self) -> tuple[float, float]:
        """Easting and northing of its centre, metres."""
        return self.window.left + 600.0, self.window.top - 600.0

    @property
    def lon_lat(self) -> tuple[float, float]:
        x, y = self.center
        lons, lats = transform_points(f"EPSG:{self.window.epsg}", "EPSG:4326", [x], [y])
        return lons[0], lats[0]

    @property
    def lat(self) -> float:
        return self.lon_lat[1]

    @property
    def lon(self) -> float:
        return self.lon_lat[0]


def _patch(col: float, row: float) -> Extent:
    """Return the window at a column and row of tile 33UUP; fractions lie between patches."""
    return Extent(
        epsg=32633,
        left=AUSTRIA_TILE.left + round(col * 1200),
        top=AUSTRIA_TILE.top - round(row * 1200),
        width=1200,
        height=1200,
    )


def _square(epsg: int, left: int, top: int) -> Extent:
    return Extent(epsg=epsg, left=left, top=top, width=1200, height=1200)


PLACES: Final[Mapping[str, Place]] = {
    place.name: place
    for place in (
        # Exactly patch 29_57; the border of the two tiles of 2018-07-08 runs through its middle
        Place(name="patch", window=_patch(29, 57)),
        # A quarter each of the patches 28_56, 29_56, 28_57 and 29_57
        Place(name="four patches", window=_patch(28.5, 56.5)),
        # Patch 28_56, with the slanted edge of the granules of 2018-08-02 and 2018-08-17
        Place(name="edge", window=_patch(28, 56)),
        # A quarter each of 29_57, 30_57 and 29_58; the last quarter has no data
        Place(name="three quarters", window=_patch(29.5, 57.5)),
        # Only in the full-size tile
        Place(name="far", window=_patch(37, 89)),
        # In the full-size tile, but without data
        Place(name="empty", window=_patch(5, 5)),
        # Boadella on 2020-01-23: overcast, nearly clear, half cloudy
        Place(name="overcast", window=_square(32631, 482_940, 4_687_740), pixels="boadella"),
        Place(name="gap", window=_square(32631, 483_540, 4_689_360), pixels="boadella"),
        Place(name="broken", window=_square(32631, 484_620, 4_690_260), pixels="boadella"),
        Place(name="south", window=_square(32736, 617_820, 9_624_580), pixels="south"),
        Place(name="l1c", window=_square(32760, 563_640, 5_689_660), pixels="l1c"),
        # The Atlantic: no scene at all
        Place(name="nowhere", window=_square(32628, 400_020, 4_400_040), pixels=""),
    )
}
