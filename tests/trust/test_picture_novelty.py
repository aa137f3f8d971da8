"""Novelty of colour pictures: good ones pass, drawn and altered ones get no labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from landcover.core.errors import BadInput, CorruptModel
from landcover.core.raster import Raster
from landcover.datasets.eurosat import open_eurosat
from landcover.io.images import picture_of
from landcover.io.samples import read_sample, samples
from landcover.models import registry
from landcover.models.model import Model
from landcover.trust import files, novelty
from landcover.trust.assessment import assess
from landcover.trust.bench import fit_pictures, measure
from landcover.trust.bench.picture_set import PictureSet
from landcover.trust.bench.synthetic_pictures import ALTERATIONS, DRAWN, bad_pictures
from landcover.trust.novelty import Novelty
from landcover.trust.picture_statistics import STATISTICS, statistics
from tests.support import eurosat_tree
from tests.support.colour_pictures import pixels
from tests.support.tiny_pictures import tiny_picture_model

CHANGED = ("rainbow", "screenshot", "portrait", "blurred-3", "noise", "inverted")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> PictureSet:
    return PictureSet(dataset=open_eurosat(eurosat_tree.write(tmp_path_factory.mktemp("eurosat"))))


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_picture_model()


@pytest.fixture(scope="module")
def known(model: Model, pictures: PictureSet) -> Novelty:
    return fit_pictures.fit_pictures(model, pictures)


def test_pictures_of_held_out_places_pass(
    model: Model, known: Novelty, pictures: PictureSet
) -> None:
    for record in pictures.records("validation"):
        found = assess(model, record.patch(), known=known)
        assert found.decision == "answer"
        assert "training data" in found.checked
        assert found.label.startswith("Looks reliable")
    assert (known.made["training"], known.made["validation"]) == (eurosat_tree.TRAINING, 12)
    assert known.days == ()


@pytest.mark.parametrize("name", CHANGED)
def test_bad_pictures_get_no_labels(
    name: str, model: Model, known: Novelty, pictures: PictureSet
) -> None:
    good = [record.patch() for record in pictures.records("validation")[:4]]
    group = next(one for one in bad_pictures(good) if one.name == name)
    for bad in group.patches():
        found = assess(model, bad, known=known)
        assert found.decision == "cannot tell", name


def test_the_fit_is_the_same_after_saving(known: Novelty, tmp_path: Path) -> None:
    novelty.save(known, tmp_path, "0" * 12)
    again = novelty.load(tmp_path, "0" * 12)
    assert again is not None
    picture = picture_of(pixels(seed=7), "p.png")
    assert again.picture_distance(picture) == pytest.approx(known.picture_distance(picture))
    assert again.spectrum_distance(np.ones((12, 30), dtype=np.float32)) == {}
    assert again.bounds == pytest.approx(known.bounds)
    tensors, values = files.read_tensors(tmp_path, novelty.FILE, "0" * 12) or ({}, {})
    tensors["pictures.mean"] = torch.zeros(3)
    files.write_tensors(tmp_path, novelty.FILE, "0" * 12, tensors, values)
    with pytest.raises(CorruptModel, match="not in the expected format"):
        novelty.load(tmp_path, "0" * 12)


def test_rates_are_measured_for_every_kind_of_bad_picture(
    model: Model, known: Novelty, pictures: PictureSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "CORRUPTED_PATCHES", 2)
    found = measure.measure(model, known, pictures, test=True)
    assert [group.name for group in found.groups] == [*DRAWN, *ALTERATIONS]
    assert all(group.pixels.n == 2 for group in found.groups)
    assert found.good.n == 12
    assert found.good.places == 1
    assert found.good_test is not None
    assert found.bad["real"].share is None


def test_a_class_with_few_pictures_cannot_be_fitted(
    model: Model, pictures: PictureSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_pictures, "MAX_STATISTICS", STATISTICS)
    with pytest.raises(BadInput, match="use more of the data set"):
        fit_pictures.fit_pictures(model, pictures)


def test_bad_pictures_are_reproducible_and_of_the_right_size() -> None:
    good = [picture_of(pixels(seed=k), "p.png") for k in range(2)]
    for first, second in zip(bad_pictures(good), bad_pictures(good), strict=True):
        for one, other in zip(first.patches(), second.patches(), strict=True):
            np.testing.assert_array_equal(one.data, other.data)
            assert one.data.shape == (3, 64, 64)
            assert 0 <= one.data.min() <= one.data.max() <= 1
            assert not np.array_equal(one.data, good[0].data)


def test_gaps_have_the_mean_colour() -> None:
    picture = picture_of(pixels(), "p.png")
    valid = np.ones((64, 64), dtype=bool)
    valid[:5, :5] = False
    hole = Raster(
        data=np.where(valid, picture.data, 0).astype(np.float32),
        valid=valid,
        bands=picture.bands,
        provenance=picture.provenance,
    )
    assert statistics(hole).shape == (STATISTICS,)
    np.testing.assert_allclose(statistics(hole)[:3], statistics(picture)[:3], atol=0.01)


def test_the_shipped_model_flags_a_rainbow() -> None:
    model = registry.default().load(registry.PICTURE_MODEL)
    known = novelty.load(model.folder, model.card.hash) if model.folder else None
    assert known is not None
    good = [picture_of(pixels(), "p.png")]
    rainbow = next(iter(bad_pictures(good)[0].patches()))
    found = assess(model, rainbow, known=known)
    assert found.decision == "cannot tell"
    assert "as if it was drawn" in found.reason


def test_level_2a_stretched_like_eurosat_gets_no_labels() -> None:
    model = registry.default().load(registry.PICTURE_MODEL)
    for sample in samples():
        patch = read_sample(sample.name).window(28, 28, 64)
        bands = np.stack([patch.band(name) for name in ("B04", "B03", "B02")], axis=-1)
        image = np.clip(bands / 0.275 * 255, 0, 255).astype(np.uint8)
        assert assess(model, picture_of(image, "p.png")).decision == "cannot tell", sample.name
