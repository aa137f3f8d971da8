"""Fitting uses only training and validation patches, and can be stopped."""

from __future__ import annotations

from dataclasses import replace
from threading import Event

import numpy as np
import pytest
import torch
from torch import nn

from landcover.core.errors import BadInput, Cancelled, ModelMismatch
from landcover.core.raster import Raster
from landcover.datasets import Dataset, Record
from landcover.models.features import features_and_scores
from landcover.models.model import Model
from landcover.trust import novelty
from landcover.trust.bench import fit
from landcover.trust.bench.fit import evenly_spaced
from landcover.trust.pixel_checks import cells
from tests.support import tiny, trust_cases


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny.tiny_model()


def test_bounds_let_nearly_all_validation_patches_pass(model: Model) -> None:
    dataset = trust_cases.dataset()
    known = fit.fit(model, dataset)
    good = [record.patch() for record in dataset.records("validation")]
    beyond = [
        known.ratio({**known.spectrum_distance(cells(p)), **known.feature_distance(model, p)})
        for p in good
    ]
    assert max(beyond) == pytest.approx(
        1, abs=1e-4
    )  # with 20 patches the bound is the farthest of them
    table = known.made["detectors"]
    assert set(table) == set(novelty.DETECTORS)
    assert table[known.detector]["mean"] == max(row["mean"] for row in table.values())
    assert (known.made["training"], known.made["validation"]) == (40, 20)
    assert known.days == (130, 161, 191)


def test_the_test_split_is_not_read(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Recording(Dataset):
        def records(self, split: str = "all") -> tuple[Record, ...]:
            asked.append(split)
            return super().records(split)

    monkeypatch.setattr(fit, "CHOSEN_ON", ("shuffled",))
    known = trust_cases.dataset()
    fit.fit(model, Recording(name=known.name, title=known.title, all_records=known.all_records))
    assert set(asked) == {"train", "validation"}


def test_fitting_can_be_cancelled(model: Model) -> None:
    stop = Event()
    with pytest.raises(Cancelled):
        fit.fit(model, trust_cases.dataset(), report=lambda _: stop.set(), cancel=stop)


def test_a_model_without_features_only_gets_a_bound_for_the_spectrum(model: Model) -> None:
    plain = Model(model.card, nn.Flatten(), model.device)
    with pytest.raises(ModelMismatch, match="computes no features"):
        features_and_scores(plain, torch.zeros(1, 12, 120, 120))
    known = fit.fit(plain, trust_cases.dataset())
    assert known.space is None
    assert set(known.bounds) == {"spectrum"}


def test_patches_without_any_date_are_refused(model: Model) -> None:
    class Undated(trust_cases.SampleRecord):
        __slots__ = ()

        def patch(self) -> Raster:
            return replace(trust_cases.SampleRecord.patch(self), acquired=None)

    records = trust_cases.dataset().all_records
    plain = tuple(
        Undated(**{name: getattr(one, name) for name in one.__dataclass_fields__})
        for one in records
    )
    with pytest.raises(BadInput, match="date"):
        fit.fit(model, Dataset(name="b", title="B", all_records=plain))


def test_chosen_records_are_evenly_spaced() -> None:
    records = trust_cases.dataset().records("train")
    assert evenly_spaced(records, 100) == records
    some = evenly_spaced(records, 4)
    assert [one.number for one in some] == [0, 10, 20, 30]


def test_features_do_not_depend_on_the_batch(model: Model) -> None:
    patches = [trust_cases.record(k, "train").patch() for k in range(11)]
    counter = fit.ProgressCounter(lambda _: None, None, 11)
    seen = fit.compute(model, patches, counter, "patches")
    assert seen.features is not None
    assert len(seen.features) == len(seen.scores) == len(seen.logs) == 11
    one, _ = features_and_scores(model, model.tensor(patches[9])[None])
    np.testing.assert_allclose(seen.features[9], one.numpy()[0], rtol=1e-4, atol=1e-6)
    assert counter.done == 11
