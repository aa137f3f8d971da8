"""Measurements of the verdict are validated when read; a damaged file gives one sentence."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from landcover.core.errors import CorruptModel
from landcover.models import registry
from landcover.trust import answer_checks, assessment, files, pixel_checks, quality
from landcover.trust.bench import records
from landcover.trust.bench.records import MIXTURES, ORDERS, RiskCurve
from tests.support.verdict_file import HASH, figures


def written(folder: Path, values: dict[str, Any]) -> Path:
    files.write_json(folder, records.FILE, HASH, values)
    return folder


def test_every_part_of_the_file_is_read(tmp_path: Path) -> None:
    raw = figures()
    found = records.load(written(tmp_path, raw), HASH)
    assert found is not None
    assert found.good.n == raw["good"]["n"] == found.good.alarms.n
    assert found.good.alarms.hits == raw["good"]["alarms"]["hits"]
    assert found.trained_on_split
    assert [group.name for group in found.groups] == [one["name"] for one in raw["groups"]]
    assert found.bad["real"].share is not None
    assert set(found.selective) == set(MIXTURES)
    for own in found.selective.values():
        assert set(own.orders) == set(ORDERS)
        assert own.orders["verdict"].risk[-1] == pytest.approx(own.everything, abs=1e-4)


def test_a_check_without_findings_has_no_false_alarms_and_an_interval(tmp_path: Path) -> None:
    raw = figures()
    found = records.load(written(tmp_path, raw), HASH)
    assert found is not None
    assert set(records.PIXEL_CHECKS) <= set(found.good.all_checks)
    silent = found.good.all_checks["offset"]
    assert "offset" not in raw["good"]["checks"]
    assert (silent.hits, silent.share) == (0, 0)
    assert 0 < silent.interval[1] < 0.2
    hits = [rate.hits for rate in found.good.all_checks.values()]
    assert hits == sorted(hits, reverse=True)


def test_test_patches_are_optional(tmp_path: Path) -> None:
    raw = figures()
    found = records.load(written(tmp_path, raw), HASH)
    assert found is not None
    assert found.good_test is not None
    assert (found.good_test.n, found.good_test.places) == (30, 5)
    assert found.good_test.alarms.hits == found.good_test.all_checks["shade"].hits == 3
    del raw["good_test"]
    without = records.load(written(tmp_path, raw), HASH)
    assert without is not None
    assert without.good_test is None


def test_every_check_has_a_description() -> None:
    sources = [
        Path(module.__file__ or "").read_text()
        for module in (pixel_checks, quality, assessment, answer_checks)
    ]
    described = {*records.PIXEL_CHECKS, *records.OTHER_CHECKS}
    for name in described:
        assert any(f'"{name}"' in source for source in sources), name
    for cause, repeats in assessment.REPEATS.items():
        assert {cause, *repeats} <= described
    assert records.title_of("unheard-of") == "unheard-of"


def test_a_missing_file_gives_none(tmp_path: Path) -> None:
    assert records.load(tmp_path, HASH) is None


def test_the_file_of_another_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="another card"):
        records.load(written(tmp_path, figures()), "0" * 12)


@pytest.mark.parametrize(
    "path",
    [
        ("good",),
        ("good", "alarms", "interval"),
        ("good_test", "alarms"),
        ("groups", 0, "kind"),
        ("groups", 0, "decisions", "warn"),
        ("bad", "real"),
        ("selective", "mixed", "verdict", "risk"),
        ("selective", "good", "everything"),
        ("note",),
    ],
)
@pytest.mark.parametrize("value", [None, "lost"])
def test_a_damaged_file_gives_one_sentence(
    tmp_path: Path, path: tuple[str | int, ...], value: str | None
) -> None:
    raw = copy.deepcopy(figures())
    *way, last = path
    here: Any = raw
    for key in way:
        here = here[key]
    if value is None or path == ("note",):
        del here[last]
    else:
        here[last] = value
    with pytest.raises(
        CorruptModel, match="is missing or damaged; make it again with `landcover trust measure`"
    ):
        records.load(written(tmp_path, raw), HASH)


def test_the_risk_at_a_coverage_is_that_of_the_next_point() -> None:
    curve = RiskCurve(
        coverage=(0.1, 0.5, 1.0),
        risk=(0.0, 0.2, 0.3),
        area=0.2,
        area_interval=(0.1, 0.3),
        chance=(0.25, 0.35),
    )
    assert [curve.at(at) for at in (0.05, 0.5, 0.51, 1.0)] == [0.0, 0.2, 0.3, 0.3]
    assert curve.beats_chance


def test_the_shipped_file_is_read() -> None:
    name = registry.DEFAULT_MODEL
    folder = registry.default().shipped / name
    found = records.load(folder, registry.default().card(name).hash)
    raw = json.loads((folder / "trust" / "verdict.json").read_text())["values"]
    assert found is not None
    assert len(found.groups) == len(raw["groups"])
