"""The record of a picture keeps the contract and says what a picture gives up."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from landcover.core.classes import EUROSAT_CLASSES
from landcover.core.errors import BadInput, CorruptModel, ModelMismatch
from landcover.evaluate.report_files import read_report
from landcover.io.images import picture_of
from landcover.models import registry
from landcover.models.model import Model
from landcover.report import classification, picture_limits
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


def test_the_middle_is_seen_unless_a_window_is_named() -> None:
    whole = picture_of(pixels(100, 80), "p.png")
    assert (classification.view(whole).row, classification.view(whole).col) == (18, 8)
    seen = classification.view(whole, (36, 0))
    assert np.array_equal(seen.picture.data, whole.data[:, 36:, :64])
    with pytest.raises(BadInput, match="does not fit"):
        classification.view(whole, (37, 0))


def test_the_record_is_json_and_calls_the_most_probable_class(model: Model) -> None:
    found = reported_picture(model).as_dict()
    json.dumps(found, allow_nan=False)
    labels = found["labels"]
    assert [item["label"] for item in labels] == list(EUROSAT_CLASSES)
    called = [item for item in labels if item["predicted"]]
    assert len(called) == 1
    assert called[0]["probability"] == max(item["probability"] for item in labels)
    assert all(item["predicted"] == (item["probability"] >= item["threshold"]) for item in labels)
    assert sum(item["probability"] for item in labels) == pytest.approx(1.0, abs=1e-6)
    assert found["provenance"]["window"] == {"row": 18, "col": 8}
    assert found["provenance"]["picture_pixels"] == [100, 80]
    assert found["limits"] == list(picture_limits.LIMITS)


def test_text_and_table_say_the_same(model: Model) -> None:
    found = reported_picture(model)
    text = found.as_text()
    best = found.ranked[0]
    assert text.splitlines()[0].startswith("=p.png: ")
    assert "from row 18, column 8 of 100 × 80" in text
    assert classification.RGB_MODEL_REASON in text
    assert all(limit in text for limit in picture_limits.LIMITS)
    rows = list(csv.DictReader(io.StringIO(found.as_csv())))
    assert [row["label"] for row in rows if row["predicted"] == "True"] == [best.label]
    assert rows[0]["source"] == "'=p.png"


def test_no_class_is_called_where_pixels_cannot_be_trusted(model: Model) -> None:
    seen = classification.view(picture_of(np.full((64, 64, 3), 9, np.uint8), "p.png"))
    found = recorded(model, seen, "p.png")
    assert found.abstained
    assert not any(item.predicted for item in found.labels)
    assert "no answer" in found.as_text()


def test_an_answer_that_is_no_number_is_a_fault_of_the_model(model: Model) -> None:
    with torch.no_grad():
        model.net.head.bias.fill_(float("nan"))
    with pytest.raises(CorruptModel, match="no number"):
        reported_picture(model)


def test_limits_state_the_measured_accuracy(tmp_path: Path) -> None:
    said = picture_limits.limits_of(registry.default().folder(registry.PICTURE_MODEL))
    assert said[: len(picture_limits.LIMITS)] == picture_limits.LIMITS
    assert "EuroSAT pictures" in said[-1]
    assert "not been measured" in picture_limits.limits_of(tmp_path)[-1]


def test_limits_state_what_the_other_bands_are_worth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = picture_limits.limits_of(tmp_path)[-2]
    for name in (picture_limits.ALL_BANDS, picture_limits.THREE_BANDS):
        metrics = read_report(registry.default().folder(name), "bigearthnet-v2", "test").metrics
        low, high = metrics.confidence_intervals["micro_ap"]
        assert f"{metrics.micro_ap:.3f} [{low:.3f}, {high:.3f}]" in said
    monkeypatch.setattr(picture_limits, "THREE_BANDS", "class-of-no-model")
    assert picture_limits.limits_of(tmp_path)[:-1] == picture_limits.LIMITS


def test_models_refuse_what_they_were_not_made_for(model: Model) -> None:
    seen = classification.view(picture_of(pixels(), "p.png"))
    with pytest.raises(ModelMismatch, match="twelve bands of reflectance"):
        registry.default().load("class-prior", "cpu").predict(seen.picture)
    with pytest.raises(ModelMismatch, match="choose a window"):
        model.predict(picture_of(pixels(65, 64), "p.png"))
    with pytest.raises(ModelMismatch, match="stretch is not known"):
        model.predict(random_patch())
