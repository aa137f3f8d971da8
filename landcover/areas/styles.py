"""Styles of a map's layers for QGIS, as QML files that it loads with the raster of the same name.

QGIS multiplies values by the scale of a band before it draws them, so probabilities are 0 to 1
here.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Final

import numpy as np

from landcover.areas import legend
from landcover.areas.layout import DECISION, Layer
from landcover.core.raster import ByteArray

__all__ = ["style_of"]

_DOCTYPE: Final = b"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
_VERSION: Final = "3.22.0-Bialowieza"
"""The oldest long-term release that has all of these elements."""
_RAMP: Final = (
    (0.0, "#f1eef6", 0),
    (0.25, "#bdc9e1", 255),
    (0.5, "#74a9cf", 255),
    (0.75, "#2b8cbe", 255),
    (1.0, "#045a8d", 255),
)
"""Probability, colour and opacity: lighter to darker, which also a grey print shows."""


def style_of(layer: Layer, values: ByteArray) -> bytes:
    """The style of a layer as a QML file.

    The decision gets its classes' colours and names. Of the other layers one class is shown, the
    one with the highest mean probability; any other band can be chosen in QGIS, and the ramp, 0 to
    100 %, stays the same.

    Args:
        layer: presence, cover or decision.
        values: a small version of it, uint8 ``(band, row, column)``.
    """
    root = ET.Element(
        "qgis",
        version=_VERSION,
        styleCategories="LayerConfiguration|Symbology",
        hasScaleBasedVisibilityFlag="0",
        minScale="1e+08",
        maxScale="0",
    )
    pipe = ET.SubElement(root, "pipe")
    ET.SubElement(
        ET.SubElement(pipe, "provider"),
        "resampling",
        enabled="false",
        maxOversampling="2",
        zoomedInResamplingMethod="nearestNeighbour",
        zoomedOutResamplingMethod="nearestNeighbour",
    )
    if layer.name == DECISION:
        _add_palette(pipe, layer)
    else:
        _add_ramp(pipe, _commonest(layer, values))
    ET.SubElement(pipe, "brightnesscontrast", brightness="0", contrast="0", gamma="1")
    ET.SubElement(pipe, "huesaturation", saturation="0", grayscaleMode="0", colorizeOn="0")
    ET.SubElement(pipe, "rasterresampler", maxOversampling="2")
    ET.SubElement(pipe, "resamplingStage").text = "resamplingFilter"
    ET.SubElement(root, "blendMode").text = "0"
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8")
    return _DOCTYPE + text + b"\n"


def _add_palette(pipe: ET.Element, layer: Layer) -> None:
    renderer = _add_renderer(pipe, "paletted", 1)
    entries = ET.SubElement(renderer, "colorPalette")
    for entry in legend.entries(layer.classes):
        ET.SubElement(
            entries,
            "paletteEntry",
            value=str(entry.number),
            color=entry.hex,
            alpha="255",
            label=f"{entry.letters}  {entry.name}",
        )


def _add_ramp(pipe: ET.Element, band: int) -> None:
    low, high = _RAMP[0], _RAMP[-1]
    renderer = _add_renderer(pipe, "singlebandpseudocolor", band)
    renderer.set("classificationMin", f"{low[0]:g}")
    renderer.set("classificationMax", f"{high[0]:g}")
    shader = ET.SubElement(
        ET.SubElement(renderer, "rastershader"),
        "colorrampshader",
        colorRampType="INTERPOLATED",
        classificationMode="1",
        minimumValue=f"{low[0]:g}",
        maximumValue=f"{high[0]:g}",
        clip="0",
        labelPrecision="2",
    )
    for value, colour, opacity in _RAMP:
        ET.SubElement(
            shader,
            "item",
            value=f"{value:g}",
            color=colour,
            alpha=str(opacity),
            label=f"{value:.0%}",
        )


def _add_renderer(pipe: ET.Element, kind: str, band: int) -> ET.Element:
    renderer = ET.SubElement(
        pipe,
        "rasterrenderer",
        type=kind,
        band=str(band),
        opacity="1",
        alphaBand="-1",
        nodataColor="",
    )
    ET.SubElement(renderer, "rasterTransparency")
    origin = ET.SubElement(renderer, "minMaxOrigin")
    for name, text in (
        ("limits", "None"),
        ("extent", "WholeRaster"),
        ("statAccuracy", "Estimated"),
        ("cumulativeCutLower", "0.02"),
        ("cumulativeCutUpper", "0.98"),
        ("stdDevFactor", "2"),
    ):
        ET.SubElement(origin, name).text = text
    return renderer


def _commonest(layer: Layer, values: ByteArray) -> int:
    """Number of the band, from 1, of the class with the highest mean probability."""
    classes = values[: len(layer.classes)]
    sums = np.where(classes == layer.nodata, 0, classes).sum(axis=(1, 2), dtype=np.int64)
    return int(sums.argmax()) + 1
