"""Spectra of classes: the packaged table, and how one is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from landcover.core import spectra
from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.spectra import ALL_PATCHES, ALONE, WITH
from landcover.datasets import open_dataset
from landcover.datasets.class_spectra import spectra_of
from tests.support.bigearthnet_tree import PatchSpec, v2_id, write_v2

SPECS = (
    PatchSpec(v2_id(0), ("Marine waters",), "train"),
    PatchSpec(v2_id(1), ("Marine waters", "Beaches, dunes, sands"), "train"),
    PatchSpec(v2_id(2), ("Arable land",), "validation"),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_v2(tmp_path_factory.mktemp("spectra") / "bigearthnet", SPECS)


def test_a_spectrum_is_that_of_the_pixels_of_its_patches(tree: Path) -> None:
    dataset = open_dataset("bigearthnet", tree)
    records = dataset.records("all")
    found = {
        (one.name, one.group): one
        for one in spectra_of(store for _, store in dataset.iter_batches(records, 2))
    }
    assert list(found) == [
        (ALL_PATCHES, WITH),
        ("Arable land", WITH),
        ("Arable land", ALONE),
        ("Beaches, dunes, sands", WITH),
        ("Marine waters", WITH),
        ("Marine waters", ALONE),
    ]
    marine = found["Marine waters", WITH]
    assert (marine.patches, marine.classes) == (2, 1.5)
    pixels = np.stack([r.patch().data for r in records if "Marine waters" in r.labels])
    for k, band in enumerate(BAND_NAMES):
        own = pixels[:, k].ravel()
        assert marine.mean[k] == pytest.approx(own.mean(), abs=1e-5), band
        for value, share in ((marine.p10[k], 0.1), (marine.p90[k], 0.9)):
            # A tenth of the pixels lies below, up to those that are equal to it.
            assert (own < value - 1e-5).mean() <= share <= (own < value + 1e-5).mean(), band


def test_pixels_without_data_and_glints_do_not_shift_a_spectrum(tree: Path) -> None:
    dataset = open_dataset("bigearthnet", tree)
    store = dataset.load("validation")
    before = spectra_of([store])[0]
    store.g20[:, :, :30] = 0
    kept = [k for k, band in enumerate(BAND_NAMES) if band in ("B02", "B03", "B04", "B08")]
    after = spectra_of([store])[0]
    assert [after.mean[k] for k in kept] == [before.mean[k] for k in kept]
    assert min(after.p10) > 0
    store.g10[0, 0, 0, 0] = 60_000
    assert max(spectra_of([store])[0].mean) < 1.7


def test_written_spectra_are_read_again(tree: Path, tmp_path: Path) -> None:
    dataset = open_dataset("bigearthnet", tree)
    found = spectra_of([dataset.load("train")])
    path = tmp_path / "spectra.csv"
    spectra.write(path, found)
    again = spectra.load(path)
    assert [(one.name, one.group, one.patches) for one in again] == [
        (one.name, one.group, one.patches) for one in found
    ]
    np.testing.assert_allclose([one.p90 for one in again], [one.p90 for one in found], atol=1e-4)


def test_the_packaged_spectra_have_every_class_and_its_nature() -> None:
    table = spectra.load()
    assert table[0].name == ALL_PATCHES
    assert {one.name for one in table[1:]} == set(CLASS_NAMES)
    for one in table:
        assert len(one.mean) == len(one.p10) == len(one.p90) == len(BAND_NAMES)
        assert all(low <= high for low, high in zip(one.p10, one.p90, strict=True))
        assert one.patches > 0
        assert (one.classes == 1) == (one.group == ALONE or one.name == "Coastal wetlands")
    near, red = BAND_NAMES.index("B08"), BAND_NAMES.index("B04")
    sea, forest = (spectra.of_class(name, ALONE) for name in ("Marine waters", "Coniferous forest"))
    assert sea is not None
    assert forest is not None
    assert sea.mean[near] < sea.mean[red]  # water swallows the near infrared
    assert forest.mean[near] > 3 * forest.mean[red]  # leaves reflect it
    assert spectra.of_class("Urban fabric", ALONE) is None
