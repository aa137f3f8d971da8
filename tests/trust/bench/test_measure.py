"""False alarms and detection rates: counted, stored in the model folder, shown as text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from landcover.core.errors import CorruptModel
from landcover.datasets import open_dataset
from landcover.models import registry
from landcover.models.model import Model
from landcover.trust.bench import fit, measure, records, verdict_text
from landcover.trust.bench.records import Rate, TrustMeasurement
from landcover.trust.bench.synthetic import CORRUPTIONS
from landcover.trust.novelty import Novelty
from tests.support import sky_scene, tiny, trust_cases


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny.tiny_model()


@pytest.fixture(scope="module")
def known(model: Model) -> Novelty:
    return fit.fit(model, trust_cases.dataset())


@pytest.fixture(scope="module")
def measured(
    model: Model, known: Novelty, tmp_path_factory: pytest.TempPathFactory
) -> TrustMeasurement:
    folder = tmp_path_factory.mktemp("sky")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(measure, "CORRUPTED_PATCHES", 3)
        return measure.measure(
            model, known, trust_cases.dataset(), sky=sky_scene.file(folder), test=True
        )


def test_counts_add_up(measured: TrustMeasurement) -> None:
    good = measured.good
    assert good.n == good.alarms.n == sum(good.decisions.values()) == 20
    assert good.places == 4
    assert good.alarms.hits <= sum(value.hits for value in good.checks.values())
    assert good.alarms.hits >= good.cannot_tell.hits
    groups = {group.name: group for group in measured.groups}
    assert set(CORRUPTIONS) < set(groups)
    for name, group in groups.items():
        if group.only:
            continue
        assert sum(group.decisions.values()) == group.pixels.n
        assert group.pixels.n == (24 if name.startswith("photo") else 3)
        assert group.warned.hits >= group.pixels.hits
    everything = measured.bad["all"]
    bad = [group.pixels.n for group in groups.values() if group.kind == "bad"]
    assert everything.n == sum(bad)
    assert measured.bad["real"].n + measured.bad["made"].n == everything.n
    assert measured.bad["real"].hits + measured.bad["made"].hits == everything.hits


def test_windows_of_six_bands_are_assessed_by_the_checks_that_apply(
    measured: TrustMeasurement,
) -> None:
    groups = {group.name: group for group in measured.groups if group.only}
    assert {name: group.kind for name, group in groups.items()} == {
        "real-shadow": "bad",
        "real-cloud": "bad",
        "real-clear": "good",
    }
    for group in groups.values():
        assert group.only == ("haze", "snow", "shade")
        assert set(group.checks) <= set(group.only)
        assert "only the checks haze, snow, shade" in group.made_of
        assert sum(group.decisions.values()) == group.pixels.n > 0
    assert set(groups["real-shadow"].checks) == {"shade"}
    assert groups["real-cloud"].pixels.share == groups["real-shadow"].pixels.share == 1
    assert groups["real-clear"].pixels.hits == 0
    assert {name: value.recall.share for name, value in measured.sky_cells.items()} == {
        "shade": 1,
        "haze": 1,
    }


def test_test_patches_are_assessed(measured: TrustMeasurement) -> None:
    found = measured.good_test
    assert found.n == found.alarms.n == sum(found.decisions.values())
    assert found.n == trust_cases.TEST
    assert found.places == 4


@pytest.mark.slow
def test_test_patches_are_assessed_with_unchanged_bounds(model: Model, known: Novelty) -> None:
    strict = replace(known, bounds=dict.fromkeys(known.bounds, 1e-9))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(measure, "CORRUPTED_PATCHES", 1)
        patched.setattr(measure, "made_groups", lambda _: ())
        all_strange = measure.measure(model, strict, trust_cases.dataset(), test=True)
        silent = measure.measure(model, known, trust_cases.dataset())
    assert all_strange.good_test.checks["unlike"].share == 1
    assert silent.good_test is None
    assert silent.sky_cells is None


@pytest.mark.parametrize(
    "name", ["offset-left", "times-10000", "constant", "white-noise", "shuffled", "band-lost"]
)
def test_gross_errors_are_always_caught_with_any_model(
    name: str, measured: TrustMeasurement
) -> None:
    group = next(group for group in measured.groups if group.name == name)
    assert group.pixels.share == 1
    assert group.decisions["cannot tell"] == 3


def test_risk_falls_as_flagged_patches_are_left_out(measured: TrustMeasurement) -> None:
    for name, count in (("good", 20), ("mixed", 20 + 3 * len(CORRUPTIONS))):
        curves = measured.selective[name]
        assert curves.n == count
        for order in records.ORDERS:
            curve = curves.orders[order]
            assert curve.coverage[-1] == 1
            assert curve.risk[-1] == pytest.approx(curves.everything, abs=1e-4)
            assert len(curve.coverage) == len(curve.risk) <= measure.POINTS
        assert sum(value.n for value in curves.decisions.values()) == count


def test_a_measurement_is_stored_in_the_model_folder(
    measured: TrustMeasurement, model: Model, tmp_path: Path
) -> None:
    assert records.load(tmp_path, model.card.hash) is None
    path = records.save(measured, tmp_path, model.card.hash)
    assert path.name == "verdict.json"
    assert path.stat().st_size < 100_000
    assert records.load(tmp_path, model.card.hash) == measured
    with pytest.raises(CorruptModel):
        records.load(tmp_path, "0" * 12)


def test_text_and_tables_name_every_group_and_check(
    measured: TrustMeasurement, model: Model
) -> None:
    text = verdict_text.measurement_text(measured, "tiny", model.card.hash)
    tables = verdict_text.as_markdown(measured)
    for group in measured.groups:
        assert f"\n{group.name} " in text
        assert f"| {group.name} |" in tables
    for check in measured.good.checks:
        assert check in text
    assert verdict_text.share(measured.good.alarms) in text
    assert "6 good patches of 4 places of the test split" in text
    assert "cells of 60 m, shade: recall 100.0%" in text
    assert "| check | false alarms on good test patches |" in tables
    rows = [line.count("|") for line in tables.splitlines() if line.startswith("|")]
    assert set(rows) == {3, 4, 7}
    assert verdict_text.share(Rate.of(0, 0)) == "no patches"


def test_missing_measurements_are_left_out_of_the_text(measured: TrustMeasurement) -> None:
    less = measured.with_fields(good_test=None, sky_cells=None)
    text, tables = verdict_text.measurement_text(less, "tiny", "0"), verdict_text.as_markdown(less)
    assert "test split" not in text
    assert "test patches" not in tables
    assert "cells of 60 m" not in text + tables


def test_a_fit_is_shown_as_text(known: Novelty) -> None:
    record = {
        "model": "tiny", "card_hash": "0", "detector": known.detector, "bounds": known.bounds,
        **known.made,
    }  # fmt: skip
    text = verdict_text.fit_text(record)
    assert "40 training patches, bounds from 20 others" in text
    assert "detects" in text


def test_a_rate_has_an_interval_and_no_share_without_patches() -> None:
    nothing = Rate.of(0, 0)
    assert (nothing.share, nothing.interval) == (None, (0.0, 1.0))
    assert Rate.of(1, 3).share == pytest.approx(1 / 3, abs=1e-6)


@pytest.mark.data
@pytest.mark.slow
def test_the_default_model_meets_the_targets(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = registry.default().load()
    dataset = open_dataset("bigearthnet", shared_data / "bigearthnet")
    known = fit.fit(model, dataset)
    monkeypatch.setattr(measure, "CORRUPTED_PATCHES", 10)
    found = measure.measure(
        model,
        known,
        dataset,
        scenes=shared_data / "scenes",
        sky=shared_data / "cloudmask" / "ukis_csmask_sentinel2_test.npz",
    )
    assert found.good.alarms.share <= 0.05
    assert found.bad["all"].share >= 0.95
    assert found.bad["real"].share >= 0.95
    # Ranking by the verdict leaves out the wrong labels first; by confidence alone, as well.
    mixed = found.selective["mixed"]
    assert mixed.verdict.beats_chance
