"""Cloud-Optimised GeoTIFF files of the layers of a map.

GDAL's COG driver writes the file from a virtual raster, which describes the bands of a
:class:`~landcover.areas.pyramid.Pyramid` and names its smaller versions as overviews. The driver
then copies them instead of resampling. It compresses with deflate, which every reader of GeoTIFF
knows. Afterwards each file is read back and compared, because GDAL does not report all errors of a
disk that fills up.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Final

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.windows import Window as Part

from landcover.areas.layout import DECISION, UNIT, Layer
from landcover.areas.pyramid import BLOCK, Pyramid
from landcover.core import files, progress
from landcover.core.classes import Rgb
from landcover.core.gdal_errors import GDAL_ERRORS
from landcover.core.threads import allowed_cores
from landcover.io.gdal_messages import silence_gdal

__all__ = ["CACHE_MB", "write_cog"]

CACHE_MB: Final = 64
"""What GDAL may keep of the raster that it copies."""
_LEVEL: Final = 1
"""Of the compression: on probabilities level 6 takes twice as long for the same size."""


def write_cog(
    pyramid: Pyramid,
    path: Path,
    *,
    tags: Mapping[str, str],
    colours: Sequence[Rgb] = (),
    cancel: Event | None = None,
) -> None:
    """Write a layer as a Cloud-Optimised GeoTIFF.

    Args:
        pyramid: the layer with its smaller versions, built.
        path: the file, in an existing folder.
        tags: what the file says of itself: name in capitals → one line.
        colours: of the decision's numbers, from 0.
        cancel: set to stop.

    Raises:
        Cancelled: ``cancel`` is set.
        OSError: the disk is full, or cannot be written to.
    """
    # GDAL takes some relative paths for notations of its own, such as "HDF5:a/b.tif".
    path = path.absolute()
    virtual = pyramid.folder.absolute() / f"{pyramid.layer.name}.vrt"
    for level in range(len(pyramid.shapes)):
        _write_header(pyramid, level)
    files.write_part(virtual, _description(pyramid, tags, colours))
    progress.check(cancel)
    try:
        with silence_gdal(), rasterio.Env(GDAL_CACHEMAX=CACHE_MB):
            rasterio.shutil.copy(
                virtual,
                path,
                driver="COG",
                compress="DEFLATE",
                level=_LEVEL,
                predictor="YES",
                blocksize=BLOCK,
                bigtiff="IF_SAFER",
                num_threads=allowed_cores(),
            )
            complete = _is_complete(pyramid, path, cancel)
    except GDAL_ERRORS as error:
        files.probe(path)
        raise OSError(_cause_of(error)) from None
    if not complete:
        files.probe(path)
        raise OSError("the file that was written is not the one that was meant")


def _is_complete(pyramid: Pyramid, path: Path, cancel: Event | None) -> bool:
    """Whether the file holds the layer and its smaller versions."""
    for level, (rows, columns) in enumerate(pyramid.shapes):
        chosen = {} if level == 0 else {"overview_level": level - 1}
        with rasterio.open(path, driver="GTiff", **chosen) as file:
            if (file.count, *file.shape) != (len(pyramid.layer.bands), rows, columns):
                return False
            for top in range(0, rows, BLOCK):
                progress.check(cancel)
                tall = min(BLOCK, rows - top)
                there = file.read(window=Part(0, top, columns, tall))
                if not np.array_equal(there, pyramid.part(level, top, tall)):
                    return False
    return True


def _cause_of(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__


def _write_header(pyramid: Pyramid, level: int) -> None:
    """Describe a file of bytes in the form of ENVI, which GDAL reads."""
    rows, columns = pyramid.shapes[level]
    lines = (
        "ENVI",
        f"samples = {columns}",
        f"lines = {rows}",
        f"bands = {len(pyramid.layer.bands)}",
        "header offset = 0",
        "file type = ENVI Standard",
        "data type = 1",
        "interleave = bip",
        "byte order = 0",
    )
    header = pyramid.path(level).with_suffix(".hdr")
    files.write_part(header, ("\n".join(lines) + "\n").encode())


def _description(pyramid: Pyramid, tags: Mapping[str, str], colours: Sequence[Rgb]) -> bytes:
    """The virtual raster, as GDAL's XML."""
    layer, (rows, columns) = pyramid.layer, pyramid.shapes[0]
    root = ET.Element("VRTDataset", rasterXSize=str(columns), rasterYSize=str(rows))
    ET.SubElement(root, "SRS").text = layer.grid.crs
    a, b, c, d, e, f = layer.grid.transform
    ET.SubElement(root, "GeoTransform").text = ", ".join(f"{v:.17g}" for v in (c, a, b, f, d, e))
    _add_items(root, tags)
    for number, band in enumerate(layer.bands, start=1):
        one = ET.SubElement(root, "VRTRasterBand", dataType="Byte", band=str(number))
        ET.SubElement(one, "Description").text = band.name
        _add_items(one, {"ABOUT": band.about})
        ET.SubElement(one, "NoDataValue").text = str(layer.nodata)
        if band.is_share:
            ET.SubElement(one, "Offset").text = "0"
            ET.SubElement(one, "Scale").text = repr(UNIT)
        if layer.name == DECISION:
            _add_palette(one, layer, colours)
        source = ET.SubElement(one, "SimpleSource")
        _add_source(source, pyramid.path(0), number)
        for level in range(1, len(pyramid.shapes)):
            _add_source(ET.SubElement(one, "Overview"), pyramid.path(level), number)
    text: bytes = ET.tostring(root, encoding="utf-8")
    return text


def _add_items(parent: ET.Element, items: Mapping[str, str]) -> None:
    table = ET.SubElement(parent, "Metadata")
    for key, text in items.items():
        ET.SubElement(table, "MDI", key=key).text = text


def _add_source(parent: ET.Element, path: Path, band: int) -> None:
    ET.SubElement(parent, "SourceFilename", relativeToVRT="1").text = path.name
    ET.SubElement(parent, "SourceBand").text = str(band)


def _add_palette(parent: ET.Element, layer: Layer, colours: Sequence[Rgb]) -> None:
    ET.SubElement(parent, "ColorInterp").text = "Palette"
    table = ET.SubElement(parent, "ColorTable")
    for number, (red, green, blue) in enumerate(colours):
        opacity = 0 if number == layer.nodata else 255
        ET.SubElement(table, "Entry", c1=str(red), c2=str(green), c3=str(blue), c4=str(opacity))
    names = ET.SubElement(parent, "CategoryNames")
    for name in (layer.nothing, *layer.classes):
        ET.SubElement(names, "Category").text = name
