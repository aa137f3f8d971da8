"""SAFE products in ESA's layout and XML, with the real pixels of one BigEarthNet patch.

The elements, their nesting and attributes are those of real products of 2021 to 2023. Long lists
that are not read here (spectral responses, auxiliary files, angle grids) are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine

from landcover.core.bands import BANDS, BANDS_10M, BANDS_20M, BANDS_60M
from landcover.io.samples import native

OFFSETS = tuple(str(-1000) for _ in range(13))
RESOLUTION = {band.name: band.resolution_m for band in BANDS} | {"B10": 60, "SCL": 20, "TCI": 10}
START = "2017-06-13T10:10:31.026Z"

PRODUCT_XML = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-{level}_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-{level}.xsd" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-{level}.xsd">
    <n1:General_Info>
        <Product_Info>
            <PRODUCT_START_TIME>{start}</PRODUCT_START_TIME>
            <PRODUCT_STOP_TIME>{start}</PRODUCT_STOP_TIME>
            <PRODUCT_URI>{name}</PRODUCT_URI>
            <PROCESSING_LEVEL>Level-{level}</PROCESSING_LEVEL>
            <PRODUCT_TYPE>S2MSI{level}</PRODUCT_TYPE>
            <PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
            <GENERATION_TIME>2022-10-05T16:44:54.000000Z</GENERATION_TIME>
            <PREVIEW_IMAGE_URL>Not applicable</PREVIEW_IMAGE_URL>
            <Datatake datatakeIdentifier="GS2A_20170613T101031_010315_N{baseline}">
                <SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME>
                <DATATAKE_TYPE>INS-NOBS</DATATAKE_TYPE>
                <DATATAKE_SENSING_START>{start}</DATATAKE_SENSING_START>
            </Datatake>
            <Query_Options completeSingleTile="true">
                <PRODUCT_FORMAT>SAFE_COMPACT</PRODUCT_FORMAT>
            </Query_Options>
            <Product_Organisation><Granule_List>
                <Granule granuleIdentifier="S2A_OPER_MSI_L{level}_TL" imageFormat="JPEG2000">
{images}
                </Granule>
            </Granule_List></Product_Organisation>
        </Product_Info>
        <Product_Image_Characteristics>
            <Special_Values>
                <SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT>
                <SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX>
            </Special_Values>
{scaling}
            <Reflectance_Conversion><U>0.998456468000941</U></Reflectance_Conversion>
        </Product_Image_Characteristics>
    </n1:General_Info>
    <n1:Geometric_Info>
        <Product_Footprint>
            <Product_Footprint>
                <Global_Footprint>
                    <EXT_POS_LIST>{footprint}</EXT_POS_LIST>
                </Global_Footprint>
            </Product_Footprint>
            <RASTER_CS_TYPE>POINT</RASTER_CS_TYPE>
            <PIXEL_ORIGIN>1</PIXEL_ORIGIN>
        </Product_Footprint>
        <Coordinate_Reference_System>
            <GEO_TABLES version="1">EPSG</GEO_TABLES>
            <HORIZONTAL_CS_TYPE>GEOGRAPHIC</HORIZONTAL_CS_TYPE>
        </Coordinate_Reference_System>
    </n1:Geometric_Info>
    <n1:Quality_Indicators_Info>
        <Cloud_Coverage_Assessment>{cloud}</Cloud_Coverage_Assessment>
        <Technical_Quality_Assessment>
            <DEGRADED_MSI_DATA_PERCENTAGE>0</DEGRADED_MSI_DATA_PERCENTAGE>
        </Technical_Quality_Assessment>
    </n1:Quality_Indicators_Info>
</n1:Level-{level}_User_Product>
"""

TILE_XML = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-{level}_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-{level}_Tile_Metadata.xsd" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <n1:General_Info>
    <TILE_ID metadataLevel="Brief">S2A_OPER_MSI_L{level}_TL</TILE_ID>
    <SENSING_TIME metadataLevel="Standard">{start}</SENSING_TIME>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Tile_Geocoding metadataLevel="Brief">
      <HORIZONTAL_CS_NAME>WGS84 / UTM zone</HORIZONTAL_CS_NAME>
      <HORIZONTAL_CS_CODE>{crs}</HORIZONTAL_CS_CODE>
{grids}
    </Tile_Geocoding>
  </n1:Geometric_Info>
</n1:Level-{level}_Tile_ID>
"""


@dataclass(frozen=True, kw_only=True)
class Safe:
    """Metadata of a product; the pixels are those of a sample."""

    level: str = "2A"
    baseline: str = "05.00"
    tile: str = "T33UUP"
    start: str = START
    offsets: Sequence[str] = OFFSETS
    quantification: str = "10000"
    cloud: str = "12.345678"
    crs: str | None = None
    corner: tuple[float, float] | None = None
    side_m: int = 1200
    footprint: str = ""
    replace: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        number = self.baseline.replace(".", "")
        stamp = self.start[:19].replace("-", "").replace(":", "")
        return f"S2A_MSIL{self.level}_{stamp}_N{number}_R022_{self.tile}_20221005T164454.SAFE"


def pixels() -> dict[str, npt.NDArray[Any]]:
    """Digital numbers of a real patch on native grids, by band, with made-up B10, SCL and TCI."""
    patch = native("austria-fields")
    bands: dict[str, npt.NDArray[Any]] = {}
    for names, stack in ((BANDS_10M, patch.g10), (BANDS_20M, patch.g20), (BANDS_60M, patch.g60)):
        bands |= dict(zip(names, stack, strict=True))
    bands["B10"] = np.full((20, 20), 12, np.uint16)
    bands["SCL"] = np.full((60, 60), 4, np.uint8)
    bands["TCI"] = np.full((120, 120), 90, np.uint16)
    return bands


def write_safe(root: Path, safe: Safe) -> Path:
    """Write a product below ``root``; returns its folder."""
    patch = native("austria-fields")
    crs, (x, y) = safe.crs or patch.crs, safe.corner or (patch.transform[2], patch.transform[5])
    folder = root / safe.name
    granule = folder / "GRANULE" / f"L{safe.level}_{safe.tile}_A010315_20170613T101608"
    images = granule / "IMG_DATA"
    stem = f"{safe.tile}_20170613T101031"
    listed = []
    for band, numbers in pixels().items():
        if (safe.level == "2A" and band == "B10") or (safe.level == "1C" and band == "SCL"):
            continue
        native_m = RESOLUTION[band]
        if safe.level == "1C":
            where = {f"{stem}_{band}": native_m}
        else:  # Level-2A holds coarser copies of most bands too.
            steps = [m for m in (10, 20, 60) if m >= native_m and 120 % (m // 10) == 0]
            where = {f"R{m}m/{stem}_{band}_{m}m": m for m in steps}
        for name, metres in where.items():
            step = metres // native_m
            write_raster(images / f"{name}.jp2", numbers[::step, ::step], crs, (x, y, metres))
            listed.append(f"{images.relative_to(folder).as_posix()}/{name}")
    (folder / f"MTD_MSIL{safe.level}.xml").write_text(_changed(_product(safe, listed), safe))
    (granule / "MTD_TL.xml").write_text(_changed(_tile(safe, crs, x, y), safe))
    return folder


def write_raster(
    path: Path,
    numbers: npt.NDArray[Any],
    crs: str,
    place: tuple[float, float, float],
    **tags: str,
) -> Path:
    """Write bands as a lossless file; ``place`` is the corner and the side of a pixel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stack = numbers[None] if numbers.ndim == 2 else numbers
    shape, dtype = stack.shape, stack.dtype.name
    jp2 = path.suffix == ".jp2"
    path.write_bytes(
        _encoded(
            stack.tobytes(),
            shape=shape,
            dtype=dtype,
            crs=crs,
            place=place,
            tags=tuple(tags.items()),
            jp2=jp2,
        )
    )
    return path


@lru_cache(maxsize=200)
def _encoded(
    numbers: bytes,
    *,
    shape: tuple[int, ...],
    dtype: str,
    crs: str,
    place: tuple[float, float, float],
    tags: tuple[tuple[str, str], ...],
    jp2: bool,
) -> bytes:
    """A file of bands; most products of tests have the same, and encoding one takes long."""
    x, y, side = place
    options = {"QUALITY": "100", "REVERSIBLE": "YES"} if jp2 else {"compress": "deflate"}
    with TemporaryDirectory() as folder:
        path = Path(folder) / ("bands.jp2" if jp2 else "bands.tif")
        with rasterio.open(
            path,
            "w",
            driver="JP2OpenJPEG" if jp2 else "GTiff",
            width=shape[2],
            height=shape[1],
            count=shape[0],
            dtype=dtype,
            crs=crs,
            transform=Affine(side, 0, x, 0, -side, y),
            **options,
        ) as raster:
            raster.write(np.frombuffer(numbers, dtype).reshape(shape))
            if tags:
                raster.update_tags(**dict(tags))
        return path.read_bytes()


def _product(safe: Safe, listed: Sequence[str]) -> str:
    tag = {"2A": "BOA_ADD_OFFSET", "1C": "RADIO_ADD_OFFSET"}[safe.level]
    around = {"2A": "BOA_ADD_OFFSET_VALUES_LIST", "1C": "Radiometric_Offset_List"}[safe.level]
    lines = "".join(f'<{tag} band_id="{i}">{v}</{tag}>\n' for i, v in enumerate(safe.offsets))
    quantification = (
        '<QUANTIFICATION_VALUES_LIST><BOA_QUANTIFICATION_VALUE unit="none">'
        f"{safe.quantification}</BOA_QUANTIFICATION_VALUE>"
        '<AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE>'
        "</QUANTIFICATION_VALUES_LIST>"
        if safe.level == "2A"
        else f'<QUANTIFICATION_VALUE unit="none">{safe.quantification}</QUANTIFICATION_VALUE>'
    )
    return PRODUCT_XML.format(
        level=safe.level,
        start=safe.start,
        name=safe.name,
        baseline=safe.baseline,
        images="\n".join(f"<IMAGE_FILE>{name}</IMAGE_FILE>" for name in listed),
        scaling=quantification + (f"<{around}>\n{lines}</{around}>" if lines else ""),
        footprint=safe.footprint,
        cloud=safe.cloud,
    )


def _tile(safe: Safe, crs: str, x: float, y: float) -> str:
    grids = ""
    for metres in (10, 20, 60):
        count = safe.side_m // metres
        grids += (
            f'<Size resolution="{metres}"><NROWS>{count}</NROWS><NCOLS>{count}</NCOLS></Size>\n'
            f'<Geoposition resolution="{metres}"><ULX>{x:.0f}</ULX><ULY>{y:.0f}</ULY>'
            f"<XDIM>{metres}</XDIM><YDIM>-{metres}</YDIM></Geoposition>\n"
        )
    return TILE_XML.format(level=safe.level, start=safe.start, crs=crs, grids=grids)


def _changed(text: str, safe: Safe) -> str:
    for old, new in safe.replace.items():
        text = text.replace(old, new)
    return text
