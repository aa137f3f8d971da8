"""Measure on validation what a SpectralLite trained by distillation adds to the mosaic.

``python -m tools.research.taught RUNS``. RUNS is the folder ``runs/train`` that
``landcover train --model landcover-mosaic`` writes: TriGrid, two teachers and the net distilled
from them, all trained on train. Each row is a mosaic of some of them with the prior of label sets,
compared with TriGrid and the first teacher: the recipe without distillation. The test split is not
read.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file

from landcover.nets.label_sets import load_packaged
from landcover.nets.spectral_lite0 import SpectralLite
from landcover.nets.trigrid import TriGrid
from landcover.train.recipes.mosaic import JOINING, settings
from landcover.train.recipes.order import Order
from tools.research.common import Floats, gain, line, sigmoid, store, symmetry_logits

ROWS: Final[dict[str, tuple[float, tuple[str, ...]]]] = {
    "not distilled (base)": (0.6, ("teacher-0",)),
    "not distilled, both teachers": (0.6, ("teacher-0", "teacher-1")),
    "distilled, TriGrid's share .6": (0.6, ("lite",)),
    "distilled, .5": (0.5, ("lite",)),
    "distilled, .4": (0.4, ("lite",)),
    "distilled, .3": (0.3, ("lite",)),
    "distilled and its first teacher, .4": (0.4, ("lite", "teacher-0")),
    "distilled and both, .4": (0.4, ("lite", "teacher-0", "teacher-1")),
}
"""For each row, the weight of TriGrid's logits and the SpectralLites that share the rest."""


def main(runs: str, *lites: str) -> None:
    """Print the table, with a row for each further folder of a distilled net (other seeds)."""
    torch.set_num_threads(1)
    parts, check = settings(Order(device="cpu")), store("validation")
    grid = TriGrid(**parts.trigrid.net_options)
    grid.load_state_dict(load_file(Path(runs) / "trigrid" / "weights.safetensors"))
    logits = {"trigrid": symmetry_logits(grid, check, [0])[0]}
    for name in ("teacher-0", "teacher-1", "lite", *lites):
        net = SpectralLite(**parts.lite.net_options)
        net.load_state_dict(load_file(Path(runs) / name / "weights.safetensors"))
        logits[name] = symmetry_logits(net, check, (0, 4)).mean(dim=0)
    prior = load_packaged(strength=JOINING["strength"])
    rows = {**ROWS, **{f"distilled {name}, .4": (0.4, (name,)) for name in lites}}

    def mosaic_probabilities(share: float, names: tuple[str, ...]) -> Floats:
        others = torch.stack([logits[name] for name in names]).mean(dim=0)
        mean = torch.lerp(others, logits["trigrid"], share)
        with torch.inference_mode():
            return sigmoid(prior(JOINING["scale"] * mean).numpy())

    truth = check.targets.numpy()
    base = mosaic_probabilities(*ROWS["not distilled (base)"])
    for name, row in rows.items():
        print(line(name, gain(truth, mosaic_probabilities(*row), base)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
