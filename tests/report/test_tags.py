"""Every file says of itself: source, place, verdict, labels and model."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
from PIL import Image
from rasterio.io import MemoryFile

from landcover.core.raster import Raster
from landcover.io.images import picture_of
from landcover.io.samples import read_sample
from landcover.report import index_files
from landcover.report.tags import tags_of, with_tags
from landcover.trust.result import Result, predict
from tests.support import tiny
from tests.support.colour_pictures import pixels
from tests.support.tiny_pictures import tiny_picture_model

SAMPLE = "finland-lake"


def result_of_sample() -> Result:
    return predict(tiny.tiny_model(), read_sample(SAMPLE))


def test_the_tags_have_place_verdict_labels_and_model() -> None:
    found = result_of_sample()
    tags = tags_of(found)
    assert tags["source"] == found.raster.provenance.source
    assert tags["acquired"].startswith("2017-09-24")
    assert (float(tags["latitude"]), float(tags["longitude"])) == tuple(
        round(value, 6) for value in found.raster.centre
    )
    assert tags["verdict"] == found.verdict.label
    assert tags["reason"] == found.verdict.reason
    for score in found.prediction.predicted:
        assert score.label in tags["labels"]
    assert found.prediction.card_hash in tags["model"]


def test_a_hostile_source_stays_one_line_and_no_formula() -> None:
    patch = read_sample(SAMPLE)
    named = replace(patch, provenance=replace(patch.provenance, source="=cmd()\n" + 300 * "x"))
    tags = tags_of(predict(tiny.tiny_model(), named))
    assert tags["source"].isprintable()
    assert len(tags["source"]) <= 200
    for row in csv.DictReader(io.StringIO(index_files.as_csv(named, tags).decode())):
        assert row["source"].startswith("'=cmd()")


def test_a_picture_has_no_place() -> None:
    picture = picture_of(pixels(), "a.png")
    tags = tags_of(predict(tiny_picture_model(), picture))
    assert tags["source"] == "a.png"
    assert "latitude" not in tags
    assert "acquired" not in tags


def test_a_png_has_the_tags_and_the_same_pixels() -> None:
    found = result_of_sample()
    plain, tagged = index_files.as_png(found.raster), tags_of(found)
    with (
        Image.open(io.BytesIO(with_tags(plain, tagged))) as picture,
        Image.open(io.BytesIO(plain)) as before,
    ):
        assert np.array_equal(np.asarray(picture), np.asarray(before))
        picture.load()
        text = picture.text  # type: ignore[attr-defined]  # of PNG files only
        assert {name.capitalize(): value for name, value in tagged.items()} == dict(text)


def test_a_geotiff_and_a_table_have_the_tags() -> None:
    found = result_of_sample()
    tags = tags_of(found)
    with MemoryFile(index_files.as_geotiff(found.raster, tags)) as memory, memory.open() as file:
        assert file.tags()["VERDICT"] == tags["verdict"]
        assert file.tags()["LABELS"] == tags["labels"]
        assert file.tags()["LATITUDE"] == tags["latitude"]
    rows = list(csv.DictReader(io.StringIO(index_files.as_csv(found.raster, tags).decode())))
    assert {row["verdict"] for row in rows} == {tags["verdict"]}
    assert {row["longitude"] for row in rows} == {tags["longitude"]}


def test_tags_are_optional() -> None:
    patch: Raster = read_sample(SAMPLE)
    rows = list(csv.DictReader(io.StringIO(index_files.as_csv(patch).decode())))
    assert "verdict" not in rows[0]
