"""Physical checks: each detects its own problem, and good samples pass them all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landcover.core.bands import BAND_NAMES
from landcover.core.raster import Raster
from landcover.io.samples import NAMES, read_sample
from landcover.trust.bench.real_scenes import scene_groups
from landcover.trust.bench.synthetic import CORRUPTIONS
from landcover.trust.pixel_checks import (
    cells,
    haze_share,
    pixel_findings,
    ratio_to_b8a,
    roughness,
    shade_share,
    snow_share,
)
from tests.support import tiny
from tests.support.examples import examples


def names(patch: Raster) -> set[str]:
    return {finding.check for finding in pixel_findings(patch)}


def corrupted(name: str, sample: str = "austria-fields") -> Raster:
    return CORRUPTIONS[name][1](read_sample(sample), np.random.default_rng(3))


@pytest.mark.parametrize("sample", NAMES)
def test_good_samples_pass_and_snow_is_detected(sample: str) -> None:
    found = {finding.check: finding for finding in pixel_findings(read_sample(sample))}
    assert set(found) == ({"snow"} if sample == "finland-snow" else set())
    if found:
        assert found["snow"].level == "warn"
        assert 0.5 < found["snow"].value < 0.95


@pytest.mark.parametrize(
    ("corruption", "check", "level"),
    [
        ("white-noise", "noise", "severe"),
        ("matched-noise", "noise", "severe"),
        ("shuffled", "noise", "severe"),
        ("nir-swir", "order", "severe"),
        ("nir-red-edge", "order", "severe"),
        ("alphabetical", "level", "severe"),
        ("by-grid", "level", "severe"),
        ("band-lost", "missing-bands", "severe"),
        ("painted-snow", "snow", None),
        ("painted-cloud", "haze", None),
        ("offset-left", "haze", None),
    ],
)
def test_corrupted_patches_are_detected(corruption: str, check: str, level: str | None) -> None:
    found = {finding.check: finding for finding in pixel_findings(corrupted(corruption))}
    assert check in found
    assert level in (None, found[check].level)
    assert found[check].about == "pixels"
    assert found[check].sentence.endswith(".")


def test_a_shadow_on_half_a_forest_is_detected() -> None:
    patch = corrupted("painted-shadow")
    assert shade_share(cells(patch)) > shade_share(cells(read_sample("austria-fields")))


def test_cells_are_means_without_gaps_in_the_documented_band_order() -> None:
    patch = read_sample("austria-fields")
    valid = np.array(patch.valid)
    valid[0, 0] = False
    found = cells(replace(patch, valid=valid))
    assert found.shape == (12, 399)
    np.testing.assert_allclose(found[1, 0], patch.band("B02")[:6, 6:12].mean(), rtol=1e-5)
    turned = replace(patch, data=patch.data[::-1], bands=BAND_NAMES[::-1])
    np.testing.assert_array_equal(cells(turned), cells(patch))


def test_missing_bands_or_too_few_cells_give_no_findings() -> None:
    patch = corrupted("white-noise")
    few = replace(patch, data=patch.data[:4], bands=BAND_NAMES[:4])
    assert cells(few).shape == (12, 0)
    assert pixel_findings(few) == ()
    valid = np.zeros((120, 120), dtype=bool)
    valid[:6, :30] = True
    assert pixel_findings(replace(patch, valid=valid)) == ()


def test_shares_reach_their_extremes() -> None:
    water = np.full((12, 30), 0.01, dtype=np.float32)
    assert ratio_to_b8a(water, "B09") is None
    assert haze_share(water) == snow_share(water) == shade_share(water) == 0
    cloud = np.full((12, 30), 0.8, dtype=np.float32)
    assert haze_share(cloud) == 1
    assert snow_share(cloud) == 0
    assert ratio_to_b8a(cloud, "B09") == pytest.approx(1)
    snow = np.array(cloud)
    snow[10:] = 0.05
    assert snow_share(snow) == 1


def test_roughness_lies_between_a_ramp_and_noise() -> None:
    ramp = np.tile(np.linspace(0, 1, 120, dtype=np.float32), (12, 120, 1))
    assert roughness(tiny.random_patch(data=ramp)) < 0.001
    assert roughness(tiny.random_patch()) == pytest.approx(1, abs=0.05)
    assert roughness(tiny.random_patch(data=np.ones((12, 120, 120), np.float32))) == 0


@given(
    level=st.floats(-2, 3),
    spread=st.floats(0, 2),
    share=st.floats(0, 1),
    seed=st.integers(0, 9),
)
@settings(max_examples=examples(30))
def test_the_checks_accept_any_pixels(level: float, spread: float, share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    pixels = (level + spread * random.standard_normal((12, 120, 120))).astype(np.float32)
    valid = random.random((120, 120)) < share
    valid[0, 0] = True
    for finding in pixel_findings(tiny.random_patch(data=pixels, valid=valid)):
        assert np.isfinite(finding.value)
        assert finding.level in ("warn", "severe")


@pytest.mark.data
@pytest.mark.slow
def test_real_bad_scenes_are_detected_by_the_right_check(shared_data: Path) -> None:
    groups = {group.name: group for group in scene_groups(shared_data / "scenes")}
    found = {
        name: [names(patch) for patch in groups[name].patches()]
        for name in ("cloud", "haze", "level-1c", "clear-boadella", "clear-denmark")
    }
    assert all("haze" in each for each in found["cloud"])
    assert all("haze" in each for each in found["haze"])
    level = [("level" in each, "haze" in each) for each in found["level-1c"]]
    assert all(any(pair) for pair in level)
    assert sum(pair[0] for pair in level) >= 40
    clear = found["clear-boadella"]
    assert sum(bool(each) for each in clear) <= 0.05 * len(clear)
