"""Corrupted patches: each group is as its title states, reproducible, and without side effects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from landcover.core.bands import BAND_NAMES
from landcover.core.raster import Raster
from landcover.io.samples import read_sample
from landcover.trust.bench.synthetic import (
    CLOUD,
    CORRUPTIONS,
    blob,
    made_groups,
    paint,
    reorder_bands,
    with_pixels,
)


@pytest.fixture(scope="module")
def good() -> Raster:
    return read_sample("austria-fields")


def corrupted(name: str, patch: Raster, seed: int = 0) -> Raster:
    return CORRUPTIONS[name][1](patch, np.random.default_rng(seed))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_corruption_changes_only_the_pixels(name: str, good: Raster) -> None:
    before = good.data.copy()
    bad = corrupted(name, good)
    np.testing.assert_array_equal(good.data, before)
    assert bad.data.shape == before.shape
    assert not np.array_equal(bad.data, before)
    assert replace(bad, data=good.data, valid=good.valid).transform == good.transform
    assert (bad.crs, bad.acquired, bad.bands) == (good.crs, good.acquired, good.bands)
    np.testing.assert_array_equal(corrupted(name, good).data, bad.data)


def test_reordering_only_moves_bands(good: Raster) -> None:
    assert reorder_bands(good, ["B8A", *BAND_NAMES[1:]]).band("B01").sum() == good.band("B8A").sum()
    swapped = corrupted("red-blue", good)
    np.testing.assert_array_equal(swapped.band("B02"), good.band("B04"))
    np.testing.assert_array_equal(swapped.band("B04"), good.band("B02"))
    np.testing.assert_array_equal(swapped.band("B08"), good.band("B08"))
    last = corrupted("alphabetical", good)
    np.testing.assert_array_equal(last.band("B12"), good.band("B8A"))
    assert sorted(corrupted("random-order", good).data.sum(axis=(1, 2))) == pytest.approx(
        sorted(good.data.sum(axis=(1, 2)))
    )


def test_shuffling_keeps_every_spectrum(good: Raster) -> None:
    bad = corrupted("shuffled", good)
    for pixels in (bad, good):
        assert pixels.data.shape == (12, 120, 120)
    columns = [np.sort(p.data.reshape(12, -1).view(np.float32).sum(0)) for p in (bad, good)]
    np.testing.assert_allclose(*columns, rtol=1e-5)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_blob_has_about_its_share(share: float) -> None:
    mask = blob((120, 120), share, np.random.default_rng(1))
    assert 0 <= mask.min() <= mask.max() <= 1
    assert mask.mean() == pytest.approx(share, abs=0.06)


def test_paint_is_a_mixture(good: Raster) -> None:
    half = paint(good, CLOUD, np.full((120, 120), 0.5, dtype=np.float32))
    wanted = (good.band("B02") + CLOUD[1]) / 2
    np.testing.assert_allclose(half.band("B02"), wanted, rtol=1e-5)
    np.testing.assert_array_equal(
        paint(good, CLOUD, np.zeros((120, 120), dtype=np.float32)).data, good.data
    )


def test_groups_are_reproducible_and_describe_themselves(good: Raster) -> None:
    other = with_pixels(good, good.data * 0.9)
    groups = made_groups([good, other])
    names = [group.name for group in groups]
    assert names == [*CORRUPTIONS, "photograph-grey", "photograph-red"]
    for group in groups:
        assert group.kind == "bad"
        assert not group.real
        assert group.title
    cloud = groups[names.index("painted-cloud")]
    first, second = ([p.data for p in cloud.patches()] for _ in range(2))
    assert len(first) == 2
    np.testing.assert_array_equal(first, second)


def test_photographs_fill_the_visible_bands(good: Raster) -> None:
    grey, red = (
        list(group.patches()) for group in made_groups([good]) if group.name.startswith("photo")
    )
    assert len(grey) == len(red) == 24
    for patch in grey[:2]:
        assert 0 <= patch.data.min() <= patch.data.max() <= 0.3 + 1e-6
        visible = np.mean([patch.band(name) for name in ("B02", "B03", "B04")], axis=0)
        np.testing.assert_allclose(patch.band("B08"), visible, atol=1e-6)
    np.testing.assert_array_equal(red[0].band("B12"), red[0].band("B04"))
