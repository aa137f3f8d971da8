"""Styles of a map for QGIS."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import numpy as np
import pytest
from defusedxml.ElementTree import fromstring

from landcover.areas.layout import DECISION, NODATA, Layer, layers_of
from landcover.areas.styles import style_of
from tests.areas.small_maps import COVERS, plan_of

CLASSES = ("Urban fabric", "Arable land", "Inland waters")
LAYERS = {layer.name: layer for layer in layers_of(plan_of(), CLASSES, COVERS)}


def parsed(layer: Layer, strongest: int = 0) -> Element:
    values = np.full((len(layer.bands), 4, 4), 10, np.uint8)
    values[strongest, 0] = 200
    values[0, 1:] = NODATA if strongest else 10
    content = style_of(layer, values)
    assert content.startswith(b"<!DOCTYPE qgis ")
    found: Element = fromstring(content)
    return found


@pytest.mark.parametrize("name", list(LAYERS))
def test_a_style_has_the_elements_that_qgis_reads(name: str) -> None:
    root = parsed(LAYERS[name])
    assert root.tag == "qgis"
    assert root.get("version")
    assert [child.tag for child in root] == ["pipe", "blendMode"]
    pipe = root.find("pipe")
    assert pipe is not None
    assert [child.tag for child in pipe] == [
        "provider",
        "rasterrenderer",
        "brightnesscontrast",
        "huesaturation",
        "rasterresampler",
        "resamplingStage",
    ]
    renderer = pipe.find("rasterrenderer")
    assert renderer is not None
    assert renderer.find("rasterTransparency") is not None
    assert 1 <= int(renderer.get("band", "0")) <= len(LAYERS[name].bands)


def test_the_decision_has_the_colours_and_names_of_its_classes() -> None:
    entries = parsed(LAYERS[DECISION]).findall(".//rasterrenderer[@type='paletted']//paletteEntry")
    assert [entry.get("value") for entry in entries] == ["1", "2", "3", "4"]
    assert entries[3].get("color") == "#ff0000"
    assert "Built-up" in str(entries[3].get("label"))


@pytest.mark.parametrize("name", ["presence", "cover"])
def test_a_probability_is_a_ramp_from_nothing_to_one(name: str) -> None:
    root = parsed(LAYERS[name], strongest=2)
    renderer = root.find(".//rasterrenderer")
    assert renderer is not None
    assert renderer.get("type") == "singlebandpseudocolor"
    assert renderer.get("band") == "3"  # the class with the highest mean
    assert (renderer.get("classificationMin"), renderer.get("classificationMax")) == ("0", "1")
    items = renderer.findall("rastershader/colorrampshader/item")
    values = [float(item.get("value", "nan")) for item in items]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0.0, 1.0)
    assert items[0].get("alpha") == "0"
    assert [item.get("label") for item in items][2] == "50%"
