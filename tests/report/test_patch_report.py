"""Reports: JSON as specified, the same content as text and CSV, safe for terminals."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from landcover import __version__
from landcover.core import text
from landcover.core.bands import BAND_NAMES, COMPOSITES
from landcover.core.classes import BY_NAME, CLASS_NAMES
from landcover.core.raster import Provenance, Raster
from landcover.explain import explanation
from landcover.models.model import LabelScore, Prediction
from landcover.report import page, patch_figure, patch_report
from landcover.report.classification import ClassificationReport, report_of
from landcover.report.classification_table import COLUMNS, as_csv
from landcover.report.explanation_record import ExplanationRecord, explanation_record
from landcover.trust.quality import quality_of
from landcover.trust.result import Result
from landcover.trust.verdict import ALL_PASSED, Finding, Quality, Verdict
from landcover.trust.wording import outcome
from tests.support import tiny
from tests.support.examples import sampled

FOUND = ("Inland waters", "Coniferous forest")
GOOD = Quality(nodata_fraction=0.0, cloud_fraction=None, warnings=(), abstained=False)
BAD = Quality(nodata_fraction=0.7, cloud_fraction=None, warnings=("70% gone.",), abstained=True)


def prediction(**probabilities: float) -> Prediction:
    """0.9 and 0.8 for two classes, 0.1 for the rest, in reverse order."""
    chances = {**dict.fromkeys(CLASS_NAMES, 0.1), FOUND[0]: 0.9, FOUND[1]: 0.8, **probabilities}
    return Prediction(
        model="m",
        card_hash="0123456789ab",
        labels=tuple(
            LabelScore(
                label=label,
                score=0.0,
                probability=chances[label],
                threshold=0.5,
                predicted=chances[label] >= 0.5,
            )
            for label in reversed(CLASS_NAMES)
        ),
    )


def reported(
    patch: Raster, prediction: Prediction, verdict: Quality | Verdict, source: str
) -> ClassificationReport:
    """The report of a prediction with a verdict, or with a verdict made from a quality."""
    if isinstance(verdict, Quality):
        quality = verdict
        verdict = Verdict(
            decision="cannot tell" if quality.abstained else "answer",
            reason=quality.warnings[0] if quality.warnings else ALL_PASSED,
            findings=(),
            quality=quality,
            distances={},
            unchecked=(),
            checked=("pixels",),
        )
    return report_of(Result(raster=patch, prediction=prediction, verdict=verdict), source)


@pytest.fixture
def patch() -> Raster:
    origin = Provenance(source="here.tif", scene="S2A_SCENE", notes=("a note",))
    return tiny.random_patch(provenance=origin, acquired=datetime(2020, 1, 23, 10, 5, tzinfo=UTC))


def test_json_has_the_specified_keys_in_order(patch: Raster) -> None:
    report = reported(patch, prediction(), GOOD, "here.tif")
    record = report.as_dict()
    contract = ["source", "model", "labels", "abstained", "quality", "verdict", "provenance"]
    assert [key for key in record if not key.startswith("aim")][:7] == contract
    assert record["schema_version"] == 1
    assert ClassificationReport.model_validate(json.loads(report.as_json())) == report
    assert (record["aim"], record["aim_fallback"]) == ("f1", [])
    assert {row["certainty"] for row in record["labels"]} == {None}
    assert [row["label"] for row in record["labels"]] == list(CLASS_NAMES)
    assert {"label", "probability", "threshold", "predicted"} <= set(record["labels"][0])
    assert {row["label"] for row in record["labels"] if row["predicted"]} == set(FOUND)
    assert set(record["quality"]) == {"nodata_fraction", "cloud_fraction", "warnings"}
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_provenance_names_the_pixels_and_the_model(patch: Raster) -> None:
    origin = reported(patch, prediction(), GOOD, "here.tif").as_dict()["provenance"]
    assert origin["bounds"] == [600_000, 5_298_800, 601_200, 5_300_000]
    assert origin["centre"]["latitude"] == pytest.approx(patch.centre[0])
    assert origin["acquired"] == "2020-01-23T10:05:00+00:00"
    assert (origin["crs"], origin["pixels"], origin["pixel_m"]) == ("EPSG:32633", [120, 120], 10)
    assert origin["bands"] == list(BAND_NAMES)
    assert (origin["model"], origin["card_hash"]) == ("m", "0123456789ab")
    assert origin["landcover"] == __version__
    assert origin["notes"] == ["a note"]


def test_no_class_is_predicted_if_the_verdict_is_cannot_tell(patch: Raster) -> None:
    report = reported(patch, prediction(), BAD, "x")
    record = report.as_dict()
    assert record["abstained"] is True
    assert not any(row["predicted"] for row in record["labels"])
    assert record["labels"][CLASS_NAMES.index(FOUND[0])]["probability"] == 0.9
    text = report.as_text()
    assert text.startswith("x: Can't tell which land cover is here.\n")
    assert "verdict: Can't tell. 70% gone." in text
    assert "found" not in text
    assert {row["outcome"] for row in record["labels"]} == {None}


def finding(level: str, sentence: str) -> Finding:
    return Finding(
        check="haze", level=level, about="pixels", value=0.9, bound=0.4, sentence=sentence
    )


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        ("answer", "verdict: Looks reliable as far as checked. All is well."),
        ("warn", "verdict: Check this. Haze."),
        ("cannot tell", "verdict: Can't tell. Haze."),
    ],
)
def test_the_verdict_is_in_json_and_text(patch: Raster, decision: str, expected: str) -> None:
    level = "severe" if decision == "cannot tell" else "warn"
    found = () if decision == "answer" else (finding(level, "Haze."), finding("warn", "More."))
    verdict = Verdict(
        decision=decision,
        reason=found[0].sentence if found else "All is well.",
        findings=found,
        quality=GOOD.with_fields(abstained=decision == "cannot tell"),
        unchecked=("This was not checked.",),
        checked=("pixels",),
    )
    report = reported(patch, prediction(), verdict, "x")
    record = report.as_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["abstained"] == (decision == "cannot tell")
    assert any(row["predicted"] for row in record["labels"]) == (decision != "cannot tell")
    assert {"decision", "reason", "findings"} <= set(record["verdict"])
    assert [f["sentence"] for f in record["verdict"]["findings"]] == [f.sentence for f in found]
    lines = [line.strip() for line in report.as_text().splitlines()]
    first_label = next(k for k, line in enumerate(lines) if " % " in line)
    assert lines.index(expected) < first_label
    assert ("warning: More." in lines) == bool(found)
    assert "not checked: This was not checked." in lines


def test_text_groups_classes_by_theme_with_the_most_probable_first(patch: Raster) -> None:
    text = reported(patch, prediction(), GOOD, "here.tif").as_text()
    lines = text.splitlines()
    assert lines[0] == "here.tif: Coniferous forest with a lake or river. Looks reliable."
    assert lines[1].strip().startswith("2020-01-23 10:05 UTC, 4")
    themes = [line.strip() for line in lines if line.startswith("  ") and line[2] != " "][3:-1]
    assert themes[:2] == ["Water bodies", "Forest and seminatural areas"]
    assert len(themes) == 5
    rows = [line for line in lines if " % " in line]
    assert len(rows) == 19
    assert len({line.index("%") for line in rows}) == 1
    assert rows[0] == "    found     90.0 %   Inland waters"
    assert lines[-1] == "  found: the probability reaches the threshold"
    none = prediction().with_fields(
        labels=tuple(item.with_fields(predicted=False) for item in prediction().labels)
    )
    report = reported(patch, none, GOOD, "x")
    assert report.as_text().startswith("x: No land cover is found. Looks reliable.")


def test_csv_has_the_same_values(patch: Raster) -> None:
    report = reported(patch, prediction(), GOOD, "here.tif")
    record = report.as_dict()
    rows = list(csv.DictReader(io.StringIO(as_csv([report]))))
    assert tuple(rows[0]) == COLUMNS
    for row, item in zip(rows, record["labels"], strict=True):
        assert row["label"] == item["label"]
        assert float(row["probability"]) == item["probability"]
        assert row["predicted"] == str(item["predicted"])
        assert row["theme"] == BY_NAME[item["label"]].theme


def test_certainty_and_aim_are_in_every_format(patch: Raster) -> None:
    words = ("certain", "possible", "absent")
    sure = tuple(
        item.with_fields(certainty=words[k % 3], predicted=item.predicted and k % 3 < 2)
        for k, item in enumerate(prediction().labels)
    )
    found = prediction().with_fields(
        labels=sure, aim="precision-0.8", aim_fallback=("Beaches, dunes, sands",)
    )
    report = reported(patch, found, GOOD, "here.tif")
    record = report.as_dict()
    assert record["aim"] == "precision-0.8"
    assert record["aim_fallback"] == ["Beaches, dunes, sands"]
    expected = {item.label: item.certainty for item in sure}
    assert {row["label"]: row["certainty"] for row in record["labels"]} == expected
    text = report.as_text()
    assert "aim: few false alarms: precision 80% or more" in text
    fallback = "target not reached, so these keep their usual threshold: Beaches, dunes, sands"
    assert fallback in text
    rows = {line.split("%   ")[1]: line for line in text.splitlines() if " % " in line}
    for item in sure:
        word = outcome(item)
        assert rows[item.label].split()[0] == ("-" if word == "not found" else word)
        assert (f"  {word}: " in text) == (word != "not found")
    for row in csv.DictReader(io.StringIO(as_csv([report]))):
        assert row["certainty"] == expected[row["label"]]
        assert row["outcome"] == outcome(next(one for one in sure if one.label == row["label"]))
        assert row["aim"] == "precision-0.8"
    report = reported(patch, found, BAD, "x")
    abstained = report.as_dict()
    assert {row["certainty"] for row in abstained["labels"]} == {None}


@given(st.text(max_size=300))
def test_any_file_name_is_safe_in_every_format(name: str) -> None:
    report = reported(tiny.random_patch(), prediction(), GOOD, name)
    record = report.as_dict()
    json.dumps(record, ensure_ascii=False, allow_nan=False).encode()
    report.as_text().encode()
    assert "\x1b" not in report.as_text()
    assert len(report.as_text().splitlines()) == len(
        report.with_fields(source="plain").as_text().splitlines()
    )
    rows = list(csv.DictReader(io.StringIO(as_csv([report]))))
    assert len(rows) == 19
    assert not rows[0]["source"].startswith(("=", "+", "-", "@"))


def test_surrogates_in_a_file_name_can_be_printed() -> None:
    assert text.plain("b\udce9ton\n.tif") == "b?ton�.tif"


@pytest.mark.parametrize("method", sampled([None, *explanation.METHODS], [None, "grad-cam"]))
def test_the_figure_shows_picture_and_attribution(patch: Raster, method: str | None) -> None:
    model = tiny.tiny_model()
    found = explanation.explain(model, patch, FOUND[0], method) if method else None
    data = patch_figure.as_png(patch, model.predict(patch), found, quality=quality_of(patch))
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape[1] == patch_figure.WIDTH
    assert pixels.shape[0] > patch_figure.SIDE + 200
    # The left image has the patch's pixels, enlarged four times.
    own = patch.image(COMPOSITES[0])[60, 60, :3]
    top = 24 + 56 + page.LINE
    np.testing.assert_array_equal(pixels[top + 242, 24 + 242], own)
    if found is not None:
        shown = explanation.overlay(found, patch, 0.8)[60, 60, :3]
        np.testing.assert_array_equal(pixels[top + 242, 2 * 24 + patch_figure.SIDE + 242], shown)


def test_the_figure_of_a_patch_without_a_place_can_be_drawn(patch: Raster) -> None:
    somewhere = replace(patch, crs=None, transform=None)
    assert patch_figure.as_png(somewhere, prediction())[:4] == b"\x89PNG"


def test_figures_of_two_classes_differ(patch: Raster) -> None:
    model = tiny.tiny_model()
    pictures = {
        patch_figure.as_png(patch, model.predict(patch), explanation.explain(model, patch, label))
        for label in FOUND
    }
    assert len(pictures) == 2


def test_the_figure_grows_with_its_text_and_shows_gaps_in_grey() -> None:
    valid = np.ones((120, 120), bool)
    valid[:40] = False
    patch = tiny.random_patch(valid=valid)
    heights = []
    for quality in (GOOD, BAD):
        data = patch_figure.as_png(patch, prediction(), quality=quality)
        with Image.open(io.BytesIO(data)) as picture:
            heights.append(picture.height)
            assert picture.convert("RGB").getpixel((40, 24 + 56 + 24 + 20)) == page.RULE
    assert heights[0] != heights[1]


def test_record_and_text_have_the_values_of_an_explanation(patch: Raster) -> None:
    found = explanation.explain(tiny.tiny_model(), patch, FOUND[0])
    record = explanation_record(found, patch)
    assert ExplanationRecord.model_validate_json(record.as_json()) == record
    total = found.attribution.sum(dtype=np.float64)
    assert record.sum_for + record.sum_against == pytest.approx(float(total))
    assert record.sum_for >= 0 >= record.sum_against
    assert (record.label, record.method) == (FOUND[0], "integrated-gradients")
    text = patch_report.explanation_text(found)
    assert found.baseline in text
    assert found.scale_rule in text
    assert found.band_share is not None
    best = max(found.band_share, key=lambda band: found.band_share[band])  # type: ignore[index]
    assert f"share of bands: {best} " in text
    assert "the sum differs from the score's change by " in text
    cam = patch_report.explanation_text(
        explanation.explain(tiny.tiny_model(), patch, FOUND[0], "grad-cam")
    )
    assert "share of bands" not in cam
    assert "the sum differs" not in cam


def test_models_are_listed_with_size_summary_and_metrics() -> None:
    spans = {"macro_ap": [0.7, 0.8], "micro_ap": [0.65, 0.75]}
    measured = {"dataset": "d", "split": "test", "n": 115, "macro_ap": 0.75, "micro_ap": 0.7}
    row: dict[str, object] = {
        "name": "a",
        "title": "A net",
        "summary": "It sees.",
        "parameters": 1_234_567,
        "weights_bytes": 4_940_000,
        "default": True,
        "evaluations": [{**measured, "confidence_intervals": spans}],
    }
    few = {**measured, "macro_ap": None, "micro_ap": None}
    nothing = {**few, "confidence_intervals": dict.fromkeys(spans)}
    other = {"name": "b", "default": False, "weights_bytes": None, "evaluations": [nothing]}
    lines = patch_report.models_text([row, {**row, **other}]).splitlines()
    assert lines[0] == "a (default): A net, 1,234,567 parameters, 4.9 MB"
    assert lines[2].endswith(
        "d, test (115 patches): macro AP 0.750 [0.700, 0.800], micro AP 0.700 [0.650, 0.750]"
    )
    assert lines[3] == "b: A net, 1,234,567 parameters, no weights"
    assert lines[5].endswith("too few positives for metrics")
