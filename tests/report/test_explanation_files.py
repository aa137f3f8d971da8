"""Explanation files: georeferenced, complete and readable."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.io import MemoryFile

from landcover.core.bands import RGB_BANDS
from landcover.core.errors import BadInput
from landcover.core.raster import Provenance, Raster
from landcover.explain import explanation
from landcover.explain.band_attribution import attribute_bands_many
from landcover.report import explanation_figure, explanation_files, page
from landcover.report.explanation_record import document
from tests.support import tiny

LABELS = ["Inland waters", "Coniferous forest"]
METHODS = ["grad-cam", "occlusion"]


@pytest.fixture(scope="module")
def patch() -> Raster:
    valid = np.ones((120, 120), bool)
    valid[:10] = False
    return tiny.random_patch(valid=valid)


@pytest.fixture(scope="module")
def found(patch: Raster) -> list[explanation.Explanation]:
    return list(explanation.explain_many(tiny.tiny_model(), patch, LABELS, METHODS))


def test_a_geotiff_has_the_georeference_of_the_patch(
    patch: Raster, found: list[explanation.Explanation]
) -> None:
    with MemoryFile(explanation_files.as_geotiff(patch, found)) as memory, memory.open() as file:
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


def test_a_document_has_all_values_without_nan(
    patch: Raster, found: list[explanation.Explanation]
) -> None:
    bands = attribute_bands_many(tiny.tiny_model(), patch, LABELS)
    record = document(patch, found, bands)
    assert json.loads(explanation_files.as_json(record.as_dict())) == record.as_dict()
    assert [(e.label, e.method) for e in record.explanations] == [
        (label, method) for method in METHODS for label in LABELS
    ]
    assert all(e.reading.endswith(".") for e in record.explanations)
    assert record.bands[1].label == LABELS[1]
    assert record.bands[0].groups["red edge"].bands == ("B05", "B06", "B07")
    assert set(record.indices) == {"NDVI", "NDWI", "NDBI", "NBR"}
    dark = replace(patch, data=np.zeros_like(patch.data))
    assert document(dark, found).indices["NDVI"].mean is None


def test_a_picture_has_no_geotiff_and_no_index() -> None:
    picture = Raster(
        bands=RGB_BANDS,
        data=np.full((3, 64, 64), 0.5, np.float32),
        valid=np.ones((64, 64), bool),
        provenance=Provenance(source="x.png", level="RGB"),
    )
    one = explanation.explain(tiny.tiny_model(), tiny.random_patch(), LABELS[0], "grad-cam")
    small = replace(one, attribution=one.attribution[:64, :64])
    with pytest.raises(BadInput, match="no location"):
        explanation_files.as_geotiff(picture, [small])
    assert document(picture, [small]).indices == {}
    with Image.open(
        io.BytesIO(explanation_figure.as_png(picture, [small], ["A sentence."]))
    ) as sheet:
        assert min(sheet.size) > 300


def test_writing_no_explanation_is_an_error(patch: Raster) -> None:
    with pytest.raises(BadInput, match="name a class"):
        explanation_files.as_geotiff(patch, [])


def test_the_figure_shows_each_explanation_in_its_position(
    patch: Raster, found: list[explanation.Explanation]
) -> None:
    sentences = [f"Sentence {k}." for k in range(len(found))]
    with Image.open(io.BytesIO(explanation_figure.as_png(patch, found, sentences))) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    side, gap = explanation_figure.SIDE, page.GAP
    assert pixels.shape[1] == gap + 3 * (side + gap)
    top = explanation_figure.HEAD + gap + page.LINE
    for column, view in enumerate(
        (
            patch.image(),
            *(explanation.overlay(e, patch) for e in (found[0], found[2])),
        )
    ):
        corner = pixels[top + 180, gap + column * (side + gap) + 180]
        np.testing.assert_array_equal(corner, view[60, 60, :3])


def two_models(found: list[explanation.Explanation]) -> list[explanation.Explanation]:
    """The explanations, and the same with inverted signs from another model."""
    other = {"model": "other", "card_hash": "0" * 12}
    return [*found, *(replace(each, attribution=-each.attribution, **other) for each in found)]


@pytest.mark.parametrize("methods", [METHODS[:1], METHODS])
def test_two_models_are_placed_side_by_side_or_one_below_the_other(
    patch: Raster, found: list[explanation.Explanation], methods: list[str]
) -> None:
    both = two_models([each for each in found if each.method in methods])
    texts = [""] * len(both)
    data = explanation_figure.as_png(patch, both, texts, captions=["other: 5 %"] * len(both))
    with Image.open(io.BytesIO(data)) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    side, gap = explanation_figure.SIDE, page.GAP
    top = explanation_figure.HEAD + gap + page.LINE + explanation_figure.NOTE_LINE
    assert pixels.shape[1] == gap + 3 * (side + gap), "two columns next to the picture"
    left, right = (gap + k * (side + gap) + 180 for k in (1, 2))
    below = 2 * explanation_figure.BAR + 30 + explanation_figure.NOTE_LINE
    down = page.LINE + explanation_figure.NOTE_LINE + side + below + gap
    at = (top + 180, right) if len(methods) == 1 else (top + down + 180, left)
    other = next(each for each in both if each.model == "other")
    np.testing.assert_array_equal(pixels[at], explanation.overlay(other, patch)[60, 60, :3])
    first = explanation.overlay(both[0], patch)[60, 60, :3]
    np.testing.assert_array_equal(pixels[top + 180, left], first)
    assert (pixels[at] != first).any()


@pytest.mark.slow
def test_the_figure_grows_with_the_text_above_and_below(
    patch: Raster, found: list[explanation.Explanation]
) -> None:
    def height(**more: list[str]) -> int:
        data = explanation_figure.as_png(patch, found[:1], ["A sentence."], **more)
        with Image.open(io.BytesIO(data)) as sheet:
            return int(sheet.height)

    long = "Verdict: Can't tell. Many checks failed. " * 10
    assert height(above=["Verdict: Looks reliable."]) == height() + page.LINE
    assert height(above=[long]) > height() + 3 * page.LINE
    assert height(notes=[long]) > height() + 3 * page.SMALL_LINE
    assert height(captions=["59 %"]) == height() + explanation_figure.NOTE_LINE


def test_files_with_two_models_name_both(
    patch: Raster, found: list[explanation.Explanation]
) -> None:
    both = two_models(found[:1])
    with MemoryFile(explanation_files.as_geotiff(patch, both)) as memory, memory.open() as file:
        own = f"Inland waters: Grad-CAM, {tiny.NAME}"
        assert file.descriptions == (own, "Inland waters: Grad-CAM, other")
        assert [file.tags(k)["MODEL_CARD_HASH"] for k in (1, 2)] == [e.card_hash for e in both]
        assert file.tags()["MODEL"] == f"{tiny.NAME}, other"
    bands = attribute_bands_many(tiny.tiny_model(), patch, LABELS[:1])
    reading, other = (e.reading for e in document(patch, both, bands).explanations)
    assert "group of bands" in reading
    assert "group of bands" not in other, "band evidence belongs to one model"
