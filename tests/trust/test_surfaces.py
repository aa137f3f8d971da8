"""Kinds of ground: known spectra, real samples, and BigEarthNet's labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover import datasets
from landcover.core.bands import BAND_NAMES
from landcover.core.raster import Provenance, Raster
from landcover.datasets.labelled import read_records
from landcover.io.band_files import to_patch
from landcover.io.samples import read_sample
from landcover.trust.surfaces import BANDS, SURFACES, UNKNOWN, shares, surfaces
from tests.support import tiny


def of_spectrum(**reflectance: float) -> str:
    values = [reflectance.get(name, 0.0) for name in BAND_NAMES]
    data = np.tile(np.array(values, dtype=np.float32)[:, None, None], (1, 2, 2))
    patch = Raster(
        data=data,
        valid=np.ones((2, 2), dtype=bool),
        bands=BAND_NAMES,
        provenance=Provenance(source="a spectrum"),
    )
    found = surfaces(patch)
    assert found is not None
    return SURFACES[int(found[0, 0])]


@pytest.mark.parametrize(
    ("spectrum", "name"),
    [
        ({"B02": 0.03, "B03": 0.04, "B04": 0.02, "B08": 0.01}, "water"),
        ({"B02": 0.01, "B03": 0.015, "B04": 0.012, "B08": 0.02}, "water"),
        ({"B02": 0.02, "B03": 0.03, "B04": 0.02, "B08": 0.18, "B11": 0.08}, "dark vegetation"),
        ({"B02": 0.03, "B03": 0.07, "B04": 0.03, "B08": 0.45, "B11": 0.2}, "bright vegetation"),
        ({"B02": 0.06, "B03": 0.09, "B04": 0.11, "B08": 0.25, "B11": 0.3}, "sparse vegetation"),
        ({"B02": 0.1, "B03": 0.13, "B04": 0.17, "B08": 0.24, "B11": 0.3}, "bare or built ground"),
        ({"B02": 0.6, "B03": 0.6, "B04": 0.6, "B08": 0.6, "B11": 0.1}, "snow or cloud"),
    ],
)
def test_typical_spectra(spectrum: dict[str, float], name: str) -> None:
    assert of_spectrum(**spectrum) == name


@pytest.mark.parametrize(
    ("sample", "most", "least"),
    [
        ("finland-lake", "dark vegetation", 0.6),
        ("finland-snow", "snow or cloud", 0.4),
        ("austria-fields", "bright vegetation", 0.5),
        ("ireland-pastures", "bright vegetation", 0.95),
    ],
)
def test_samples(sample: str, most: str, least: float) -> None:
    found = surfaces(read_sample(sample))
    assert found is not None
    assert shares(found)[most] > least


@given(seed=st.integers(0, 1000))
def test_shares_add_up_and_pixels_without_data_have_no_surface(seed: int) -> None:
    random = np.random.default_rng(seed)
    patch = tiny.random_patch()
    valid = random.random(patch.valid.shape) < random.random()
    found = surfaces(replace(patch, data=np.where(valid, patch.data, 0), valid=valid))
    assert found is not None
    assert ((found == UNKNOWN) == ~valid).all()
    assert sum(shares(found).values()) == pytest.approx(1.0 if valid.any() else 0.0)


def test_a_patch_without_the_bands_has_no_surfaces() -> None:
    patch = tiny.random_patch()
    assert surfaces(replace(patch, data=patch.data[1:4], bands=patch.bands[1:4])) is None
    with_infrared = [patch.bands.index(name) for name in BANDS]
    four = replace(patch, data=patch.data[with_infrared], bands=BANDS)
    assert surfaces(four) is not None


@pytest.mark.data
@pytest.mark.slow
def test_water_agrees_with_the_labels(shared_data: Path) -> None:
    dataset = datasets.open_dataset("bigearthnet", shared_data / "bigearthnet")
    records = [r for split in ("train", "validation") for r in dataset.records(split)]
    wet, dry = [], []
    for record in records:
        labels = set(record.labels)
        if labels <= {"Marine waters", "Inland waters"}:
            wet.append(record)
        elif len(labels) <= 2 and not any("water" in label or "wet" in label for label in labels):
            dry.append(record)
    of_water = []
    for chosen in (wet, dry):
        found = [surfaces(to_patch(native, "patch")) for native in read_records(chosen)]
        of_water.append(np.array([shares(one)["water"] for one in found if one is not None]))
    assert (len(wet), len(dry)) == (68, 73)
    assert of_water[0].min() > 0.99
    assert np.quantile(of_water[1], 0.95) < 0.02
