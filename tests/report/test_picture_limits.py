"""The report of a picture: JSON as specified, with the limits of a picture."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import EUROSAT_CLASSES
from landcover.core.errors import BadInput, CorruptModel, ModelMismatch
from landcover.io.images import picture_of
from landcover.models import band_choice, registry
from landcover.models.band_subset import LEAST
from landcover.models.model import Model
from landcover.report import classification, picture_limits
from landcover.report.classification_table import as_csv
from landcover.trust.result import predict
from tests.support.colour_pictures import pixels
from tests.support.tiny import random_patch
from tests.support.tiny_pictures import tiny_picture_model


@pytest.fixture
def model() -> Model:
    return tiny_picture_model()


def reported_picture(
    model: Model, at: tuple[int, int] | None = None
) -> classification.ClassificationReport:
    seen = classification.view(picture_of(pixels(100, 80), "p.png"), at)
    return recorded(model, seen, "=p.png")


def recorded(
    model: Model, seen: classification.View, source: str
) -> classification.ClassificationReport:
    found = predict(model, seen.picture)
    return classification.report_of(found, source, seen=seen, limits=picture_limits.LIMITS)


def test_the_window_is_at_the_centre_by_default() -> None:
    picture = picture_of(pixels(100, 80), "p.png")
    assert (classification.view(picture).row, classification.view(picture).col) == (18, 8)
    seen = classification.view(picture, (36, 0))
    assert np.array_equal(seen.picture.data, picture.data[:, 36:, :64])
    with pytest.raises(BadInput, match="does not fit"):
        classification.view(picture, (37, 0))


def test_the_report_is_json_and_predicts_the_most_probable_class(model: Model) -> None:
    found = reported_picture(model).as_dict()
    json.dumps(found, allow_nan=False)
    labels = found["labels"]
    assert [item["label"] for item in labels] == list(EUROSAT_CLASSES)
    predicted = [item for item in labels if item["predicted"]]
    assert len(predicted) == 1
    assert predicted[0]["probability"] == max(item["probability"] for item in labels)
    assert all(item["predicted"] == (item["probability"] >= item["threshold"]) for item in labels)
    assert sum(item["probability"] for item in labels) == pytest.approx(1.0, abs=1e-6)
    assert found["provenance"]["window"] == {"row": 18, "col": 8}
    assert found["provenance"]["picture_pixels"] == [100, 80]
    assert found["limits"] == list(picture_limits.LIMITS)


def test_text_and_table_have_the_same_content(model: Model) -> None:
    found = reported_picture(model)
    text = found.as_text()
    best = found.ranked[0]
    assert text.splitlines()[0] == f"=p.png: {found.headline}"
    assert "  verdict: Check this. No land cover reaches a probability of 50%." in text
    assert "from row 18, column 8 of 100 × 80" in text
    assert classification.RGB_MODEL_REASON in text
    assert all(limit in text for limit in picture_limits.LIMITS)
    rows = list(csv.DictReader(io.StringIO(as_csv([found]))))
    assert [row["label"] for row in rows if row["predicted"] == "True"] == [best.label]
    assert rows[0]["source"] == "'=p.png"


def test_no_class_is_predicted_if_the_pixels_cannot_be_trusted(model: Model) -> None:
    seen = classification.view(picture_of(np.full((64, 64, 3), 9, np.uint8), "p.png"))
    found = recorded(model, seen, "p.png")
    assert found.abstained
    assert not any(item.predicted for item in found.labels)
    assert found.headline == "Can't tell which land cover is here."
    assert found.as_text().startswith(f"p.png: {found.headline}\n")


def test_scores_that_are_not_numbers_are_an_error_of_the_model(model: Model) -> None:
    with torch.no_grad():
        model.net.head.bias.fill_(float("nan"))
    with pytest.raises(CorruptModel, match="not a finite number"):
        reported_picture(model)


def test_limits_state_the_measured_accuracy(tmp_path: Path) -> None:
    limits = picture_limits.limits_of(registry.default().folder(registry.PICTURE_MODEL))
    assert limits[: len(picture_limits.LIMITS)] == picture_limits.LIMITS
    assert "EuroSAT pictures" in limits[-1]
    assert "not been measured" in picture_limits.limits_of(tmp_path)[-1]


def test_limits_compare_twelve_bands_with_three(tmp_path: Path) -> None:
    comparison = picture_limits.limits_of(tmp_path)[-2]
    table = band_choice.read()
    assert table is not None
    assert table.test is not None
    for bands in (BAND_NAMES, LEAST):
        (row,) = (one for one in table.test.rows if one.bands == bands)
        low, high = row.micro_ap.interval
        assert f"{row.micro_ap.value:.3f} [{low:.3f}, {high:.3f}]" in comparison
    with registry.use(registry.Registry(shipped=tmp_path)):  # no models
        assert picture_limits.limits_of(tmp_path)[:-1] == picture_limits.LIMITS


def test_models_refuse_other_kinds_of_input(model: Model) -> None:
    seen = classification.view(picture_of(pixels(), "p.png"))
    with pytest.raises(ModelMismatch, match="twelve bands of reflectance"):
        registry.default().load("class-prior", "cpu").predict(seen.picture)
    with pytest.raises(ModelMismatch, match="choose a window"):
        model.predict(picture_of(pixels(65, 64), "p.png"))
    with pytest.raises(ModelMismatch, match="stretch is unknown"):
        model.predict(random_patch())
