"""How frequent each class is, country by country, by the labels of BigEarthNet's training split.

A few hundred patches come from a few places, and a net that is fitted to them expects their classes
everywhere. The labels of all 237,871 training patches need no pixels, and the mean over countries
of their frequencies is a better guess for a country that nobody labelled. So the bias of each
class is moved from the frequency among the fitted patches to that mean.
"""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from landcover.core.classes import CLASS_NAMES

__all__ = ["PATCHES", "TABLE", "bias_of", "fitted_bias", "load", "mean_bias"]

TABLE: Final = Path(__file__).with_name("class_frequencies.csv")
"""Counts of BigEarthNet v2's training labels; ``tools/class_frequencies.py`` made it."""
PATCHES: Final = "patches"
"""Name of the column with the number of patches of a country."""
_LEAST: Final = 1e-3


def load() -> dict[str, Tensor]:
    """Read the table: country → frequency of each class, float64 ``(class,)``."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return {
            row["country"]: torch.tensor(
                [int(row[name]) / int(row[PATCHES]) for name in CLASS_NAMES], dtype=torch.float64
            )
            for row in csv.DictReader(file)
        }


def mean_bias(left_out: Collection[str] = ()) -> Tensor:
    """The log-odds of the mean frequency over countries, float64 ``(class,)``.

    Args:
        left_out: countries that must not be known, because a fit is judged there.
    """
    known = [values for country, values in load().items() if country not in left_out]
    return bias_of(torch.stack(known).mean(dim=0))


def fitted_bias(targets: Tensor) -> Tensor:
    """The log-odds of the frequency among fitted patches ``(n, class)``, float64 ``(class,)``.

    Half a patch with and half a patch without each class are added.
    """
    return bias_of((targets.double().sum(dim=0) + 0.5) / (len(targets) + 1))


def bias_of(frequency: Tensor) -> Tensor:
    """The log-odds of frequencies, which are taken to lie between 0.001 and 0.999."""
    return torch.logit(frequency, eps=_LEAST)
