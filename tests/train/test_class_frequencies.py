"""Frequencies of classes by country, and the biases that follow from them."""

from __future__ import annotations

import csv

import pytest
import torch

from landcover.core.classes import CLASS_NAMES
from landcover.nets import label_sets
from landcover.train import class_frequencies
from landcover.train.class_frequencies import fitted_bias, load, mean_bias

MARINE = CLASS_NAMES.index("Marine waters")


def test_the_table_has_every_country_and_agrees_with_the_label_sets() -> None:
    table = load()
    assert len(table) == 10
    assert all(len(row) == len(CLASS_NAMES) and 0 <= row.min() <= row.max() <= 1
               for row in table.values())  # fmt: skip
    assert float(table["Austria"][MARINE]) == 0
    # Both tables count the labels of the same training split.
    with label_sets.TABLE.open(newline="", encoding="utf-8") as file:
        sets = [(row["classes"].split(), int(row["patches"])) for row in csv.DictReader(file)]
    marine = sum(count for classes, count in sets if str(MARINE) in classes)
    with class_frequencies.TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["Marine waters"]) for row in rows) == marine
    assert sum(int(row["patches"]) for row in rows) == sum(count for _, count in sets)


def test_each_country_counts_the_same_and_left_out_ones_not_at_all() -> None:
    table = load()
    mean = torch.stack(list(table.values())).mean(dim=0)
    assert torch.allclose(mean_bias().sigmoid(), mean.clamp(0.001, 0.999))
    without = mean_bias(["Finland", "Ireland"])
    assert float(without[MARINE]) < float(mean_bias()[MARINE])
    rest = [row for name, row in table.items() if name not in ("Finland", "Ireland")]
    assert torch.allclose(without.sigmoid(), torch.stack(rest).mean(dim=0).clamp(0.001, 0.999))
    assert torch.equal(mean_bias(["Atlantis"]), mean_bias())


def test_a_class_that_no_fitted_patch_has_keeps_finite_odds() -> None:
    targets = torch.zeros(9, len(CLASS_NAMES))
    targets[:, 0] = 1
    odds = fitted_bias(targets)
    assert float(odds[0].sigmoid()) == pytest.approx(0.95)
    assert float(odds[1].sigmoid()) == pytest.approx(0.05)
