"""Alarms are counted on each kind of ground apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from landcover.core.raster import Raster
from landcover.io.samples import read_sample, samples
from landcover.trust.bench.surface_alarms import GROUNDS, surface_alarms
from landcover.trust.bench.synthetic import CORRUPTIONS
from landcover.trust.pixel_checks import pixel_findings


def lake() -> Raster:
    """A lake with some sediment: more blue than red, dark in the near infrared."""
    patch = read_sample("finland-lake")
    spectrum = [0.06, 0.07, 0.07, 0.05, 0.04, 0.03, 0.03, 0.02, 0.02, 0.02, 0.01, 0.01]
    noise = np.random.default_rng(0).normal(0, 0.002, (12, 20, 20)).repeat(6, 1).repeat(6, 2)
    data = np.array(spectrum, dtype=np.float32)[:, None, None] + noise.astype(np.float32)
    return replace(patch, data=data.astype(np.float32))


def test_patches_count_for_what_they_show() -> None:
    shown = [(read_sample(sample.name), sample.truth) for sample in samples()]
    found = surface_alarms(shown)
    assert list(found) == list(GROUNDS)
    assert found["snow"].any_check.n == 1
    assert found["snow"].checks["snow"].hits == 1
    assert found["bright vegetation"].any_check.hits == 0
    assert found["water"].any_check.n == 0


def test_clear_water_is_not_haze_but_cloud_over_it_is() -> None:
    clear = lake()
    cloudy = CORRUPTIONS["painted-cloud"][1](clear, np.random.default_rng(0))
    none = frozenset[str]()
    assert surface_alarms([(clear, none)])["water"].any_check.hits == 0
    assert "haze" in {one.check for one in pixel_findings(cloudy)}
