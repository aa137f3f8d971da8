"""Band evidence is the fall of the score without a band or group of bands."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import ModelMismatch, UnknownName
from landcover.explain.band_attribution import GROUPS, attribute_bands, attribute_bands_many
from landcover.explain.baselines import BASELINES, baseline, blurred, resolve_baseline
from landcover.io.samples import read_sample
from landcover.models import registry
from landcover.report.explanation_files import bands_text
from tests.support import tiny

WATER = "Inland waters"


def test_each_band_is_in_one_group() -> None:
    bands = [band for group in GROUPS.values() for band in group]
    assert sorted(bands) == sorted(BAND_NAMES)
    assert GROUPS["visible"] == ("B02", "B03", "B04")
    assert GROUPS["shortwave infrared"] == ("B11", "B12")


def test_band_and_group_evidence_is_the_fall_of_the_score() -> None:
    model, patch = registry.default().load("landcover-cnn", "cpu"), read_sample("finland-lake")
    found = attribute_bands(model, patch, WATER)
    pixels = model.tensor(patch)[None]
    column = model.card.classes.index(WATER)
    for bands, fall in (("B11",), found.bands["B11"]), (GROUPS["visible"], found.groups["visible"]):
        changed = pixels.clone()
        for band in bands:
            place = model.card.bands.index(band)
            changed[:, place] = model.card.mean[place]
        with torch.no_grad():
            scores = model.scores(torch.cat([pixels, changed]))[:, column].double()
        assert fall == pytest.approx(float(scores[0] - scores[1]), abs=1e-3)
        assert found.score == pytest.approx(float(scores[0]), abs=1e-3)
    assert list(found.bands) == list(BAND_NAMES)
    assert list(found.groups) == list(GROUPS)
    assert "average land" in found.baseline
    assert "shortwave infrared" in bands_text(found)


def test_a_band_that_the_net_ignores_has_no_evidence() -> None:
    model = tiny.tiny_model()
    with torch.no_grad():
        model.net.get_parameter("conv.weight")[:, BAND_NAMES.index("B05")] = 0.0
    one, two = attribute_bands_many(model, tiny.random_patch(), [WATER, "Pastures"])
    assert one.bands["B05"] == two.bands["B05"] == 0.0
    assert one.bands["B04"] not in {0.0, two.bands["B04"]}


def test_a_model_of_few_bands_has_only_the_groups_of_these_bands() -> None:
    model = tiny.tiny_cnn()
    found = attribute_bands(model, read_sample("finland-lake"), WATER, "dark")
    assert list(found.bands) == ["B04", "B03", "B02"]
    assert list(found.groups) == ["visible"]
    assert sorted(found.members["visible"]) == ["B02", "B03", "B04"]


def test_unknown_names_and_other_patches_are_refused() -> None:
    model = tiny.tiny_model()
    with pytest.raises(UnknownName, match="class"):
        attribute_bands(model, tiny.random_patch(), "Moon")
    with pytest.raises(UnknownName, match="baseline"):
        attribute_bands(model, tiny.random_patch(), WATER, "noise")
    with pytest.raises(ModelMismatch, match="120 × 120"):
        attribute_bands(model, tiny.random_patch(size=144), WATER)


def test_baselines_match_their_descriptions() -> None:
    card = tiny.tiny_card(b"")
    pixels = torch.rand(1, 12, 120, 120, generator=torch.Generator().manual_seed(0))
    assert torch.equal(baseline(card, pixels, "zero"), torch.zeros_like(pixels))
    assert resolve_baseline("zero", card) == resolve_baseline("dark", card)
    torch.testing.assert_close(baseline(card, pixels, "mean"), torch.full_like(pixels, 0.1))
    soft = baseline(card, pixels, "blurred")
    torch.testing.assert_close(soft.mean(), pixels.mean(), rtol=0.02, atol=0)
    assert soft.std() < 0.1 * pixels.std()
    assert all(words for words in BASELINES.values())


def test_the_blur_has_the_stated_width() -> None:
    point = torch.zeros(1, 1, 121, 121)
    point[..., 60, 60] = 1.0
    soft = blurred(point, 10.0)[0, 0].double().numpy()
    assert soft.sum() == pytest.approx(1.0, abs=1e-4)
    rows = np.arange(121) - 60.0
    assert np.sqrt((soft.sum(axis=1) * rows**2).sum()) == pytest.approx(10.0, rel=0.03)
    flat = torch.full((1, 2, 64, 64), 0.3)
    torch.testing.assert_close(blurred(flat, 10.0), flat)
