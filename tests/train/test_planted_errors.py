"""Labels that are made wrong on purpose, and how many of them are found."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from landcover.core.errors import BadInput
from landcover.metrics.intervals import wilson
from landcover.train.label_errors import Evidence
from landcover.train.planted_errors import KINDS, plant
from tests.train.test_label_errors import evidence_of, separable


@cache
def evidence() -> Evidence:
    return evidence_of(*separable(60))


def test_random_errors_are_counted() -> None:
    found = plant(evidence(), "random", 0.05)
    assert found.labels == 120
    assert 2 < found.changed < 15
    assert found.found > 0.8 * found.changed
    assert found.first == found.suspected < 100
    assert found.found_of_first == found.found
    said = found.as_dict()
    assert said["first"]["recall"] == found.found / found.changed
    assert said["first"]["recall_interval"] == list(wilson(found.found, found.changed))
    assert found.sentence.startswith(f"Of 120 labels, {found.changed} were turned around at random")


def test_similar_classes_are_exchanged_in_pairs() -> None:
    found = plant(replace(evidence(), classes=("Trees", "Water")), "similar", 0.1)
    # Both classes have one theme; each exchange makes two labels wrong.
    assert found.changed == 12
    assert found.found > 6
    # Pastures and Inland waters have different themes, so none is similar.
    assert plant(evidence(), "similar", 0.1).changed == 0


@pytest.mark.parametrize("share", [0, 0.5, -1, float("nan")])
def test_shares_out_of_range_are_refused(share: float) -> None:
    with pytest.raises(BadInput, match=r"between 0 and 0\.5"):
        plant(evidence(), "random", share)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(BadInput, match="leave the predictions out"):
        plant(replace(evidence(), features=None), KINDS[0], 0.1)
    rare = np.zeros_like(evidence().labels)
    with pytest.raises(BadInput, match="No class is frequent enough"):
        plant(replace(evidence(), labels=rare), KINDS[0], 0.1)
