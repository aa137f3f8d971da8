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
from landcover.report import picture_report
from landcover.trust.result import predict
from tests.support.colour_pictures import pixels
from tests.support.tiny import random_patch
from tests.support.tiny_pictures import tiny_picture_model


@pytest.fixture
def model() -> Model:
    return tiny_picture_model()


def record(model: Model, at: tuple[int, int] | None = None) -> dict[str, object]:
    seen = picture_report.view(picture_of(pixels(100, 80), "p.png"), at)
    return recorded(model, seen, "=p.png")


def recorded(model: Model, seen: picture_report.View, source: str) -> dict[str, object]:
    found = predict(model, seen.picture)
    return picture_report.as_record(seen, found.prediction, found.verdict, source)


def test_the_middle_is_seen_unless_a_window_is_named() -> None:
    whole = picture_of(pixels(100, 80), "p.png")
    assert (picture_report.view(whole).row, picture_report.view(whole).col) == (18, 8)
    seen = picture_report.view(whole, (36, 0))
    assert np.array_equal(seen.picture.data, whole.data[:, 36:, :64])
    with pytest.raises(BadInput, match="does not fit"):
        picture_report.view(whole, (37, 0))


def test_the_record_is_json_and_calls_the_most_probable_class(model: Model) -> None:
    found = record(model)
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
    assert found["limits"] == list(picture_report.LIMITS)


def test_text_and_table_say_the_same(model: Model) -> None:
    found = record(model)
    text = picture_report.as_text(found)
    best = picture_report.ranked(found)[0]
    assert text.splitlines()[0].startswith("=p.png: ")
    assert "from row 18, column 8 of 100 × 80" in text
    assert picture_report.CHOSEN in text
    assert all(limit in text for limit in picture_report.LIMITS)
    rows = list(csv.DictReader(io.StringIO(picture_report.as_csv(found))))
    assert [row["label"] for row in rows if row["predicted"] == "True"] == [best["label"]]
    assert rows[0]["source"] == "'=p.png"


def test_no_class_is_called_where_pixels_cannot_be_trusted(model: Model) -> None:
    seen = picture_report.view(picture_of(np.full((64, 64, 3), 9, np.uint8), "p.png"))
    found = recorded(model, seen, "p.png")
    assert found["abstained"]
    assert not any(item["predicted"] for item in found["labels"])
    assert "no answer" in picture_report.as_text(found)


def test_an_answer_that_is_no_number_is_a_fault_of_the_model(model: Model) -> None:
    with torch.no_grad():
        model.net.head.bias.fill_(float("nan"))
    with pytest.raises(CorruptModel, match="no number"):
        record(model)


def test_limits_state_the_measured_accuracy(tmp_path: Path) -> None:
    said = picture_report.limits_of(registry.default().folder(registry.PICTURE_MODEL))
    assert said[: len(picture_report.LIMITS)] == picture_report.LIMITS
    assert "EuroSAT pictures" in said[-1]
    assert "not been measured" in picture_report.limits_of(tmp_path)[-1]


def test_limits_state_what_the_other_bands_are_worth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = picture_report.limits_of(tmp_path)[-2]
    for name in (picture_report.ALL_BANDS, picture_report.THREE_BANDS):
        metrics = read_report(registry.default().folder(name), "bigearthnet-v2", "test").metrics
        low, high = metrics.confidence_intervals["micro_ap"]
        assert f"{metrics.micro_ap:.3f} [{low:.3f}, {high:.3f}]" in said
    monkeypatch.setattr(picture_report, "THREE_BANDS", "class-of-no-model")
    assert picture_report.limits_of(tmp_path)[:-1] == picture_report.LIMITS


def test_models_refuse_what_they_were_not_made_for(model: Model) -> None:
    seen = picture_report.view(picture_of(pixels(), "p.png"))
    with pytest.raises(ModelMismatch, match="twelve bands of reflectance"):
        registry.default().load("class-prior", "cpu").predict(seen.picture)
    with pytest.raises(ModelMismatch, match="choose a window"):
        model.predict(picture_of(pixels(65, 64), "p.png"))
    with pytest.raises(ModelMismatch, match="stretch is not known"):
        model.predict(random_patch())
