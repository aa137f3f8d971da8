"""Explanations as files: in their place on the ground, with all figures, and readable."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.io import MemoryFile

from landcover import explain, explain_files, explain_sheet
from landcover.errors import BadInput
from landcover.explain_bands import attribute_bands_many
from landcover.patch import Patch, Provenance
from landcover.picture import Picture
from tests import tiny

LABELS = ["Inland waters", "Coniferous forest"]
METHODS = ["grad-cam", "occlusion"]


@pytest.fixture(scope="module")
def patch() -> Patch:
    valid = np.ones((120, 120), bool)
    valid[:10] = False
    return tiny.random_patch(valid=valid)


@pytest.fixture(scope="module")
def found(patch: Patch) -> list[explain.Explanation]:
    return list(explain.explain_many(tiny.tiny_model(), patch, LABELS, METHODS))


def test_a_geotiff_lies_where_the_patch_lies(
    patch: Patch, found: list[explain.Explanation]
) -> None:
    with MemoryFile(explain_files.as_geotiff(patch, found)) as memory, memory.open() as file:
        assert file.crs == rasterio.CRS.from_user_input(patch.crs)
        assert tuple(file.transform)[:6] == patch.transform
        assert file.dtypes == ("float32",) * 4
        assert np.isnan(file.nodata)
        assert file.descriptions[0] == "Inland waters: Grad-CAM"
        assert file.units == tuple(each.unit for each in found)
        tags = file.tags()
        assert tags["MODEL_CARD_HASH"] == found[0].card_hash
        assert tags["MODEL"] == tiny.NAME
        for number, each in enumerate(found, start=1):
            values = file.read(number)
            np.testing.assert_array_equal(values[10:], each.attribution[10:])
            assert np.isnan(values[:10]).all()
            own = file.tags(number)
            assert (own["LABEL"], own["METHOD"]) == (each.label, each.method)
            assert float(own["FULL_COLOUR"]) == pytest.approx(each.scale)


def test_a_document_has_all_figures_without_nan(
    patch: Patch, found: list[explain.Explanation]
) -> None:
    bands = attribute_bands_many(tiny.tiny_model(), patch, LABELS)
    said = explain_files.document(patch, found, bands)
    assert json.loads(explain_files.as_json(said)) == said
    assert [(e["label"], e["method"]) for e in said["explanations"]] == [
        (label, method) for method in METHODS for label in LABELS
    ]
    assert all(e["reading"].endswith(".") for e in said["explanations"])
    assert said["bands"][1]["label"] == LABELS[1]
    assert said["bands"][0]["groups"]["red edge"]["bands"] == ["B05", "B06", "B07"]
    assert set(said["indices"]) == {"NDVI", "NDWI", "NDBI", "NBR"}
    dark = replace(patch, reflectance=np.zeros_like(patch.reflectance))
    assert explain_files.document(dark, found)["indices"]["NDVI"]["mean"] is None


def test_a_picture_has_no_geotiff_and_no_index() -> None:
    picture = Picture(
        brightness=np.full((3, 64, 64), 0.5, np.float32),
        valid=np.ones((64, 64), bool),
        provenance=Provenance(source="x.png", level="RGB"),
    )
    one = explain.explain(tiny.tiny_model(), tiny.random_patch(), LABELS[0], "grad-cam")
    small = replace(one, attribution=one.attribution[:64, :64])
    with pytest.raises(BadInput, match="no place"):
        explain_files.as_geotiff(picture, [small])
    assert explain_files.document(picture, [small])["indices"] == {}
    with Image.open(io.BytesIO(explain_sheet.as_png(picture, [small], ["A sentence."]))) as sheet:
        assert min(sheet.size) > 300


def test_nothing_to_write_is_one_sentence(patch: Patch) -> None:
    with pytest.raises(BadInput, match="name a class"):
        explain_files.as_geotiff(patch, [])


def test_a_sheet_shows_each_explanation_in_its_place(
    patch: Patch, found: list[explain.Explanation]
) -> None:
    sentences = [f"Sentence {k}." for k in range(len(found))]
    with Image.open(io.BytesIO(explain_sheet.as_png(patch, found, sentences))) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    side, gap = explain_sheet.SIDE, explain_sheet.GAP
    assert pixels.shape[1] == gap + 3 * (side + gap)
    top = explain_sheet.HEAD + gap + explain_sheet.LINE
    for column, view in enumerate(
        (explain_sheet.picture(patch), *(explain.overlay(e, patch) for e in (found[0], found[2])))
    ):
        corner = pixels[top + 180, gap + column * (side + gap) + 180]
        np.testing.assert_array_equal(corner, view[60, 60, :3])
