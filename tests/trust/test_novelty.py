"""Distances from the training data: stored in a file, refused with another card, and correct."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from landcover.core.errors import CorruptModel
from landcover.core.progress import Progress
from landcover.io.samples import read_sample
from landcover.models.model import Model
from landcover.trust import files, novelty
from landcover.trust.bench import fit
from landcover.trust.bench.synthetic import CORRUPTIONS
from landcover.trust.novelty import DETECTORS, Gauss, Novelty, Space, bound_of, days_apart
from landcover.trust.pixel_checks import cells
from tests.support import tiny, trust_cases


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny.tiny_model()


@pytest.fixture(scope="module")
def known(model: Model) -> Novelty:
    seen: list[Progress] = []
    found = fit.fit(model, trust_cases.dataset(), report=seen.append)
    assert seen[-1].done > 60
    assert [each.done for each in seen] == sorted(each.done for each in seen)
    return found


def test_a_fit_is_small_and_is_read_back_from_its_file(
    known: Novelty, model: Model, tmp_path: Path
) -> None:
    known = replace(known, severe={"spectrum": 3.0})
    path = novelty.save(known, tmp_path, model.card.hash)
    assert path == tmp_path / "trust" / "novelty.safetensors"
    assert path.stat().st_size < 300_000
    again = novelty.load(tmp_path, model.card.hash)
    assert again is not None
    assert (again.bounds, again.days, again.detector) == (known.bounds, known.days, known.detector)
    assert (again.made, again.severe) == (known.made, known.severe)
    patch = read_sample("ireland-fields")
    for one, other in zip(
        (known.spectrum_distance(cells(patch)), known.feature_distance(model, patch)),
        (again.spectrum_distance(cells(patch)), again.feature_distance(model, patch)),
        strict=True,
    ):
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert other[name] == pytest.approx(value, rel=1e-3)


def test_a_missing_file_gives_none_and_another_card_is_refused(
    known: Novelty, model: Model, tmp_path: Path
) -> None:
    assert novelty.load(tmp_path, model.card.hash) is None
    novelty.save(known, tmp_path, "0" * 12)
    with pytest.raises(CorruptModel, match="another card"):
        novelty.load(tmp_path, model.card.hash)


@pytest.mark.parametrize("fault", ["missing", "shape", "detector", "bounds", "nan", "days"])
def test_a_damaged_file_is_refused(
    fault: str, known: Novelty, model: Model, tmp_path: Path
) -> None:
    novelty.save(known, tmp_path, model.card.hash)
    read = files.read_tensors(tmp_path, novelty.FILE, model.card.hash)
    assert read is not None
    tensors, values = read
    if fault == "missing":
        del tensors["spectrum.mean"]
    elif fault == "shape":
        tensors["spectrum.precision"] = torch.zeros(3)
    elif fault == "nan":
        tensors["space.spread"][0] = torch.nan
    elif fault == "detector":
        values["detector"] = "guess"
    elif fault == "bounds":
        del values["bounds"]["features"]
    else:
        values["days"] = []
    files.write_tensors(tmp_path, novelty.FILE, model.card.hash, tensors, values)
    with pytest.raises(CorruptModel, match="trust fit"):
        novelty.load(tmp_path, model.card.hash)


def test_corrupted_samples_have_larger_distances_than_good_ones(known: Novelty) -> None:
    patch = read_sample("austria-fields")
    usual = known.spectrum_distance(cells(patch))
    assert known.ratio(usual) < 1.5
    for name in ("alphabetical", "reversed", "offset-twice", "painted-cloud"):
        bad = CORRUPTIONS[name][1](patch, np.random.default_rng(0))
        assert known.ratio(known.spectrum_distance(cells(bad))) > 2, name


def test_a_model_without_features_has_only_the_spectrum_distance(
    known: Novelty, model: Model, tmp_path: Path
) -> None:
    plain = replace(known, space=None, bounds={"spectrum": 1.0})
    assert plain.feature_distance(model, read_sample("ireland-fields")) == {}
    novelty.save(plain, tmp_path, model.card.hash)
    again = novelty.load(tmp_path, model.card.hash)
    assert again is not None
    assert again.space is None


def test_too_few_cells_give_no_distance(known: Novelty) -> None:
    assert known.spectrum_distance(np.ones((12, 3), dtype=np.float32)) == {}
    assert known.ratio({}) == 0.0


def test_mahalanobis_of_a_known_distribution_is_chi_square() -> None:
    random = np.random.default_rng(0)
    mixing = np.eye(12) + 0.2 * random.standard_normal((12, 12))
    points = random.standard_normal((4000, 12)) @ mixing + 3
    found = Gauss.of(points).squared(points)
    assert found.mean() == pytest.approx(12, rel=0.05)
    assert found.var() == pytest.approx(24, rel=0.15)


def test_detectors_on_features_agree_with_their_definitions() -> None:
    random = np.random.default_rng(1)
    features = (random.standard_normal((200, 5)) * [5, 3, 1, 0.1, 0.1]).astype(np.float32)
    scores = random.standard_normal((2, 19)).astype(np.float32)
    space = Space.of(features)
    found = space.distances(features[:2], scores)
    assert set(found) == set(DETECTORS)
    assert found["max-logit"] == pytest.approx(-scores.max(axis=1))
    assert found["energy"] == pytest.approx(-np.log1p(np.exp(scores)).sum(axis=1), rel=1e-5)
    assert (found["residual"] < 0.05).all()  # five components hold five features
    strange = space.distances(features[:2] + 20, scores)
    for name in ("mahalanobis", "nearest"):
        assert (strange[name] > found[name]).all()


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=300), st.floats(0.5, 1))
def test_a_bound_is_exceeded_by_no_more_than_its_share(values: list[float], quiet: float) -> None:
    bound = bound_of(values, quiet)
    assert (np.array(values) > bound).mean() <= 1 - quiet + 1e-9


@given(st.integers(1, 366), st.lists(st.integers(1, 366), min_size=1, max_size=9))
def test_days_are_counted_over_new_year(day: int, known: list[int]) -> None:
    away = days_apart(day, tuple(known))
    assert 0 <= away <= 183
    assert days_apart(day, (*known, day)) == 0
    assert days_apart(2, (360,)) == 7
