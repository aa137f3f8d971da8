"""What a saved evaluation says of one class, and how far that is to be trusted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from landcover.core.classes import CLASS_NAMES, EUROSAT_CLASSES
from landcover.evaluate import class_evidence, report_files
from landcover.evaluate.class_evidence import ClassEvidence
from landcover.metrics import scores
from landcover.models import registry
from landcover.models.registry import Registry


@pytest.fixture(scope="module")
def measured() -> dict[str, ClassEvidence]:
    return dict(class_evidence.of_usual_model("bigearthnet-19"))


def test_every_class_has_the_counts_of_the_shipped_report(
    measured: dict[str, ClassEvidence],
) -> None:
    folder = registry.default().folder(registry.DEFAULT_MODEL)
    report = report_files.read_report(folder, "bigearthnet-v2", "test")
    assert tuple(measured) == CLASS_NAMES
    for k, one in enumerate(measured.values()):
        truth = report.predictions.truth[:, k]
        said = report.predictions.probability[:, k] >= report.thresholds()[k]
        assert (one.support, one.patches) == (truth.sum(), len(truth))
        assert (one.found, one.wrong) == ((truth & said).sum(), (~truth & said).sum())
        assert one.threshold == report.thresholds()[k]
        if one.ap is not None:
            assert one.ap == pytest.approx(
                scores.average_precision(truth, report.predictions.probability[:, k]), abs=1e-4
            )
        assert all(mistake.present == k for mistake in one.says_also)
        assert all(mistake.said == k for mistake in one.really)


def test_trust_follows_support_and_the_lower_end_of_the_interval(
    measured: dict[str, ClassEvidence],
) -> None:
    one = replace(measured["Mixed forest"], patches=100, support=40, ap=0.8, interval=(0.7, 0.9))
    assert one.trust == "good"
    assert replace(one, interval=(0.5, 0.9)).trust == "fair"
    assert replace(one, interval=(0.4, 0.9)).trust == "weak"
    assert replace(one, support=4).trust == "hardly tested"
    assert replace(one, support=0, ap=None, interval=None).trust == "untested"


def test_pictures_have_exactly_one_class_and_no_threshold() -> None:
    found = class_evidence.of_usual_model("eurosat-10")
    assert tuple(found) == EUROSAT_CLASSES
    assert all(one.threshold is None for one in found.values())
    assert sum(one.found + one.wrong for one in found.values()) == found["Forest"].patches


def test_without_a_readable_report_nothing_is_said(tmp_path: Path) -> None:
    with registry.use(Registry(shipped=tmp_path, home=tmp_path)):
        assert class_evidence.of_usual_model("bigearthnet-19") == {}
