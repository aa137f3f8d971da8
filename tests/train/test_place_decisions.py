"""Decisions by place: nothing of a left-out country enters them, and cards can hold them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.models.card import parse_card
from landcover.models.model import Model
from landcover.report.classification import report_of
from landcover.train import place_decisions
from landcover.trust import place_record, place_text
from landcover.trust.result import predict
from tests.support import tiny
from tests.support.placed_predictions import COUNTRIES, some


@pytest.fixture(scope="module")
def chosen() -> place_decisions.Chosen:
    near = tiny.tiny_card(b"")
    return place_decisions.choose(*some(), dataset="data", near=near)


def test_every_way_is_measured_in_every_country(chosen: place_decisions.Chosen) -> None:
    found = chosen.measured
    assert (found.model, found.dataset, found.n, found.products) == ("recipe", "data", 115, 12)
    assert {name: part.n for name, part in found.per_country.items()} == COUNTRIES
    assert set(found.overall.ways) == {"raw", "near", "by place"}
    assert set(found.label_sets) == {"plain", "by place"}  # this card has no label sets
    placed, raw = found.overall.ways["by place"], found.overall.ways["raw"]
    assert (placed.log_loss.value or 9) < (raw.log_loss.value or 0)
    assert placed.log_loss.interval is not None
    # A country has three products here, which are too few for an interval.
    assert found.per_country["Serbia"].ways["raw"].ece.interval is None
    certain = found.label_sets["by place"].overall.certain
    assert certain.share is None or certain.share >= 0.9
    assert (found.label_sets["by place"].overall.present.share or 0) >= 0.9
    assert set(found.said) | set(found.unsaid) == set(CLASS_NAMES)


def test_the_labels_of_a_country_do_not_change_what_is_decided_in_it() -> None:
    material, predictions = some(1)
    out = np.array(material.countries) == "Ireland"
    other = material.truth.copy()
    other[out] = np.random.default_rng(5).random(other[out].shape) < 0.6
    work = [
        place_decisions.Work(
            material=replace(material, truth=truth), logits=predictions.logits_of(material.ids)
        ).elsewhere()
        for truth in (material.truth, other)
    ]
    assert (work[0].probability[out] == work[1].probability[out]).all()
    assert (work[0].predicted[out] == work[1].predicted[out]).all()
    assert (work[0].probability[~out] != work[1].probability[~out]).any()


def test_a_card_with_the_choices_says_what_they_rest_on(
    chosen: place_decisions.Chosen, tmp_path: Any
) -> None:
    model = tiny.tiny_model()
    card = chosen.into(model.card)
    assert card.hash != model.card.hash
    assert parse_card(card.as_dict(), tmp_path) == card
    assert "countries that the fit had not seen" in card.threshold_rule
    sets = card.label_sets
    assert sets is not None
    assert sets.by_place is not None
    assert sets.by_place.unsaid == chosen.measured.unsaid
    assert {n for n in card.classes if sets.certain_from(n) is not None} == set(
        chosen.measured.said
    )
    result = predict(Model(card, model.net, model.device), tiny.random_patch())
    said = report_of(result, "patch").as_dict()["label_sets"]
    assert said["chosen_by"] == "country"
    assert said["wanted_coverage"] == 0.9
    assert said["certain"] == chosen.measured.label_sets["by place"].overall.certain.as_dict()
    plain = report_of(predict(model, tiny.random_patch()), "patch")
    assert "label_sets" not in plain.as_dict()


def test_the_record_is_kept_with_the_model_and_printed(
    chosen: place_decisions.Chosen, tmp_path: Any
) -> None:
    place_record.save(chosen.measured, tmp_path, "hash")
    assert place_record.load(tmp_path, "hash") == chosen.measured
    assert place_record.load(tmp_path / "none", "hash") is None
    for text in (place_text.as_text(chosen.measured), place_text.as_markdown(chosen.measured)):
        assert "115 patches of 12 products in 4 countries" in text
        assert "to promise 90% takes at least 9 countries drawn at random, and there are 4." in text
        assert text.count("Serbia") == 3 + 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m, p: (m, replace(p, folds=p.folds[:-1])), "The predictions are of other patches"),
        (
            lambda m, p: (m, replace(p, folds=(p.folds[0][:9], p.folds[0][9:], *p.folds[1:]))),
            "A country is divided between folds",
        ),
        (
            lambda m, p: (
                replace(m, countries=tuple("AB"[name == "Austria"] for name in m.countries)),
                replace(p, folds=(p.folds[0], sum(p.folds[1:], ()))),
            ),
            "patches of at least three countries",
        ),
    ],
)
def test_predictions_that_cannot_be_used_are_refused(change: Any, sentence: str) -> None:
    material, predictions = change(*some())
    with pytest.raises(BadInput, match=sentence):
        place_decisions.choose(material, predictions, dataset="data")
