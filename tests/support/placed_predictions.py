"""Out-of-fold predictions of synthetic patches in four countries."""

from __future__ import annotations

import numpy as np

from landcover.core.classes import CLASS_NAMES
from landcover.evaluate.report_metrics import Material
from landcover.metrics.crossfit import places as products
from landcover.train.recipes.out_of_fold import OutOfFold

__all__ = ["COUNTRIES", "some"]

COUNTRIES = {"Austria": 40, "Finland": 30, "Ireland": 25, "Serbia": 20}


def some(seed: int = 0, spread: float = 0.8) -> tuple[Material, OutOfFold]:
    """Patches of four countries of three products each, and logits shifted by country."""
    random = np.random.default_rng(seed)
    countries = np.repeat(list(COUNTRIES), list(COUNTRIES.values()))
    tiles = {name: f"3{k}UUP" for k, name in enumerate(COUNTRIES)}
    ids = tuple(
        f"S2A_MSIL2A_2017061{k % 3}T101031_N9999_R022_T{tiles[name]}_{k}_0"
        for k, name in enumerate(countries.tolist())
    )
    truth = random.random((len(ids), len(CLASS_NAMES))) < 0.25
    truth[:, -1] = False
    shift = {name: random.normal(0, spread, len(CLASS_NAMES)) for name in COUNTRIES}
    logits = random.normal(-2, 1.2, truth.shape) + 4 * truth
    logits += np.array([shift[name] for name in countries.tolist()])
    material = Material(
        ids=ids,
        classes=CLASS_NAMES,
        truth=truth,
        countries=tuple(countries.tolist()),
        places=products(ids),
    )
    folds = tuple(tuple(np.array(ids)[countries == name].tolist()) for name in COUNTRIES)
    return material, OutOfFold(
        name="recipe", settings="{}", folds=folds, logits=logits.astype(np.float32)
    )
